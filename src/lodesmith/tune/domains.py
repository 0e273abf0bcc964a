"""A recipe's `tune` as a list of domains: each is one link of a chain, learnt on top of the last.

tune:
  - {domain: medicine, files: [pairs.jsonl], max_steps: 200}
  - {domain: liver, files: [liver.json], max_steps: 50}
"""

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from lodesmith.core.config import Config
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.train.config import TrainingConfig
from lodesmith.tune.config import TuneConfig
from lodesmith.tune.privacy import AuditConfig, PrivateTraining

STAGE_VERSION = 1

Method = Literal["pretraining", "sft", "dpo", "kto", "reward", "grpo", "rloo"]
TEXT_METHODS = ("pretraining", "sft")  # learn texts as they stand; the others compare
Matrix = Literal[
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"
]  # named as in Hugging Face checkpoints


class AdapterConfig(Config):
    """A low-rank adapter (LoRA): small matrices are trained beside the frozen ones."""

    rank: int = Field(default=16, gt=0)
    """Width of the small matrices."""

    alpha: float = Field(default=32.0, gt=0)
    """What the adapter adds is multiplied by alpha / rank."""

    targets: list[Matrix] = Field(
        default=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        min_length=1,
    )
    """Matrices that get an adapter, in every layer."""

    quantize_base: Literal["nf4"] | None = None
    """Hold the frozen matrices of the layers in 4 bits while it is trained (QLoRA), an eighth of
    their memory; what it learnt is added to the weights as they were. Wants lodesmith[qlora]."""

    keep: Literal["merge", "stack"] = "merge"
    """What becomes of it when the next domain comes: merged into the weights, under a fresh one; or
    kept in the stack of adapters over the weights that the chain began with."""

    @property
    def shape(self) -> AdapterShape:
        """What the model is told of it."""
        return AdapterShape(self.rank, self.alpha, tuple(self.targets))


class RewardConfig(Config):
    """Answers that the model makes itself, and what they are worth."""

    model: str | None = None
    """Artifact id or folder of a model that method reward made; none compares the last number of
    an answer with that of the right one (of a record with question and answer): 1 or 0."""

    group_size: int = Field(default=8, gt=1)
    """Answers to each question, which are compared with each other."""

    max_answer_tokens: int = Field(default=64, gt=0)
    """An answer is cut off there."""

    steps_per_round: int = Field(default=1, gt=0)
    """Optimizer steps on answers of the same weights; more are quicker and less exact."""

    clip: float = Field(default=0.2, gt=0, lt=1)
    """By what share an answer may get likelier in a round."""


class DomainConfig(TrainingConfig):
    """One domain: what it is learnt from, how, and how much the earlier ones may suffer."""

    without_effect: ClassVar[frozenset[str]] = TrainingConfig.without_effect | {"forgetting_limit"}

    domain: str = Field(min_length=1, max_length=64)
    """Its name in any script, in tables and messages; without spaces."""

    files: list[str] = Field(min_length=1)
    """Files or folders to learn from: .jsonl or .json (plain, .gz, .zst) and .txt. The form of a
    record is found by its fields: OpenAI, ShareGPT or Alpaca chats, pairs, rated answers, text."""

    method: Method = "sft"
    """pretraining: every token of texts; sft: what the assistant says; dpo: which of two answers is
    better; kto: which answers are good; reward: to score answers, from pairs; grpo, rloo: from
    rewards of the model's own answers."""

    beta: float = Field(default=0.1, gt=0)
    """With dpo and kto: how much a gain over the model that is started from counts."""

    rewards: RewardConfig | None = None
    """With grpo and rloo: how answers are made and rewarded."""

    optimizer: Literal["muon", "adamw"] = "adamw"
    """What updates the matrices of the layers; embeddings and norms always get AdamW."""

    learning_rate: float = Field(default=0.0002, gt=0)
    """Peak rate, to which each domain warms up again: about 0.0002 for adapters, a tenth for all
    weights."""

    adapter: AdapterConfig | None = None
    """Train a low-rank adapter and leave the weights; none trains all weights."""

    template: Literal["own", "checkpoint"] | None = None
    """How chats are written: our ChatML, or the chat template of the model that is started from;
    none takes the checkpoint's where it has one."""

    replay_fraction: float = Field(default=0.05, ge=0, lt=1)
    """Share of the rows that are of the chain's earlier domains, so that they are not forgotten."""

    held_out_fraction: float = Field(default=0.05, gt=0, lt=1)
    """Share of the records that is never learnt, on which the chain's models are compared."""

    max_held_out: int = Field(default=200, gt=0)
    """Records held out at most."""

    forgetting_limit: float | None = Field(default=0.02, ge=0)
    """By what share bits per byte on an earlier domain may rise before the chain stops; none lets
    it go on."""

    differential_privacy: PrivateTraining | None = None
    """Learn so that no single record can be told from the model; needs an adapter."""

    audit: AuditConfig | None = None
    """Plant secrets among the records, and let the model out only if it keeps them."""

    @field_validator("domain")
    @classmethod
    def _is_one_word(cls, domain: str) -> str:
        if not domain.isprintable() or " " in domain:
            raise ValueError(f"{domain!r} must be one word; join several by a hyphen")
        return domain

    @model_validator(mode="after")
    def _check_privacy(self) -> Self:
        is_private = self.differential_privacy is not None
        if (is_private or self.audit is not None) and self.method not in TEXT_METHODS:
            raise ValueError(
                f"method is {self.method}: differential_privacy and audit go with pretraining and "
                "sft only"
            )
        if is_private and self.adapter is None:
            raise ValueError(
                "differential_privacy trains an adapter, whose few weights need little noise; "
                "add adapter: {}"
            )
        copies = [count for count in self.audit.planted if count > 1] if self.audit else []
        if is_private and copies:
            raise ValueError(
                "differential_privacy promises for one record, not for what stands in "
                f"{max(copies)}; set audit.planted: [1]"
            )
        if is_private and self.replay_fraction:
            raise ValueError(
                "differential_privacy promises for this domain's records only; set "
                "replay_fraction: 0, and learn earlier domains again without it"
            )
        return self

    @model_validator(mode="after")
    def _check_adapter(self) -> Self:
        if self.adapter is not None and self.optimizer == "muon":
            raise ValueError(
                "optimizer is muon, which is for whole matrices; use adamw with an adapter"
            )
        if self.adapter is not None and self.parallel is not None:
            raise ValueError(
                "adapter is trained beside a model that each rank holds whole; leave out parallel"
            )
        is_rounded = self.adapter is not None and self.adapter.quantize_base is not None
        if is_rounded and (self.method not in TEXT_METHODS or self.differential_privacy):
            raise ValueError(
                "adapter.quantize_base goes with pretraining and sft, without "
                "differential_privacy: what else compares with the start has it unrounded"
            )
        if (self.rewards is not None) != (self.method in ("grpo", "rloo")):
            raise ValueError(
                f"method is {self.method}: rewards is needed with grpo and rloo, and with no other"
            )
        return self

    @model_validator(mode="after")
    def _check_rounds(self) -> Self:
        if self.rewards is None:
            return self
        if self.global_batch_size % self.rewards.group_size:
            raise ValueError(
                f"global_batch_size ({self.global_batch_size}), the answers of a step, must be a "
                f"multiple of rewards.group_size ({self.rewards.group_size})"
            )
        if self.max_steps % self.rewards.steps_per_round:
            raise ValueError(
                f"max_steps ({self.max_steps}) must be a multiple of rewards.steps_per_round "
                f"({self.rewards.steps_per_round})"
            )
        return self

    @property
    def training(self) -> TrainingConfig:
        """The settings of the training loop alone."""
        return TrainingConfig(**{name: getattr(self, name) for name in TrainingConfig.model_fields})


class LinkConfig(DomainConfig):
    """A domain whose files have been read: what the link's artifact depends on."""

    without_effect: ClassVar[frozenset[str]] = DomainConfig.without_effect | {"files"}

    data: dict[str, str]
    """SHA-256 of each file, by its path as given."""

    base: str | None
    """SHA-256 over the model folder that the chain begins with; none where that is an artifact."""


def tune_kind(value: Any) -> str:
    """Return the tag of one form of the section `tune`, for the recipe's type."""
    return "<domains>" if isinstance(value, list) else f"<{TuneConfig.__name__}>"

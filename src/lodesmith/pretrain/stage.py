"""The stage: a token set in, a base model out. Thin over the one training loop."""

from collections.abc import Mapping
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.core.storage import write_bytes, write_json
from lodesmith.core.units import format_counted
from lodesmith.data.corpora import mixture_order
from lodesmith.data.mixture import MixtureOrder
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokens import TokenSet
from lodesmith.lineage.artifact import Artifact, Draft
from lodesmith.model.config import DecoderConfig, ModelConfig
from lodesmith.pretrain.config import PretrainConfig
from lodesmith.train.config import TrainingConfig
from lodesmith.train.job import TokenSetData, TrainingJob
from lodesmith.train.ranks.launch import observations_of, run_training

METRICS_FILE = "metrics.jsonl"


def make(
    draft: Draft,
    *,
    parents: Mapping[str, Artifact],
    model: ModelConfig,
    pretrain: PretrainConfig,
) -> None:
    """Train a fresh decoder on the training side of a tokenize artifact.

    Raises:
        UserError: the text is too short, or the sequences are longer than the model may read.
        EngineError: a rank has died.
    """
    tokens, tokenizer = _open(parents["tokenize"])
    _check_lengths(tokens, model, pretrain)
    mixture = _open_mixture(tokens, pretrain)
    job = TrainingJob(
        config=_as_training(pretrain),
        start=DecoderConfig.from_model(model, vocab_size=tokenizer.vocab_size),
        data=TokenSetData(tokens.folder, pretrain.mixture),
        scratch=draft.scratch,
        model_folder=draft.path / "model",
        metrics_file=draft.path / METRICS_FILE,
        eos_ids=tokenizer.eos_ids,
        vocabulary=tokenizer.vocabulary,
        title="pretrain",
    )
    facts = run_training(job)
    _copy_files(parents["tokenize"].file("tokenizer"), draft.path / "model")
    epochs = facts["samples_consumed"] / tokens.num_windows(pretrain.sequence_length)
    told = {**facts, "num_epochs": epochs}
    if mixture is not None:
        told["mixture"] = pretrain.mixture
        told["num_epochs_by_corpus"] = mixture.epochs(facts["samples_consumed"])
    write_json(draft.path / "training.json", told)
    draft.observations |= observations_of(job)
    draft.counts = {
        name: facts[name] for name in ("num_parameters", "num_steps", "tokens_seen", "final_loss")
    }


def _open(tokenize: Artifact) -> tuple[TokenSet, Tokenizer]:
    tokenizer = Tokenizer.load(tokenize.file("tokenizer"))
    tokens = TokenSet.open(tokenize.file("train"))
    tokens.check_tokenizer(tokenizer.digest)
    return tokens, tokenizer


def _check_lengths(tokens: TokenSet, model: ModelConfig, pretrain: PretrainConfig) -> None:
    length = pretrain.sequence_length
    if length > model.max_position_embeddings:
        raise UserError(
            f"pretrain.sequence_length ({length}) is above model.max_position_embeddings "
            f"({model.max_position_embeddings}); raise the latter"
        )
    if not tokens.num_windows(length):
        raise UserError(
            f"the training text has {format_counted(tokens.num_tokens, 'token')}, too few for "
            f"one sequence of {length}; acquire more pages or lower pretrain.sequence_length"
        )


def _open_mixture(tokens: TokenSet, pretrain: PretrainConfig) -> MixtureOrder | None:
    if pretrain.mixture is None:
        return None
    return mixture_order(
        tokens,
        pretrain.mixture,
        sequence_length=pretrain.sequence_length,
        seed=pretrain.seed,
    )


def _as_training(pretrain: PretrainConfig) -> TrainingConfig:
    return TrainingConfig(**{name: getattr(pretrain, name) for name in TrainingConfig.model_fields})


def _copy_files(source: Path, target: Path) -> None:
    for path in sorted(source.iterdir()):
        write_bytes(target / path.name, path.read_bytes())

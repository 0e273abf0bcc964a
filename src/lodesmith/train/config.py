"""How a training run goes: length, batches, learning rate. Shared by pretraining and tuning."""

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import Discriminator, Field, Tag, model_validator

from lodesmith.core.config import Config
from lodesmith.parallel.config import ParallelConfig

TrackerName = Literal["tensorboard", "wandb", "mlflow"]

_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})  # of a CPU, as Linux names them


def _layout_tag(value: Any) -> str:
    return "<auto>" if isinstance(value, str) else "<ParallelConfig>"


LayoutChoice = Annotated[
    Annotated[Literal["auto"], Tag("<auto>")] | Annotated[ParallelConfig, Tag("<ParallelConfig>")],
    Discriminator(_layout_tag),
]


class NodesConfig(Config):
    """Several machines that train together: the others run `lodesmith join`."""

    listen: str
    """HOST:PORT of the machine where the command is given, on the network that all nodes share."""

    num_nodes: int = Field(gt=1)
    """Machines that the run is made for, this one included; ranks are spread evenly over them. More
    may join: they take the place of one that is lost."""


class TrainingConfig(Config):
    """Settings of the one training loop."""

    without_effect: ClassVar[frozenset[str]] = frozenset(
        {
            "device",
            "num_ranks",
            "parallel",
            "nodes",
            "trackers",
            "checkpoint_every_steps",
            "checkpoint_place",
            "keep_checkpoints_every_steps",
            "activation_checkpointing",
        }
    )

    max_steps: int = Field(gt=0)
    """Optimizer steps of the whole run."""

    global_batch_size: int = Field(default=16, gt=0)
    """Sequences of one optimizer step, over all ranks; a multiple of two micro-batches, or with
    `parallel` of one for each data-parallel rank."""

    micro_batch_size: int = Field(default=8, gt=0)
    """Sequences of one forward pass; more need more memory and may be faster."""

    sequence_length: int = Field(default=256, gt=1)
    """Tokens of a training sequence."""

    optimizer: Literal["muon", "adamw"] = "muon"
    """What updates the matrices of the layers; embeddings and norms always get AdamW."""

    learning_rate: float = Field(default=0.02, gt=0)
    """Peak rate for the matrices of the layers; about 0.02 with muon, 0.001 with adamw."""

    embedding_learning_rate: float | None = Field(default=None, gt=0)
    """Peak rate for embeddings, output matrix and norms; none means learning_rate."""

    min_learning_rate: float = Field(default=0.0, ge=0)
    """Rate of the matrices at the end of the decay; the embeddings' falls in proportion."""

    warmup_steps: int = Field(default=10, ge=0)
    """Steps over which the rate rises from zero."""

    schedule: Literal["warmup-stable-decay", "cosine"] = "warmup-stable-decay"
    """How the rate falls after the warm-up."""

    decay_fraction: float = Field(default=0.5, gt=0, le=1)
    """Share of max_steps over which warmup-stable-decay falls to the minimum."""

    weight_decay: float = Field(default=0.0, ge=0)
    """Share of the layers' matrices taken away per step, times the learning rate."""

    adam_beta1: float = Field(default=0.9, ge=0, lt=1)
    """Memory of AdamW's mean gradient."""

    adam_beta2: float = Field(default=0.95, ge=0, lt=1)
    """Memory of AdamW's mean squared gradient."""

    muon_momentum: float = Field(default=0.95, ge=0, lt=1)
    """Memory of Muon's mean gradient, reached after a short warm-up."""

    param_dtype: Literal["fp32", "bf16", "fp16", "auto"] = "fp32"
    """Arithmetic of matrix products; weights, moments and sums stay fp32. bf16 is faster where the
    CPU has instructions for it (AVX-512 BF16, AMX) and slower where not; auto chooses by that when
    the run starts, and takes bf16 on GPUs. fp16 scales the loss, and leaves out steps whose
    gradients overflow."""

    matmul_dtype: Literal["float8"] | None = None
    """Format of the matrix products in the layers where it is not param_dtype. float8 (through
    torchao, each operand scaled by its largest value) wants `device: cuda`, a GPU of compute
    capability 8.9 or more, param_dtype bf16, and pays with `compile: inductor`. Embeddings, output
    matrix, routers and experts stay as they are, and so do matrices whose sides are no multiples
    of 16."""

    reduce_dtype: Literal["fp32", "bf16"] = "fp32"
    """Number format in which ranks add gradients; bf16 halves what travels and wants `parallel`."""

    max_grad_norm: float | None = Field(default=None, gt=0)
    """Longer gradients are shortened to this; none leaves them."""

    z_loss: float | None = Field(default=None, gt=0)
    """Weight of the squared log-normaliser of each prediction beside its loss, which keeps logits
    from drifting; 0.0001 is usual (arXiv:2204.02311, section 5). None is none."""

    activation_checkpointing: Literal["none", "selective", "full"] = "none"
    """What is computed again in the backward pass instead of being kept: nothing, all but matrix
    products and attention, or whole layers. The result is the same, to the last bit."""

    compile: Literal["aot_eager", "inductor"] | None = None
    """Compile each layer with torch.compile: inductor makes C++ that runs faster (it takes a minute
    once, and a C++ compiler), aot_eager is for tests; none runs layers as they are."""

    seed: int = Field(default=1, ge=0)
    """Fixes the first weights and the order of the samples."""

    checkpoint_every_steps: int = Field(default=100, gt=0)
    """A killed run repeats at most this many steps."""

    checkpoint_place: str | None = Field(default=None, min_length=1)
    """Folder or URL (as in s3://bucket/runs) below which checkpoints are written and stay; none is
    the artifact's own scratch, which goes when the artifact is whole."""

    keep_checkpoints_every_steps: int | None = Field(default=None, gt=0)
    """Checkpoints after a multiple of so many steps are kept besides the last two; none keeps the
    last two only."""

    device: Literal["cpu", "cuda"] = "cpu"
    """What the ranks compute on: cuda gives each an NVIDIA GPU of its own. The weights change by
    rounding only, so a run that was begun on one goes on on the other."""

    num_ranks: Literal["auto", 1, 2] = "auto"
    """Processes that train together where `parallel` is none, with one core or GPU each; auto takes
    two where two are there. The weights are the same, bit for bit, on CPUs."""

    parallel: LayoutChoice | None = None
    """How the model is laid over ranks; none keeps it whole on each, and auto asks the planner what
    is quickest on this machine's cores (in `pretrain`; elsewhere it is none). Another layout
    changes the weights by rounding only, so a killed run goes on under any, and the artifact's id
    stays."""

    nodes: NodesConfig | None = None
    """Train on several machines that share a disk; none is this machine alone."""

    trackers: list[TrackerName] = Field(default=["tensorboard"])
    """Where metrics go besides metrics.jsonl: event files for TensorBoard in the artifact; wandb
    (offline unless WANDB_MODE says otherwise) and mlflow want their packages."""

    @model_validator(mode="after")
    def _check_sizes(self) -> Self:
        if self.parallel is not None and self.num_ranks != "auto":
            raise ValueError(
                f"num_ranks ({self.num_ranks}) is for a model that is not laid over ranks; leave "
                "it out, as parallel says how many there are"
            )
        if self.compile is not None and self.activation_checkpointing == "selective":
            raise ValueError(
                "activation_checkpointing selective chooses among operations that compile joins; "
                "take full or none, or leave out compile"
            )
        if self.parallel is None and self.reduce_dtype != "fp32":
            raise ValueError(
                f"reduce_dtype {self.reduce_dtype} wants parallel: whole models add in fp32"
            )
        if self.parallel is None and self.global_batch_size % (2 * self.micro_batch_size):
            raise ValueError(
                f"global_batch_size ({self.global_batch_size}) must be a multiple of twice "
                f"micro_batch_size ({self.micro_batch_size}), because each batch is cut in two"
            )
        if self.matmul_dtype == "float8" and self.param_dtype != "bf16":
            raise ValueError(
                f"matmul_dtype float8 wants param_dtype bf16, not {self.param_dtype}: it is the "
                "format of all that is not multiplied in float8"
            )
        kept = self.keep_checkpoints_every_steps
        if kept is not None and kept % self.checkpoint_every_steps:
            raise ValueError(
                f"keep_checkpoints_every_steps ({kept}) must be a multiple of "
                f"checkpoint_every_steps ({self.checkpoint_every_steps})"
            )
        if self.min_learning_rate > self.learning_rate:
            raise ValueError(
                f"min_learning_rate ({self.min_learning_rate}) is above learning_rate "
                f"({self.learning_rate})"
            )
        return self

    @property
    def step_tokens(self) -> int:
        """Input tokens of one optimizer step."""
        return self.global_batch_size * self.sequence_length


_Settings = TypeVar("_Settings", bound=TrainingConfig)


def settle_dtype(config: _Settings, *, cpus: Path = Path("/proc/cpuinfo")) -> _Settings:
    """Return the settings with a param_dtype of auto replaced by what suits this machine.

    It changes the weights, so it is settled before the artifact's id is known.

    Args:
        config: settings of pretraining or tuning.
        cpus: where the kernel lists what the CPU can do; fp32 is taken where there is none.
    """
    if config.param_dtype != "auto":
        return config
    if config.device == "cuda":
        return config.model_copy(update={"param_dtype": "bf16"})
    text = cpus.read_text() if cpus.exists() else ""
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    dtype = "bf16" if _BF16_FLAGS & set(flags.split()) else "fp32"
    return config.model_copy(update={"param_dtype": dtype})


def settle_layout(config: _Settings) -> _Settings:
    """Return the settings with a layout of auto replaced by what suits this machine.

    Here nobody can ask the planner, which the commands that read recipes do for pretraining: auto
    keeps the model whole.
    """
    return config if config.parallel != "auto" else config.model_copy(update={"parallel": None})

"""The recipe section `plan`: which cluster, how much text, and what is fixed in advance."""

from pydantic import Field, model_validator

from lodesmith.core.config import Config
from lodesmith.plan.workload.layout import Attention, Checkpointing, Precision, Sharded
from lodesmith.plan.workload.shape import Kind, ModelShape, name_divisors


class ArchitectureConfig(Config):
    """A decoder that is only planned, as one of GPT-3's kind, which Lodesmith does not train."""

    kind: Kind = "gpt"
    """`gpt`: LayerNorm, learned positions, biases, plain MLP. `llama`: RMSNorm, rotary positions,
    gated MLP. `qwen3`: the same with normalised queries and keys."""

    vocab_size: int = Field(gt=0)
    """Rows of the embedding, padding included."""

    hidden_size: int = Field(gt=0)
    """Width of the residual stream."""

    num_hidden_layers: int = Field(gt=0)
    """Layers."""

    num_attention_heads: int = Field(gt=0)
    """Query heads; must divide hidden_size."""

    num_key_value_heads: int | None = Field(default=None, gt=0)
    """Key and value heads; as many as query heads if left out."""

    intermediate_size: int | None = Field(default=None, gt=0)
    """Inner width of the MLP; four times hidden_size if left out."""

    max_position_embeddings: int = Field(gt=0)
    """Longest sequence, tokens."""

    tie_word_embeddings: bool = True
    """Whether the output head is the embedding again."""

    num_experts: int = Field(default=0, ge=0)
    """Experts in place of each layer's MLP; 0 for a plain MLP."""

    num_experts_per_tok: int = Field(default=0, ge=0)
    """Experts that a token meets."""

    moe_intermediate_size: int = Field(default=0, ge=0)
    """Inner width of one expert."""

    shared_expert_intermediate_size: int = Field(default=0, ge=0)
    """Inner width of the experts that every token meets, together."""

    @model_validator(mode="after")
    def _check_heads(self) -> "ArchitectureConfig":
        if self.hidden_size % self.num_attention_heads:
            near = name_divisors(self.hidden_size, self.num_attention_heads)
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) must divide hidden_size "
                f"({self.hidden_size}); {near}"
            )
        groups = self.num_key_value_heads or self.num_attention_heads
        if self.num_attention_heads % groups:
            near = name_divisors(self.num_attention_heads, groups)
            raise ValueError(
                f"num_key_value_heads ({groups}) must divide num_attention_heads "
                f"({self.num_attention_heads}); {near}"
            )
        return self

    def shape(self) -> ModelShape:
        """Return the shape that the planner computes with."""
        return ModelShape(
            kind=self.kind,
            vocab_size=self.vocab_size,
            hidden_size=self.hidden_size,
            intermediate_size=self.intermediate_size or 4 * self.hidden_size,
            num_hidden_layers=self.num_hidden_layers,
            num_attention_heads=self.num_attention_heads,
            num_key_value_heads=self.num_key_value_heads or self.num_attention_heads,
            head_dim=self.hidden_size // self.num_attention_heads,
            max_position_embeddings=self.max_position_embeddings,
            tie_word_embeddings=self.tie_word_embeddings,
            num_experts=self.num_experts,
            num_experts_per_tok=self.num_experts_per_tok,
            moe_intermediate_size=self.moe_intermediate_size,
            shared_expert_intermediate_size=self.shared_expert_intermediate_size,
        )


class GivenLayout(Config):
    """A layout that is given, not searched. What is left of the devices is data-parallel."""

    tensor_parallel_size: int = Field(default=1, gt=0)
    """Ranks that split every matrix."""

    pipeline_parallel_size: int = Field(default=1, gt=0)
    """Ranks that split the layers among them."""

    context_parallel_size: int = Field(default=1, gt=0)
    """Ranks that split each sequence."""

    expert_parallel_size: int = Field(default=1, gt=0)
    """Data-parallel ranks that split the experts among them."""

    virtual_pipeline_size: int = Field(default=1, gt=0)
    """Model chunks per pipeline rank; above 1 the schedule is interleaved."""

    sequence_parallel: bool = True
    """Whether norms and dropout are split over the tensor-parallel ranks."""

    sharded: Sharded = "optimizer"
    """What data-parallel ranks split among them: nothing, optimizer (ZeRO-1), gradients (ZeRO-2),
    everything (ZeRO-3, FSDP)."""

    activation_checkpointing: Checkpointing = "none"
    """Which activations are computed again in the backward pass: none; `selective`, attention's
    square; `alternate`, every other product and what lies between; full."""

    micro_batch_size: int = Field(default=1, gt=0)
    """Sequences in one forward of one data-parallel rank."""


class RequestConfig(Config):
    """One kind of request to a served model."""

    prompt_tokens: int = Field(default=1024, gt=0)
    """Tokens of the prompt."""

    answer_tokens: int = Field(default=256, gt=0)
    """Tokens of the answer."""

    weight: float = Field(default=1.0, gt=0)
    """How often such a request comes, beside the other kinds."""


class InferenceConfig(Config):
    """How the model is served once it is trained."""

    requests: tuple[RequestConfig, ...] = Field(default=(RequestConfig(),), min_length=1)
    """The mix of requests."""

    precision: Precision | None = None
    """Number format of the weights; bf16 if left out, fp32 where the device has no bf16."""

    tensor_parallel_size: int | None = Field(default=None, gt=0)
    """Devices that split every matrix; the fewest that hold the model if left out."""

    max_num_seqs: int = Field(default=256, gt=0)
    """Requests that are decoded together at most."""

    @property
    def shares(self) -> list[tuple[RequestConfig, float]]:
        """Kinds of requests, each with its share of all."""
        total = sum(kind.weight for kind in self.requests)
        return [(kind, kind.weight / total) for kind in self.requests]

    @property
    def mean_prompt_tokens(self) -> float:
        """Tokens of the mean prompt."""
        return sum(share * kind.prompt_tokens for kind, share in self.shares)

    @property
    def mean_answer_tokens(self) -> float:
        """Tokens of the mean answer."""
        return sum(share * kind.answer_tokens for kind, share in self.shares)

    @property
    def mean_context(self) -> float:
        """Tokens that a running request has in the cache, on average over its answer."""
        rows = [(kind, share * kind.answer_tokens) for kind, share in self.shares]
        seen = sum(steps * (kind.prompt_tokens + kind.answer_tokens / 2) for kind, steps in rows)
        return seen / self.mean_answer_tokens


class ClaimConfig(Config):
    """A rate that somebody has published, for the plan to judge."""

    source: str
    """Who says so."""

    num_parameters: float = Field(gt=0)
    """Size of the model."""

    tokens_per_day: float = Field(gt=0)
    """Text that it is said to train on in a day."""

    num_devices: int = Field(gt=0)
    """Devices that it is said to take."""

    device_tflops: float = Field(gt=0)
    """What one of them is said to do at its peak, TFLOP/s."""


class PlanConfig(Config):
    """What `lodesmith plan` lays out, and on what."""

    cluster: str = "laptop"
    """Name of a shipped cluster, or path of a cluster file."""

    device: str | None = None
    """Name of a shipped device, or path of a device file, in place of the cluster's own: for
    instance what `lodesmith plan calibrate` has written."""

    stack: str | None = None
    """Training program: a shipped name such as `megatron`, or the path of a stack file; the average
    of all measured ones if left out."""

    num_nodes: int | None = Field(default=None, gt=0)
    """Nodes to use; all of the cluster's if left out."""

    tokens: float | None = Field(default=None, gt=0)
    """Tokens to train on; max_steps x global_batch_size x sequence_length of `pretrain` if left
    out."""

    global_batch_size: int | None = Field(default=None, gt=0)
    """Sequences per optimizer step over all ranks; as in `pretrain` if left out."""

    sequence_length: int | None = Field(default=None, gt=0)
    """Tokens per sequence; as in `pretrain` if left out."""

    precision: Precision | None = None
    """Number format of activations; if left out bf16, or the device's fastest where it has no
    bf16."""

    attention: Attention = "flash"
    """`flash`: fused. `unfused`: the full square in memory, as before 2022."""

    architecture: ArchitectureConfig | None = None
    """The network, where the recipe has no section `model`."""

    inference: InferenceConfig | None = None
    """How the model is served; a usual mix if left out and the recipe has a section `serve`."""

    claim: ClaimConfig | None = None
    """A published rate; the plan says what share of peak it implies."""

    parallel: GivenLayout | None = None
    """The layout; searched if left out."""

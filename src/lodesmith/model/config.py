"""The shape of a decoder: the recipe's `model` section, and the same over a known vocabulary.

A recipe says everything but the vocabulary, which the tokenizer brings; `DecoderConfig` is the
shape once both are known. Names are those of Hugging Face, so that export is nearly the identity.
"""

from typing import Literal, Self

from pydantic import Field, model_validator

from lodesmith.core.config import Config
from lodesmith.core.divisors import near_multiples

ModelKind = Literal["llama", "qwen3"]


class ExpertsConfig(Config):
    """A mixture of experts in the place of every feed-forward layer."""

    num_experts: int = Field(gt=0)
    """Experts of a layer."""

    num_experts_per_tok: int = Field(gt=0)
    """Experts that read each token."""

    moe_intermediate_size: int = Field(gt=0)
    """Width of an expert."""

    norm_topk_prob: bool = True
    """Make the weights of a token's experts sum to 1."""

    shared_expert_intermediate_size: int | None = Field(default=None, gt=0)
    """Width of one more expert that reads every token; None is none. Such a model cannot be
    exported: transformers has no Qwen3 with it."""

    router_bias_rate: float | None = Field(default=None, gt=0)
    """By how much an expert's bias in the choice moves each step towards an even load; None is no
    bias. 0.001 is usual (arXiv:2408.15664, section 4.3). Such a model cannot be exported."""

    router_z_loss: float | None = Field(default=None, gt=0)
    """Weight of the squared log-normaliser of the router beside the loss; None is none. 0.001 is
    usual (arXiv:2202.08906, section 3.3)."""

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if self.num_experts_per_tok > self.num_experts:
            raise ValueError(
                f"num_experts_per_tok ({self.num_experts_per_tok}) is more than num_experts "
                f"({self.num_experts})"
            )
        return self

    @property
    def is_exportable(self) -> bool:
        """Whether transformers can compute it."""
        return self.shared_expert_intermediate_size is None and self.router_bias_rate is None


class ModelConfig(Config):
    """The recipe's `model` section: a decoder without its vocabulary."""

    kind: ModelKind = "qwen3"
    """The Hugging Face family it is exported as; qwen3 normalises queries and keys, llama does
    not."""

    hidden_size: int = Field(gt=0)
    """Width of the residual stream."""

    intermediate_size: int = Field(gt=0)
    """Width of the feed-forward layer."""

    num_hidden_layers: int = Field(gt=0)
    """Decoder layers."""

    num_attention_heads: int = Field(gt=0)
    """Query heads of a layer."""

    num_key_value_heads: int = Field(gt=0)
    """Key and value heads of a layer; divides num_attention_heads."""

    head_dim: int = Field(gt=0)
    """Size of a head; even, because rotary positions turn pairs."""

    max_position_embeddings: int = Field(default=1024, gt=0)
    """Longest sequence the model may be asked to read, tokens."""

    rope_theta: float = Field(default=10_000.0, gt=0)
    """Base of the rotary wavelengths: the longest is 2 pi rope_theta tokens."""

    rms_norm_eps: float = Field(default=1e-6, gt=0)
    """Added to the mean square before its root is taken."""

    tie_word_embeddings: bool = True
    """Use the embedding matrix as output matrix too; saves memory in small models."""

    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the embedding's random start; the other matrices scale with their
    width."""

    experts: ExpertsConfig | None = None
    """Mixture of experts instead of feed-forward layers of intermediate_size; wants kind qwen3."""

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.experts is not None and self.kind != "qwen3":
            raise ValueError(f"experts want kind qwen3, not {self.kind}")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) must be a multiple of "
                f"num_key_value_heads ({self.num_key_value_heads}); "
                f"nearest: {near_multiples(self.num_attention_heads, self.num_key_value_heads)}"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim must be even, not {self.head_dim}")
        return self

    def matrix_shapes(self) -> dict[str, tuple[int, int]]:
        """Return outputs and inputs of each matrix of a layer; experts' are not among them."""
        queries = self.num_attention_heads * self.head_dim
        keys = self.num_key_value_heads * self.head_dim
        size, inner = self.hidden_size, self.intermediate_size
        shapes = {"q_proj": (queries, size), "k_proj": (keys, size), "v_proj": (keys, size),
                  "o_proj": (size, queries)}  # fmt: skip
        if self.experts is None:
            shapes |= {"gate_proj": (inner, size), "up_proj": (inner, size),
                       "down_proj": (size, inner)}  # fmt: skip
        return shapes

    @property
    def num_non_embedding_parameters(self) -> int:
        """Weights outside the embedding and the output matrix."""
        heads = 2 * self.num_attention_heads + 2 * self.num_key_value_heads
        attention = self.hidden_size * heads * self.head_dim
        feed_forward = 3 * self.hidden_size * self.intermediate_size
        if self.experts is not None:
            experts = self.experts
            widths = experts.num_experts * experts.moe_intermediate_size
            widths += experts.shared_expert_intermediate_size or 0
            feed_forward = self.hidden_size * (3 * widths + experts.num_experts)
            feed_forward += 0 if experts.router_bias_rate is None else experts.num_experts
        norms = 2 * self.hidden_size + (2 * self.head_dim if self.kind == "qwen3" else 0)
        return self.num_hidden_layers * (attention + feed_forward + norms) + self.hidden_size


class Llama3RopeScaling(Config):
    """Stretching of the slow rotary wavelengths, as Llama 3.1 does it."""

    factor: float = Field(gt=0)
    """How much the slow wavelengths are stretched."""

    low_freq_factor: float = Field(gt=0)
    """Wavelengths over original_max_position_embeddings / this are stretched fully."""

    high_freq_factor: float = Field(gt=0)
    """Wavelengths under original_max_position_embeddings / this are left alone."""

    original_max_position_embeddings: int = Field(gt=0)
    """Sequence length before stretching, tokens."""


class DecoderConfig(ModelConfig):
    """A decoder whose vocabulary is known."""

    vocab_size: int = Field(gt=0)
    """Rows of the embedding matrix."""

    rope_scaling: Llama3RopeScaling | None = None
    """Stretching of rotary wavelengths; only in models that were made elsewhere."""

    @classmethod
    def from_model(cls, model: ModelConfig, *, vocab_size: int) -> "DecoderConfig":
        """Return the shape of a recipe's model over a tokenizer's vocabulary."""
        fields = {name: getattr(model, name) for name in ModelConfig.model_fields}
        return cls(vocab_size=vocab_size, **fields)

    @property
    def num_parameters(self) -> int:
        """All weights; a tied matrix counts once."""
        matrices = 1 if self.tie_word_embeddings else 2
        return matrices * self.vocab_size * self.hidden_size + self.num_non_embedding_parameters

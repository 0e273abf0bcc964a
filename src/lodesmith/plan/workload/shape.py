"""The shape of a decoder, as far as compute and memory depend on it.

Three kinds cover what the planner is asked for: `llama` (RMSNorm, rotary positions, gated MLP, no
biases) and `qwen3` (the same with normalised queries and keys) are what Lodesmith trains; `gpt`
(LayerNorm, learned positions, biases, plain MLP) is GPT-3 and the models of its time, which
Lodesmith lays out but does not train. Each may have experts in place of its MLP.
"""

from dataclasses import dataclass
from typing import Literal

from lodesmith.core.divisors import near_divisors, near_multiples
from lodesmith.core.errors import UserError
from lodesmith.model.config import ModelConfig

Kind = Literal["gpt", "llama", "qwen3"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelShape:
    """Sizes of a decoder; the names are those of Hugging Face's config.json."""

    kind: Kind
    vocab_size: int  # as laid out in memory, padding included
    hidden_size: int
    intermediate_size: int  # of the plain MLP
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    max_position_embeddings: int
    tie_word_embeddings: bool
    num_experts: int = 0  # 0: a plain MLP
    num_experts_per_tok: int = 0
    moe_intermediate_size: int = 0  # inner width of one expert
    shared_expert_intermediate_size: int = 0  # of experts that every token meets, together

    def __post_init__(self) -> None:
        if self.num_attention_heads % self.num_key_value_heads:
            raise UserError(
                f"num_attention_heads ({self.num_attention_heads}) must be a multiple of "
                f"num_key_value_heads ({self.num_key_value_heads}); "
                f"nearest: {near_multiples(self.num_attention_heads, self.num_key_value_heads)}"
            )
        if self.num_experts and not 0 < self.num_experts_per_tok <= self.num_experts:
            raise UserError(
                f"num_experts_per_tok ({self.num_experts_per_tok}) must lie between 1 and "
                f"num_experts ({self.num_experts})"
            )
        if self.num_experts and not self.moe_intermediate_size:
            raise UserError("num_experts needs moe_intermediate_size, the inner width of an expert")

    @property
    def query_size(self) -> int:
        """Width of all query heads together."""
        return self.num_attention_heads * self.head_dim

    @property
    def key_value_size(self) -> int:
        """Width of all key heads together; the values are as wide again."""
        return self.num_key_value_heads * self.head_dim

    @property
    def num_mlp_inputs(self) -> int:
        """Matrices that read the MLP's input: gate and up, or up alone."""
        return 1 if self.kind == "gpt" else 2

    @property
    def dense_intermediate_size(self) -> int:
        """Inner width of what every token passes: the plain MLP, or the shared experts."""
        return self.shared_expert_intermediate_size if self.num_experts else self.intermediate_size


def shape_of(model: ModelConfig, *, vocab_size: int) -> ModelShape:
    """Return the shape of a recipe's model over a vocabulary."""
    experts = model.experts
    mixture = (
        {}
        if experts is None
        else {
            "num_experts": experts.num_experts,
            "num_experts_per_tok": experts.num_experts_per_tok,
            "moe_intermediate_size": experts.moe_intermediate_size,
            "shared_expert_intermediate_size": experts.shared_expert_intermediate_size or 0,
        }
    )
    return ModelShape(
        kind=model.kind,
        vocab_size=vocab_size,
        hidden_size=model.hidden_size,
        intermediate_size=model.intermediate_size,
        num_hidden_layers=model.num_hidden_layers,
        num_attention_heads=model.num_attention_heads,
        num_key_value_heads=model.num_key_value_heads,
        head_dim=model.head_dim,
        max_position_embeddings=model.max_position_embeddings,
        tie_word_embeddings=model.tie_word_embeddings,
        **mixture,
    )


def gpt_shape(
    *, hidden_size: int, num_hidden_layers: int, num_attention_heads: int, vocab_size: int,
    max_position_embeddings: int,
) -> ModelShape:  # fmt: skip
    """Return a GPT-3 style shape: MLP four times as wide, one key per query, tied embedding.

    Source: Brown et al., arXiv 2005.14165, section 2.1.
    """
    return ModelShape(
        kind="gpt",
        vocab_size=vocab_size,
        hidden_size=hidden_size,
        intermediate_size=4 * hidden_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        num_key_value_heads=num_attention_heads,
        head_dim=hidden_size // num_attention_heads,
        max_position_embeddings=max_position_embeddings,
        tie_word_embeddings=True,
    )


def name_divisors(number: int, wanted: int) -> str:
    """Return in words the divisors of a number next to a wanted one.

    >>> name_divisors(20480, 127)
    '128 or 80 do'
    """
    near = near_divisors(number, wanted)
    return f"{' or '.join(str(each) for each in near)} {'do' if len(near) > 1 else 'does'}"

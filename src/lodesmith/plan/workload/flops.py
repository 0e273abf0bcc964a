"""How many parameters a decoder has, and how many FLOPs a token costs.

A multiplication with a matrix costs two FLOPs per weight forward and four backward, so a token
costs six FLOPs per weight of every matrix it meets, plus attention, which grows with the sequence.
Only useful work counts ("model FLOPs"): what recomputation adds stands beside it.

Source: Kaplan et al., arXiv 2001.08361, section 2.1; Chowdhery et al., arXiv 2204.02311, appendix
B (model FLOPs utilisation).
"""

from dataclasses import dataclass

from lodesmith.plan.workload.shape import ModelShape

_FORWARD_AND_BACKWARD = 3  # backward multiplies twice: for the input's gradient and the weight's


@dataclass(frozen=True, kw_only=True, slots=True)
class ParameterCount:
    """Parameters by where they sit."""

    per_layer: int
    active_per_layer: int  # that one token meets: fewer than all where there are experts
    embedding: int  # tokens, and learned positions where the kind has them
    output_head: int  # 0 where it is the embedding again
    final_norm: int
    num_layers: int

    @property
    def total(self) -> int:
        """All parameters."""
        return self.without_embedding + self.embedding + self.output_head

    @property
    def active(self) -> int:
        """Parameters that one token meets."""
        return self.total - self.num_layers * (self.per_layer - self.active_per_layer)

    @property
    def without_embedding(self) -> int:
        """Parameters of the layers and the last norm."""
        return self.num_layers * self.per_layer + self.final_norm


def count_layer_matrices(shape: ModelShape, *, active: bool = True) -> int:
    """Return the weights of one layer's matrices: attention, MLP or experts, no norms or biases.

    Args:
        shape: the model.
        active: only those that one token meets, rather than all experts.
    """
    hidden = shape.hidden_size
    attention = hidden * (2 * shape.query_size + 2 * shape.key_value_size)
    experts = shape.num_experts_per_tok if active else shape.num_experts
    inner = shape.dense_intermediate_size + experts * shape.moe_intermediate_size
    router = hidden * shape.num_experts
    return attention + router + hidden * inner * (shape.num_mlp_inputs + 1)


def count_parameters(shape: ModelShape) -> ParameterCount:
    """Return the parameters of a decoder.

    Source: for `gpt`, Narayanan et al., arXiv 2104.04473, equation 2, which this equals for
    a GPT-3 style shape.
    """
    hidden, vocab = shape.hidden_size, shape.vocab_size
    is_gpt = shape.kind == "gpt"
    norm = 2 * hidden if is_gpt else hidden  # LayerNorm has a weight and a bias
    biases = shape.query_size + 2 * shape.key_value_size + 2 * hidden + shape.intermediate_size
    extra = {"gpt": biases, "llama": 0, "qwen3": 2 * shape.head_dim}[shape.kind]
    return ParameterCount(
        per_layer=count_layer_matrices(shape, active=False) + 2 * norm + extra,
        active_per_layer=count_layer_matrices(shape) + 2 * norm + extra,
        embedding=vocab * hidden + (shape.max_position_embeddings * hidden if is_gpt else 0),
        output_head=0 if shape.tie_word_embeddings else vocab * hidden,
        final_norm=norm,
        num_layers=shape.num_hidden_layers,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenFlops:
    """FLOPs of one training token, forward and backward."""

    matrices: float
    attention: float  # scores and their product with the values
    output_head: float

    @property
    def total(self) -> float:
        """Model FLOPs of one token."""
        return self.matrices + self.attention + self.output_head


def count_token_flops(
    shape: ModelShape, *, sequence_length: int, causal: bool = True
) -> TokenFlops:
    """Return the model FLOPs of training on one token.

    The embedding look-up is no multiplication and counts nothing. A token sees half of the
    sequence on average, so attention costs half of what the full square would.

    Args:
        shape: the model.
        sequence_length: tokens.
        causal: count that half; many published figures count the full square.

    Source: Kaplan et al., arXiv 2001.08361, table 1; causal half: Dao, arXiv 2307.08691,
    section 4.1.
    """
    seen = sequence_length / 2 if causal else sequence_length
    scores_and_values = 2 * 2 * shape.query_size * seen
    return TokenFlops(
        matrices=_FORWARD_AND_BACKWARD * 2 * count_layer_matrices(shape) * shape.num_hidden_layers,
        attention=_FORWARD_AND_BACKWARD * scores_and_values * shape.num_hidden_layers,
        output_head=_FORWARD_AND_BACKWARD * 2 * shape.hidden_size * shape.vocab_size,
    )


def count_training_flops(num_parameters: float, *, tokens: float) -> float:
    """Return the FLOPs of a training run by the rule of six: 6 x parameters x tokens.

    Source: Kaplan et al., arXiv 2001.08361, section 2.1; Brown et al., arXiv 2005.14165,
    appendix D, which leaves the embedding out for GPT-3.

    >>> f"{count_training_flops(174.6e9, tokens=300e9):.3e}"
    '3.143e+23'
    """
    return 6 * num_parameters * tokens


def count_petaflop_days(flops: float) -> float:
    """Return an amount of work in PFLOP/s-days: 10^15 FLOPs a second for a day are one.

    It is a total, as a kilowatt-hour is, and no speed. Brown et al., arXiv 2005.14165, table D.1,
    give 3,640 of them for GPT-3 175B.

    >>> round(count_petaflop_days(3.145e23), -1)
    3640.0
    """
    return flops / (1e15 * 86_400)


def find_implied_mfu(
    num_parameters: float, *, tokens_per_day: float, num_devices: int, device_tflops: float
) -> float:
    """Return the share of peak that a claimed rate implies, by the rule of six.

    >>> share = find_implied_mfu(
    ...     200e9, tokens_per_day=10e9, num_devices=4000, device_tflops=250
    ... )
    >>> f"{share:.1%}"
    '13.9%'
    """
    done = count_training_flops(num_parameters, tokens=tokens_per_day)
    return done / (num_devices * device_tflops * 1e12 * 86_400)


def count_key_value_bytes(shape: ModelShape, *, element_bytes: int = 2) -> int:
    """Return the bytes that one token keeps in the cache of keys and values while serving."""
    return 2 * shape.key_value_size * shape.num_hidden_layers * element_bytes

"""What a finished run would take at a thousand times the training compute.

Compute C is split as Hoffmann et al. found best, about 20 tokens for each parameter:

    C = 6 N D,  D = 20 N   =>   N = sqrt(C / 120)

(with attention and embedding counted as they are, rather than by the rule of six). So a thousand
times the compute is about 32 times the parameters and 32 times the text, from a run that was
itself well split. Time on the machine of the finished run follows from its own measured rate;
time elsewhere is planned.

Source: Hoffmann et al., arXiv 2203.15556, section 3 and table 3.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

from lodesmith.plan.config import PlanConfig
from lodesmith.plan.planner import make_plan
from lodesmith.plan.workload.flops import count_parameters, count_token_flops
from lodesmith.plan.workload.shape import ModelShape

TOKENS_PER_PARAMETER = 20.0
_HEAD_DIM = 64
_STEPS = 2000  # a usual length; sets the batch
_PLACES = ("h100", "h100-node")


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaledPlace:
    """What the larger run would take in one place."""

    name: str
    seconds: float
    energy_kwh: float | None  # None where the power drawn is unknown
    cost_dollars: float | None
    basis: str  # where the figure comes from


@dataclass(frozen=True, kw_only=True, slots=True)
class ScaleUp:
    """A finished run, and the same made larger."""

    factor: float  # of training compute
    flops_now: float
    num_parameters_now: int
    tokens_now: float
    num_parameters: int
    num_hidden_layers: int
    hidden_size: int
    tokens: float
    text_bytes: float | None  # text that so many tokens stand for; None if not measured
    places: tuple[ScaledPlace, ...]


def scale_run(
    shape: ModelShape, *, tokens: float, tokens_per_second: float, sequence_length: int,
    bytes_per_token: float | None = None, factor: float = 1000.0,
) -> ScaleUp:  # fmt: skip
    """Return what a finished run would take with `factor` times its training compute.

    Args:
        shape: the model that was trained.
        tokens: tokens that it was trained on.
        tokens_per_second: its measured rate.
        sequence_length: tokens per sequence.
        bytes_per_token: bytes of text per token, measured with its tokenizer.
        factor: how many times the compute.
    """
    flops_per_token = count_token_flops(shape, sequence_length=sequence_length).total
    flops_now = flops_per_token * tokens
    larger = split_compute(factor * flops_now, like=shape, sequence_length=sequence_length)
    parameters = count_parameters(larger).total
    flops_then = count_token_flops(larger, sequence_length=sequence_length).total
    more_tokens = factor * flops_now / flops_then
    here = ScaledPlace(
        name="this machine",
        seconds=factor * flops_now / (flops_per_token * tokens_per_second),
        energy_kwh=None,
        cost_dollars=None,
        basis=f"at the {tokens_per_second:,.0f} tokens/s measured in this run",
    )
    planned = [_plan_place(name, larger, more_tokens, sequence_length) for name in _PLACES]
    return ScaleUp(
        factor=factor,
        flops_now=flops_now,
        num_parameters_now=count_parameters(shape).total,
        tokens_now=tokens,
        num_parameters=parameters,
        num_hidden_layers=larger.num_hidden_layers,
        hidden_size=larger.hidden_size,
        tokens=more_tokens,
        text_bytes=None if bytes_per_token is None else more_tokens * bytes_per_token,
        places=(here, *planned),
    )


def split_compute(flops: float, *, like: ModelShape, sequence_length: int) -> ModelShape:
    """Return the well-proportioned shape that spends so much compute best, the vocabulary kept.

    It is the shape whose training on 20 tokens for each of its parameters comes nearest to the
    compute, with its embedding and attention counted, which weigh much in small models.
    """

    def miss(shape: ModelShape) -> float:
        tokens = TOKENS_PER_PARAMETER * count_parameters(shape).total
        needed = tokens * count_token_flops(shape, sequence_length=sequence_length).total
        return abs(log(needed / flops))

    return min(_well_proportioned(like), key=miss)


def _well_proportioned(like: ModelShape) -> Iterator[ModelShape]:
    """Yield shapes whose width is 48 to 80 times their depth, as that of most published models."""
    for num_layers in range(1, 129):
        for num_heads in range(max(1, 3 * num_layers // 4), 5 * num_layers // 4 + 1):
            yield _shape_of(num_layers, num_heads, like)


def _shape_of(num_layers: int, num_heads: int, like: ModelShape) -> ModelShape:
    hidden = _HEAD_DIM * num_heads
    return ModelShape(
        kind=like.kind,
        vocab_size=like.vocab_size,
        hidden_size=hidden,
        intermediate_size=-(-hidden * 8 // 3 // 64) * 64,  # a gated MLP as large as a plain 4 h
        num_hidden_layers=num_layers,
        num_attention_heads=num_heads,
        num_key_value_heads=num_heads,
        head_dim=_HEAD_DIM,
        max_position_embeddings=like.max_position_embeddings,
        tie_word_embeddings=like.tie_word_embeddings,
    )


def _plan_place(
    cluster: str, shape: ModelShape, tokens: float, sequence_length: int
) -> ScaledPlace:
    plan = make_plan(
        "larger",
        shape=shape,
        config=PlanConfig(cluster=cluster),
        global_batch_size=_batch_for(tokens, sequence_length),
        sequence_length=sequence_length,
        tokens=tokens,
    )
    return ScaledPlace(
        name=plan.cluster,
        seconds=plan.run.days * 86400,
        energy_kwh=plan.run.energy_kwh,
        cost_dollars=plan.run.cost_dollars,
        basis=f"planned: {plan.layout}, {plan.run.mfu:.0%} of peak",
    )


def _batch_for(tokens: float, sequence_length: int) -> int:
    """Return a batch, a power of two from 8 up, that makes about `_STEPS` steps."""
    sequences = tokens / _STEPS / sequence_length
    batch = 8
    while batch * 2 <= sequences:
        batch *= 2
    return batch

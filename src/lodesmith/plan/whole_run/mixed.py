"""Devices of several kinds in one job: what an equal and what a proportional split is worth.

Data-parallel ranks wait for each other at every step. Where each device gets as much text, the
slowest kind sets the pace and a new device is worth an old one: the barrel holds water up to its
shortest stave. Where each kind gets text in proportion to its own rate, rates add up. Both sums
leave out what joining kinds costs (two programs, two networks), so they are upper bounds.

Each kind keeps whole copies of the model, laid out as is best for it; gradients are added between
the copies. A pipeline over several kinds is not planned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from lodesmith.core.errors import UserError
from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.stack import Stack
from lodesmith.plan.search.search import search_layouts
from lodesmith.plan.workload.layout import Training
from lodesmith.plan.workload.shape import ModelShape

_WORTH = 1.05  # faster than the best kind alone, below which joining is not worth its trouble


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One kind of device in the job."""

    device: str
    num_devices: int
    tokens_per_second: float  # of all of them, as a job of their own


@dataclass(frozen=True, kw_only=True, slots=True)
class MixedEstimate:
    """What several kinds of devices are worth together."""

    parts: tuple[Part, ...]
    equal_tokens_per_second: float  # each device gets as much text
    proportional_tokens_per_second: float  # each kind gets text in proportion to its rate
    equal_in_slowest: float  # devices of the slowest kind that the equal split is worth
    proportional_in_slowest: float
    verdict: str

    @property
    def best_alone(self) -> Part:
        """The kind that is fastest as a job of its own."""
        return max(self.parts, key=lambda part: part.tokens_per_second)


def estimate_mixed(
    shape: ModelShape, training: Training, kinds: Sequence[tuple[Cluster, Device]], *,
    stack: Stack | None = None,
) -> MixedEstimate:  # fmt: skip
    """Return what kinds of devices are worth together.

    Args:
        shape: the model.
        training: a step of the whole job.
        kinds: each kind as a cluster of its own.
        stack: the training program.

    Raises:
        UserError: a kind cannot hold the model alone, or lacks its number format.
    """
    total = sum(cluster.num_devices for cluster, _ in kinds)
    parts = []
    for cluster, device in kinds:
        if training.precision not in device.peak_tflops:
            raise UserError(
                f"{device.name} has no {training.precision}, which the job computes in; set "
                f"plan.precision to one of {', '.join(device.peak_tflops)}"
            )
        share = _share_of(training, cluster.num_devices, total)
        ranking = search_layouts(shape, share, cluster=cluster, device=device, stack=stack)
        if not ranking.candidates:
            raise UserError(
                f"{cluster.num_devices} x {device.name} cannot hold a copy of this model, and a "
                "pipeline over several kinds of devices is not planned; add nodes to that part"
            )
        rate = share.tokens_per_step / ranking.candidates[0].step.total
        parts.append(
            Part(device=device.name, num_devices=cluster.num_devices, tokens_per_second=rate)
        )
    return join_parts(parts)


def join_parts(parts: Sequence[Part]) -> MixedEstimate:
    """Return what parts of known rates are worth together.

    >>> old = Part(device="old", num_devices=1000, tokens_per_second=1e6)
    >>> new = Part(device="new", num_devices=1000, tokens_per_second=3e6)
    >>> both = join_parts([old, new])
    >>> both.equal_in_slowest, both.proportional_in_slowest
    (2000.0, 4000.0)
    """
    total = sum(part.num_devices for part in parts)
    slowest = min(part.tokens_per_second / part.num_devices for part in parts)
    equal = slowest * total
    proportional = sum(part.tokens_per_second for part in parts)
    best = max(part.tokens_per_second for part in parts)
    return MixedEstimate(
        parts=tuple(parts),
        equal_tokens_per_second=equal,
        proportional_tokens_per_second=proportional,
        equal_in_slowest=equal / slowest,
        proportional_in_slowest=proportional / slowest,
        verdict=_judge(parts, equal=equal / best, proportional=proportional / best),
    )


def _judge(parts: Sequence[Part], *, equal: float, proportional: float) -> str:
    best = max(parts, key=lambda part: part.tokens_per_second)
    alone = f"{best.num_devices:,} x {best.device} alone"
    first = f"equal split: {equal:.2f} times {alone}"
    if equal < 1:
        first += f", so it is slower than leaving the rest out ({1 - equal:.0%} lost)"
    elif equal < _WORTH:
        first += ", so it is not worth it"
    else:
        first += f", worth it by {equal - 1:.0%} at best"
    second = f"split in proportion to the rates: {proportional:.2f} times at best"
    second += ", worth it" if proportional >= _WORTH else ", not worth it"
    return f"{first}; {second}"


def _share_of(training: Training, num_devices: int, total: int) -> Training:
    """Return a step of about this part's share of the batch, which its devices divide."""
    share = training.global_batch_size * num_devices / total
    return replace(training, global_batch_size=num_devices * max(1, ceil(share / num_devices)))

"""Every valid layout of a model on a cluster, ranked by step time, and why the others drop out.

The space is small (a few thousand layouts), so it is searched whole: no layout is missed, and the
reasons are counted.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from lodesmith.plan.hardware import Cluster, Device
from lodesmith.plan.layout import Attention, Checkpointing, Layout, Sharded, Training
from lodesmith.plan.memory import MemoryUse, estimate_memory
from lodesmith.plan.shape import ModelShape
from lodesmith.plan.step_time import StepTime, estimate_step_time

_GIGA = 1e9
_MICRO_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_VIRTUAL_SIZES = (1, 2, 3, 4, 6)
# Selective recomputation drops what fused attention never keeps, so it is no choice there.
_CHECKPOINTING: dict[Attention, tuple[Checkpointing, ...]] = {
    "flash": ("none", "full"),
    "unfused": ("none", "selective", "full"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A layout with what it costs."""

    layout: Layout
    memory: MemoryUse
    step: StepTime


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """All layouts that fit, the fastest first."""

    candidates: tuple[Candidate, ...]
    num_tried: int
    dropped: dict[str, int] = field(default_factory=dict)  # layouts by the reason against them
    least_memory_bytes: float  # of all layouts that are valid but for memory


def search_layouts(
    shape: ModelShape, training: Training, *, cluster: Cluster, device: Device
) -> Ranking:
    """Return every layout that fills the cluster and fits, by step time."""
    fitting: list[Candidate] = []
    dropped: Counter[str] = Counter()
    least = float("inf")
    num_tried = 0
    for layout in _enumerate(shape, training, cluster):
        num_tried += 1
        reason = explain_invalid(shape, layout, training, cluster=cluster)
        if reason:
            dropped[reason] += 1
            continue
        memory = estimate_memory(shape, layout, training, reserved_bytes=device.reserved_gb * _GIGA)
        least = min(least, memory.total)
        if memory.total > device.memory_gb * _GIGA:
            dropped[f"needs more than the {device.memory_gb:g} GB of a device"] += 1
            continue
        step = estimate_step_time(shape, layout, training, cluster=cluster, device=device)
        fitting.append(Candidate(layout=layout, memory=memory, step=step))
    fitting.sort(key=lambda candidate: (candidate.step.total, candidate.memory.total))
    return Ranking(
        candidates=tuple(fitting),
        num_tried=num_tried,
        dropped=dict(sorted(dropped.items())),
        least_memory_bytes=least,
    )


def explain_invalid(
    shape: ModelShape, layout: Layout, training: Training, *, cluster: Cluster
) -> str | None:
    """Return why a layout cannot run whatever the memory, None if it can."""
    tensor, pipeline = layout.tensor_parallel_size, layout.pipeline_parallel_size
    chunks = pipeline * layout.virtual_pipeline_size
    per_step = layout.data_parallel_size * layout.micro_batch_size
    reasons = (
        (shape.num_attention_heads % tensor, "tensor_parallel_size must divide the query heads"),
        (tensor > cluster.devices_per_node, "tensor parallelism would leave the node"),
        (shape.num_hidden_layers % chunks, "the pipeline does not divide the layers"),
        (training.global_batch_size % per_step, "data ranks x micro-batch must divide the batch"),
        (
            layout.virtual_pipeline_size > 1
            and training.num_micro_batches(layout) % pipeline,
            "an interleaved pipeline needs micro-batches in multiples of its ranks",
        ),
    )  # fmt: skip
    return next((reason for fails, reason in reasons if fails), None)


def _enumerate(shape: ModelShape, training: Training, cluster: Cluster) -> Iterator[Layout]:
    for tensor in _powers_of_two(cluster.devices_per_node):
        for pipeline in _divisors(shape.num_hidden_layers):
            if cluster.num_devices % (tensor * pipeline):
                continue
            data = cluster.num_devices // (tensor * pipeline)
            yield from _enumerate_schedules(training, tensor, pipeline, data)


def _enumerate_schedules(
    training: Training, tensor: int, pipeline: int, data: int
) -> Iterator[Layout]:
    for micro in _MICRO_BATCHES:
        if data * micro > training.global_batch_size:
            continue
        for virtual in _VIRTUAL_SIZES if pipeline > 1 else (1,):
            for sharded in _sharding_choices(pipeline, data):
                for checkpointing in _CHECKPOINTING[training.attention]:
                    yield Layout(
                        tensor_parallel_size=tensor,
                        pipeline_parallel_size=pipeline,
                        data_parallel_size=data,
                        virtual_pipeline_size=virtual,
                        sharded=sharded,
                        sequence_parallel=tensor > 1,
                        activation_checkpointing=checkpointing,
                        micro_batch_size=micro,
                    )


def _sharding_choices(pipeline: int, data: int) -> tuple[Sharded, ...]:
    if data == 1:
        return ("nothing",)
    if pipeline > 1:  # weights gathered anew for every micro-batch would drown the pipeline
        return ("nothing", "optimizer")
    return ("nothing", "optimizer", "everything")


def _powers_of_two(limit: int) -> Iterator[int]:
    size = 1
    while size <= limit:
        yield size
        size *= 2


def _divisors(number: int) -> list[int]:
    return [size for size in range(1, number + 1) if number % size == 0]

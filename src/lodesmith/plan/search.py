"""Every valid layout of a model on a cluster, ranked by step time, and why the others drop out.

All layouts are columns of numbers (`jobs.py`), so the whole space is computed, hundreds of
thousands a second: no layout is missed, and the reasons against the others are counted.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lodesmith.core.divisors import list_divisors, near_divisors, next_to
from lodesmith.plan.hardware import Cluster, Device
from lodesmith.plan.jobs import CHECKPOINTING, SHARDED, Column, Jobs, grid_of, jobs_of, layout_at
from lodesmith.plan.layout import Attention, Layout, Training
from lodesmith.plan.machine import Machine, machine_of
from lodesmith.plan.memory import MemoryUse, estimate_memories, memory_at
from lodesmith.plan.shape import ModelShape
from lodesmith.plan.stack import Stack
from lodesmith.plan.step_time import StepTime, estimate_steps, step_at, total_seconds

_GIGA = 1e9
_MICRO_BATCHES = (1, 2, 4, 8, 16, 32, 64)
_MAX_CONTEXT = 64
_CHUNK = 1 << 14  # layouts computed at a time: columns that fit into the processor's cache
_NUM_KEPT = 1000  # of the layouts that fit, the fastest
# Selective recomputation drops what fused attention never keeps, so it is no choice there.
_CHECKPOINTING: dict[Attention, tuple[str, ...]] = {
    "flash": ("none", "full"),
    "unfused": ("none", "selective", "full"),
}

_HEADS = "tensor_parallel_size must divide the query heads"
_NODE = "tensor parallelism would leave the node"
_LAYERS = "the pipeline does not divide the layers"
_BATCH = "data ranks x micro-batch must divide the batch"

_Columns = dict[str, Column]
_Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """A layout with what it costs."""

    layout: Layout
    memory: MemoryUse
    step: StepTime


@dataclass(frozen=True, kw_only=True, slots=True)
class Ranking:
    """The layouts that fit, the fastest first."""

    candidates: tuple[Candidate, ...]  # at most a thousand
    num_fitting: int
    num_tried: int
    dropped: dict[str, int] = field(default_factory=dict)  # layouts by the reason against them
    least_memory_bytes: float  # of all layouts that are valid but for memory


def search_layouts(
    shape: ModelShape, training: Training, *, cluster: Cluster, device: Device,
    stack: Stack | None = None,
) -> Ranking:  # fmt: skip
    """Return the layouts that fill the cluster and fit, by step time."""
    machine = machine_of(device, cluster, stack or Stack(name="average"),
                         precision=training.precision)  # fmt: skip
    found = _Found(machine, device)
    for columns in _enumerate(shape, training, cluster):
        found.add(grid_of(shape, training, columns), cluster)
    return found.ranking()


class _Found:
    """Gathers what was tried, chunk by chunk."""

    def __init__(self, machine: Machine, device: Device) -> None:
        self._machine, self._device = machine, device
        self._num_tried = self._num_fitting = 0
        self._dropped: dict[str, int] = {}
        self._least = float("inf")
        self._kept: list[tuple[float, float, Candidate]] = []

    def add(self, jobs: Jobs, cluster: Cluster) -> None:
        size = np.size(jobs.micro)
        self._num_tried += size
        valid = np.ones(size, bool)
        for reason, fails in _reasons(jobs, cluster):
            self._drop(reason, valid & fails)
            valid &= ~fails
        if valid.any():
            self._add_valid(jobs.take(np.flatnonzero(valid)))

    def _add_valid(self, jobs: Jobs) -> None:
        device = self._device
        memories = estimate_memories(jobs, reserved_bytes=device.reserved_gb * _GIGA)
        needed = np.asarray(total_seconds(memories))
        self._least = min(self._least, float(needed.min()))
        fits = needed <= device.memory_gb * _GIGA
        self._drop(f"needs more than the {device.memory_gb:g} GB of a device", ~fits)
        if not fits.any():
            return
        places = np.flatnonzero(fits)
        fitting = jobs.take(places)
        steps = estimate_steps(fitting, self._machine)
        seconds = np.asarray(total_seconds(steps))
        self._num_fitting += len(places)
        for at in np.lexsort((needed[places], seconds))[:_NUM_KEPT].tolist():
            if len(self._kept) >= _NUM_KEPT and seconds[at] > self._kept[-1][0]:
                break
            candidate = Candidate(
                layout=layout_at(fitting, at),
                memory=memory_at(memories, int(places[at])),
                step=step_at(steps, at),
            )
            self._kept.append((float(seconds[at]), float(needed[places[at]]), candidate))
        self._kept.sort(key=lambda kept: kept[:2])
        del self._kept[_NUM_KEPT:]

    def _drop(self, reason: str, which: _Mask) -> None:
        if count := int(which.sum()):
            self._dropped[reason] = self._dropped.get(reason, 0) + count

    def ranking(self) -> Ranking:
        return Ranking(
            candidates=tuple(candidate for _, _, candidate in self._kept),
            num_fitting=self._num_fitting,
            num_tried=self._num_tried,
            dropped=dict(sorted(self._dropped.items())),
            least_memory_bytes=self._least,
        )


def explain_invalid(
    shape: ModelShape, layout: Layout, training: Training, *, cluster: Cluster
) -> str | None:
    """Return why a layout cannot run whatever the memory, and what could; None if it can."""
    jobs = jobs_of([(shape, layout, training)])
    reason = next((reason for reason, fails in _reasons(jobs, cluster) if fails.all()), None)
    if reason is None:
        return None
    layers, heads = shape.num_hidden_layers, shape.num_attention_heads
    chunks = layout.pipeline_parallel_size * layout.virtual_pipeline_size
    together = layout.data_parallel_size * layout.micro_batch_size
    batch = training.global_batch_size
    hints = {
        _HEADS: f"{heads} query heads, not {layout.tensor_parallel_size}; "
        f"nearest: {_or(near_divisors(heads, layout.tensor_parallel_size))}",
        _LAYERS: f"{layers} layers, {chunks} chunks; nearest: {_or(near_divisors(layers, chunks))}",
        _BATCH: f"batch {batch}, ranks x micro-batch {together}; nearest batches: "
        f"{near_multiples(batch, together)}",
        _NODE: f"{layout.tensor_parallel_size} ranks, {cluster.devices_per_node} devices a node",
    }
    return f"{reason} ({hints[reason]})" if reason in hints else reason


def near_multiples(number: int, unit: int) -> str:
    """Return the multiples of a unit around a number.

    >>> near_multiples(1920, 1000)
    '1000 or 2000'
    """
    below = number // unit * unit
    return f"{below} or {below + unit}" if below else str(unit)


def _or(sizes: Sequence[int]) -> str:
    return " or ".join(str(size) for size in sizes)


def explain_ranks(shape: ModelShape, sizes: Mapping[str, int], cluster: Cluster) -> str | None:
    """Return why so many ranks do not divide a cluster, and what each size may be; None if they do.

    Args:
        shape: the model.
        sizes: tensor, pipeline and context parallel sizes by their names.
        cluster: whose devices they share out.
    """
    ranks = math.prod(sizes.values())
    if cluster.num_devices % ranks == 0:
        return None
    can_be = {
        "tensor_parallel_size": lambda size: (
            shape.num_attention_heads % size == 0 and size <= cluster.devices_per_node
        ),
        "pipeline_parallel_size": lambda size: shape.num_hidden_layers % size == 0,
        "context_parallel_size": lambda size: size & (size - 1) == 0,
    }
    ways = []
    for name, size in sizes.items():
        left, rest = divmod(cluster.num_devices, ranks // size)
        near = next_to([each for each in list_divisors(left) if can_be[name](each)], size)
        if size > 1 and not rest and near:
            ways.append(f"{name} to {_or(near)}")
    if all(can_be[name](size) for name, size in sizes.items()):
        unit = ranks // math.gcd(ranks, cluster.devices_per_node)
        fewer = cluster.num_nodes // unit * unit
        nodes = next_to([each for each in (fewer, fewer + unit) if each], cluster.num_nodes)
        ways.append(f"plan.num_nodes to {_or(nodes)}")
    return (
        f"{ranks} ranks (tensor x pipeline x context) do not divide the {cluster.num_devices} "
        f"devices of {cluster.num_nodes} nodes; set {', or '.join(ways) or 'other sizes'}"
    )


def _reasons(jobs: Jobs, cluster: Cluster) -> Iterator[tuple[str, _Mask]]:
    """Yield each rule that a layout must keep, and which layouts break it."""
    size = np.size(jobs.micro)

    def rule(reason: str, fails: object) -> tuple[str, _Mask]:
        return reason, np.broadcast_to(np.asarray(fails, bool), (size,))

    tensor, virtual = np.asarray(jobs.tensor), np.asarray(jobs.virtual)
    copies = jobs.data * jobs.context
    yield rule(_HEADS, jobs.heads % tensor != 0)
    yield rule(_NODE, tensor > cluster.devices_per_node)
    yield rule(_LAYERS, jobs.layers % (jobs.pipeline * virtual) != 0)
    yield rule(_BATCH, jobs.batch % (jobs.data * jobs.micro) != 0)
    yield rule(
        "an interleaved pipeline needs micro-batches in multiples of its ranks",
        (virtual > 1) & (jobs.num_micro_batches % jobs.pipeline != 0),
    )
    yield rule(
        "context_parallel_size must divide half the sequence",
        jobs.sequence % (2 * jobs.context) != 0,
    )
    yield rule(
        "expert_parallel_size must divide the experts and the data ranks",
        (np.maximum(jobs.experts, 1) % jobs.expert_ranks != 0) | (copies % jobs.expert_ranks != 0),
    )  # fmt: skip


def _enumerate(shape: ModelShape, training: Training, cluster: Cluster) -> Iterator[_Columns]:
    """Yield columns of layouts, some ten thousand at a time."""
    waiting: list[_Columns] = []
    size = 0
    for tensor in _powers_of_two(cluster.devices_per_node):
        for pipeline in list_divisors(shape.num_hidden_layers):
            for context in _context_sizes(training, cluster):
                ranks = tensor * pipeline * context
                if cluster.num_devices % ranks:
                    continue
                data = cluster.num_devices // ranks
                sizes = (tensor, pipeline, context, data)
                waiting.append(_schedules(shape, training, cluster, sizes))
                size += len(np.atleast_1d(waiting[-1]["micro"]))
                if size >= _CHUNK:
                    yield _joined(waiting)
                    waiting, size = [], 0
    if waiting:
        yield _joined(waiting)


def _schedules(
    shape: ModelShape, training: Training, cluster: Cluster, sizes: tuple[int, int, int, int]
) -> _Columns:
    """Return every schedule of one split of the devices."""
    tensor, pipeline, context, data = sizes
    micro = [size for size in _MICRO_BATCHES if data * size <= training.global_batch_size] or [1]
    virtual = list_divisors(shape.num_hidden_layers // pipeline) if pipeline > 1 else [1]
    kinds = _sharding_choices(pipeline, data * context, cluster.devices_per_node // tensor)
    choices = np.meshgrid(
        micro,
        virtual,
        range(len(kinds)),
        [CHECKPOINTING.index(mode) for mode in _CHECKPOINTING[training.attention]],
        _expert_sizes(shape, data * context),
        indexing="ij",
    )
    names = ("micro", "virtual", "sharded", "recompute", "expert_ranks")
    columns: _Columns = {
        name: choice.ravel().astype(np.float64) for name, choice in zip(names, choices, strict=True)
    }
    whole = np.ones(choices[0].size)
    kind = np.array(kinds, np.float64)[choices[2].ravel()]
    columns["sharded"] = kind[:, 0]
    return columns | {
        "tensor": tensor * whole,
        "pipeline": pipeline * whole,
        "context": context * whole,
        "data": data * whole,
        "shard": kind[:, 1],
        "sequence_parallel": (tensor > 1) * whole,
    }


def _joined(parts: list[_Columns]) -> _Columns:
    return {name: np.concatenate([np.asarray(part[name]) for part in parts]) for name in parts[0]}


def _sharding_choices(pipeline: int, copies: int, in_node: int) -> list[tuple[int, int]]:
    """Return what is split among how many ranks: all, or (HSDP) those of a node."""
    if copies == 1:
        return [(SHARDED.index("nothing"), 1)]
    if pipeline > 1:  # weights gathered anew for every micro-batch would drown the pipeline
        return [(SHARDED.index("nothing"), copies), (SHARDED.index("optimizer"), copies)]
    kinds = [(kind, copies) for kind in range(len(SHARDED))]
    if 1 < in_node < copies and copies % in_node == 0:
        kinds.append((SHARDED.index("everything"), in_node))
    return kinds


def _expert_sizes(shape: ModelShape, copies: int) -> list[int]:
    if not shape.num_experts:
        return [1]
    return [size for size in list_divisors(shape.num_experts) if size <= copies]


def _context_sizes(training: Training, cluster: Cluster) -> Iterator[int]:
    """Yield sizes worth trying: below 8,192 tokens a rank there is nothing to split."""
    for size in _powers_of_two(min(_MAX_CONTEXT, cluster.num_devices)):
        if size == 1 or training.sequence_length / size >= 4096:
            yield size


def _powers_of_two(limit: int) -> Iterator[int]:
    size = 1
    while size <= limit:
        yield size
        size *= 2

"""Every valid layout of a model on a cluster, ranked by step time, and why the others drop out.

All layouts are columns of numbers (`jobs.py`), so the whole space is computed, hundreds of
thousands a second: no layout is missed, and the reasons against the others are counted.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from lodesmith.core.divisors import list_divisors
from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.machine import Machine, machine_of
from lodesmith.plan.hardware.stack import Stack
from lodesmith.plan.search.rules import Mask, list_broken_rules
from lodesmith.plan.step.memory import MemoryUse, estimate_memories, memory_at
from lodesmith.plan.step.step_time import StepTime, estimate_steps, step_at, total_seconds
from lodesmith.plan.workload.jobs import CHECKPOINTING, SHARDED, Column, Jobs, grid_of, layout_at
from lodesmith.plan.workload.layout import Attention, Layout, Training
from lodesmith.plan.workload.shape import ModelShape

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
_Columns = dict[str, Column]


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
        for reason, fails in list_broken_rules(jobs, cluster):
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

    def _drop(self, reason: str, which: Mask) -> None:
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
        _expert_sizes(shape, data * context * tensor),
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


def _expert_sizes(shape: ModelShape, ranks: int) -> list[int]:
    if not shape.num_experts:
        return [1]
    return [size for size in list_divisors(shape.num_experts) if size <= ranks]


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

"""What a layout must keep whatever the memory, and what could be in its place.

Each rule is written once, over columns of layouts, so that the search counts what breaks it and a
layout that is given is told why it cannot run.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lodesmith.core.divisors import list_divisors, near_divisors, next_to
from lodesmith.plan.hardware import Cluster
from lodesmith.plan.jobs import Jobs, jobs_of
from lodesmith.plan.layout import Layout, Training
from lodesmith.plan.shape import ModelShape

_HEADS = "tensor_parallel_size must divide the query heads"
_NODE = "tensor parallelism would leave the node"
_LAYERS = "the pipeline does not divide the layers"
_BATCH = "data ranks x micro-batch must divide the batch"
Mask = npt.NDArray[np.bool_]


def list_broken_rules(jobs: Jobs, cluster: Cluster) -> Iterator[tuple[str, Mask]]:
    """Yield each rule that a layout must keep, and which layouts break it."""
    size = np.size(jobs.micro)

    def rule(reason: str, fails: object) -> tuple[str, Mask]:
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


def explain_invalid(
    shape: ModelShape, layout: Layout, training: Training, *, cluster: Cluster
) -> str | None:
    """Return why a layout cannot run whatever the memory, and what could; None if it can."""
    jobs = jobs_of([(shape, layout, training)])
    reason = next(
        (reason for reason, fails in list_broken_rules(jobs, cluster) if fails.all()), None
    )
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

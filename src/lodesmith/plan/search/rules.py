"""What a layout must keep whatever the memory, and what could be in its place.

Each rule is written once, over columns of layouts, so that the search counts what breaks it and a
layout that is given is told why it cannot run.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lodesmith.core.divisors import list_divisors, near_divisors, near_multiples, next_to
from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.workload.jobs import Jobs, jobs_of
from lodesmith.plan.workload.layout import Layout, Training
from lodesmith.plan.workload.shape import ModelShape

_HEADS = "tensor_parallel_size must divide the query heads"
_NODE = "tensor parallelism would leave the node"
_LAYERS = "the pipeline does not divide the layers"
_BATCH = "data ranks x micro-batch must divide the batch"
_ALONE = "an interleaved pipeline needs pipeline ranks"
_TURNS = "an interleaved pipeline needs micro-batches in multiples of its ranks"
_CONTEXT = "context_parallel_size must divide half the sequence"
_EXPERTS = "expert_parallel_size must divide the experts and the ranks of a stage"
Mask = npt.NDArray[np.bool_]


def list_broken_rules(jobs: Jobs, cluster: Cluster) -> Iterator[tuple[str, Mask]]:
    """Yield each rule that a layout must keep, and which layouts break it."""
    size = np.size(jobs.micro)

    def rule(reason: str, fails: object) -> tuple[str, Mask]:
        return reason, np.broadcast_to(np.asarray(fails, bool), (size,))

    tensor, virtual = np.asarray(jobs.tensor), np.asarray(jobs.virtual)
    stage = jobs.data * jobs.context * jobs.tensor  # ranks that share its experts out
    yield rule(_HEADS, jobs.heads % tensor != 0)
    yield rule(_NODE, tensor > cluster.devices_per_node)
    yield rule(_LAYERS, jobs.layers % (jobs.pipeline * virtual) != 0)
    yield rule(_BATCH, jobs.batch % (jobs.data * jobs.micro) != 0)
    yield rule(_ALONE, (virtual > 1) & (np.asarray(jobs.pipeline) == 1))
    yield rule(_TURNS, (virtual > 1) & (jobs.num_micro_batches % jobs.pipeline != 0))
    yield rule(
        _CONTEXT,
        (np.asarray(jobs.context) > 1) & (jobs.sequence % (2 * jobs.context) != 0),
    )
    yield rule(
        _EXPERTS,
        (np.maximum(jobs.experts, 1) % jobs.expert_ranks != 0) | (stage % jobs.expert_ranks != 0),
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
    return f"{reason} ({_hint(reason, shape, layout, training, cluster)})"


def _hint(
    reason: str, shape: ModelShape, layout: Layout, training: Training, cluster: Cluster
) -> str:
    """Return the sizes that break a rule, and the nearest that would not."""
    layers, heads = shape.num_hidden_layers, shape.num_attention_heads
    pipeline, virtual = layout.pipeline_parallel_size, layout.virtual_pipeline_size
    chunks = pipeline * virtual
    together = layout.data_parallel_size * layout.micro_batch_size
    batch, sequence = training.global_batch_size, training.sequence_length
    context, micro_batches = layout.context_parallel_size, training.num_micro_batches(layout)
    stage = layout.data_parallel_size * context * layout.tensor_parallel_size
    shared = math.gcd(max(shape.num_experts, 1), stage)
    hints = {
        _HEADS: f"{heads} query heads, not {layout.tensor_parallel_size}; "
        f"nearest: {_or(near_divisors(heads, layout.tensor_parallel_size))}",
        _LAYERS: f"{layers} layers, {chunks} chunks; nearest: {_or(near_divisors(layers, chunks))}",
        _BATCH: f"batch {batch}, ranks x micro-batch {together}; nearest batches: "
        f"{near_multiples(batch, together)}",
        _NODE: f"{layout.tensor_parallel_size} ranks, {cluster.devices_per_node} devices a node",
        _ALONE: f"virtual_pipeline_size {virtual}, pipeline_parallel_size 1; leave the first at 1",
        _TURNS: f"{micro_batches} micro-batches, {pipeline} ranks; nearest: "
        f"{near_multiples(micro_batches, pipeline)}, or virtual_pipeline_size 1",
        _CONTEXT: f"{sequence} tokens, context {context}; nearest: "
        f"{_or(near_divisors(max(sequence // 2, 1), context))}",
        _EXPERTS: f"{shape.num_experts} experts, {stage} ranks of a stage, not "
        f"{layout.expert_parallel_size}; nearest: "
        f"{_or(near_divisors(shared, layout.expert_parallel_size))}",
    }
    return hints[reason]


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

"""Seconds that messages between devices take, before anything is hidden behind compute.

A group of ranks that fits into a node uses the node's links. A larger one crosses the network;
ranks of one group on the same node use the node's ports together, so a ring of eight ranks a node
crosses eight times as fast as a ring of one.

Source: volumes: Narayanan et al., arXiv 2104.04473, section 3.2; rings: Thakur et al., IJHPCA
19(1), 2005, doi:10.1177/1094342005051521.
"""

import numpy as np

from lodesmith.plan.hardware.machine import Machine
from lodesmith.plan.step.memory import count_rank_parameters
from lodesmith.plan.workload.jobs import SHARDED, Column, Jobs

_SUM_BYTES = 4  # most that is sent of one gradient: sums are kept in fp32
_HOP_SECONDS = 6.85e-06  # wait of a message at each rank of a ring of data-parallel ranks: fitted
_BUCKET_WAITS = 7.61  # such waits for each layer, where the optimizer is sharded: fitted
_HIDING_SHARE = 0.9  # of compute under which gathering can hide


def tensor_seconds(jobs: Jobs, machine: Machine) -> Column:
    """Two all-reduces of a micro-batch's activations: one layer, one direction.

    A group that spans nodes sums inside each node first, so that each device sends only its share
    of the sum across. Source: Jeaugey, NVIDIA Technical Blog, Massively Scale Your Deep Learning
    Training with NCCL 2.4, 2019.
    """
    size = np.asarray(jobs.tensor)
    payload = jobs.tokens * jobs.hidden * jobs.element_bytes
    near = np.minimum(size, machine.devices_per_node)
    nodes = size / near
    inside = 2 * (near - 1) / near * payload / machine.link_bytes_per_second
    across = 2 * (nodes - 1) / nodes * payload / near / machine.network_bytes_per_second
    starts = 2 * np.log2(size) * machine.message_seconds  # up a tree and down: every level waits
    seconds: Column = 2 * (inside + across + starts)
    return seconds


def context_seconds(jobs: Jobs, machine: Machine) -> Column:
    """Keys and values of the other context ranks: one layer, one direction.

    They travel while attention works on what is there; a third is seen.
    """
    size = np.asarray(jobs.context)
    payload = 2 * jobs.key_value / jobs.tensor * jobs.tokens * jobs.element_bytes
    rate = _rate(machine, size * jobs.tensor, jobs.tensor)
    seconds: Column = (size - 1) * payload / rate / 3
    return seconds


def expert_seconds(jobs: Jobs, machine: Machine) -> Column:
    """Tokens to their experts and back: one layer, one direction.

    A token whose experts lie on one other node is sent there once, and passed on inside.

    Source: DeepSeek-AI, arXiv 2412.19437, section 3.2.2.
    """
    size = np.asarray(jobs.expert_ranks)
    payload = jobs.tokens * jobs.hidden * jobs.element_bytes / jobs.tensor
    chosen = np.maximum(jobs.experts_per_token, 1)
    inside = chosen * (size - 1) / size * payload / machine.link_bytes_per_second
    nodes = np.maximum(size / machine.devices_per_node, 1)
    met = (
        nodes * (1 - (1 - 1 / nodes) ** chosen) * (1 - 1 / nodes)
    )  # other nodes that a token meets
    across = met * payload / machine.network_bytes_per_second
    return np.where(size > 1, 2 * np.maximum(inside, across), 0)


def pipeline_seconds(jobs: Jobs, machine: Machine) -> Column:
    """Messages of one micro-batch to and from the neighbouring rank."""
    payload = jobs.tokens * jobs.hidden * jobs.element_bytes / jobs.tensor
    rate = _rate(machine, np.asarray(jobs.devices), 1)
    return np.where(np.asarray(jobs.pipeline) > 1, 2 * jobs.virtual * payload / rate, 0)


def data_seconds(jobs: Jobs, machine: Machine, *, hiding: Column) -> Column:
    """Gradient reduction, and gathering of sharded weights, that compute does not hide.

    Args:
        jobs: what is run.
        machine: on what.
        hiding: seconds of compute of the whole step.
    """
    stack, width = machine.stack, jobs.element_bytes
    ranks = np.asarray(jobs.data * jobs.context)
    parameters = count_rank_parameters(jobs)
    copies = np.maximum(ranks * jobs.tensor / jobs.expert_ranks, 1)
    part = (ranks - 1) / ranks * parameters.dense + (copies - 1) / copies * parameters.experts
    seconds = part / _gradient_rate(jobs, machine, ranks)
    group = np.minimum(jobs.shard, ranks)
    gathered_part = np.where(group < ranks, (group - 1) / group * parameters.total, part)
    gather_seconds = gathered_part / _gradient_rate(jobs, machine, group)
    # Groups that hold a copy each (HSDP) then sum what their ranks hold.
    groups = ranks / group
    sent = np.minimum(jobs.gradient, _SUM_BYTES)
    summed = 2 * (groups - 1) / groups * parameters.total / group * sent
    between = summed / _gradient_rate(jobs, machine, ranks)
    per_layer = _HOP_SECONDS * (group - 1) * jobs.layers / jobs.pipeline
    waits = per_layer * 3 * jobs.num_micro_batches
    passes = 2 * width * jobs.num_micro_batches + sent
    gathering = passes * gather_seconds + between + waits
    hidden = np.minimum(gathering, _HIDING_SHARE * hiding)
    gathered = gathering - (1 - stack.gather_exposed) * hidden
    sharded = np.asarray(jobs.sharded)
    regathered = part * width / _gradient_rate(jobs, machine, group)
    regathered = regathered + _BUCKET_WAITS * per_layer
    plain = np.where(
        sharded == SHARDED.index("nothing"),
        2 * sent * seconds,
        sent * seconds + regathered,
    )
    if stack.overlaps_data:  # with the last micro-batch's backward and the first one's forward
        window = _HIDING_SHARE * hiding / jobs.num_micro_batches
        plain = plain - (1 - stack.data_exposed) * np.minimum(plain, window)
    shown: Column = np.where(sharded == SHARDED.index("everything"), gathered, plain)
    return shown


def _rate(machine: Machine, span: Column, ranks_sharing: Column) -> Column:
    """Bandwidth per device among so many neighbouring ranks."""
    inside = np.asarray(span) <= machine.devices_per_node
    network = machine.network_bytes_per_second * np.maximum(ranks_sharing, 1)
    across = np.minimum(network, machine.link_bytes_per_second)
    return np.where(inside, machine.link_bytes_per_second, across)


def _gradient_rate(jobs: Jobs, machine: Machine, ranks: Column) -> Column:
    per_node = np.maximum(machine.devices_per_node / jobs.tensor, 1)
    network = machine.gradient_bytes_per_second * np.minimum(per_node, ranks)
    across = np.minimum(network, machine.link_bytes_per_second)
    # Data-parallel ranks stand side by side behind the tensor-parallel ones.
    inside = np.asarray(jobs.tensor * ranks) <= machine.devices_per_node
    return np.where(inside, machine.link_bytes_per_second, across)

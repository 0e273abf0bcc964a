"""Seconds of one optimizer step: a roofline per layer, then pipeline, communication, optimizer.

One micro-batch costs each layer its matrix products (peak x the share that a product of that size
reaches), its attention, its elementwise traffic, and its messages. Kernels are started while
earlier ones run, so a layer takes about as long as the slower of the two, starting or computing.
A pipeline of p ranks then takes m + (p - 1) / v of the slowest rank's micro-batches. Gradients
are reduced at the end; fully sharded layers are gathered behind the compute that hides them.

Source: roofline: Williams et al., CACM 52(4), 2009, doi:10.1145/1498765.1498785; pipeline and
tensor-parallel volumes: Narayanan et al., arXiv 2104.04473, sections 2.2, 2.3 and 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.machine import Machine, machine_of
from lodesmith.plan.hardware.stack import Stack
from lodesmith.plan.step.communication import (
    context_seconds,
    data_seconds,
    expert_seconds,
    pipeline_seconds,
    tensor_seconds,
)
from lodesmith.plan.step.memory import count_rank_parameters
from lodesmith.plan.step.products import layer_products, product_seconds
from lodesmith.plan.workload.jobs import CHECKPOINTING, SHARDED, Column, Jobs, jobs_of, value_at
from lodesmith.plan.workload.layout import Layout, Training
from lodesmith.plan.workload.shape import ModelShape

_FULL, _SELECTIVE = CHECKPOINTING.index("full"), CHECKPOINTING.index("selective")
_ALTERNATE = CHECKPOINTING.index("alternate")

_KERNELS_PER_LAYER = 20  # forward: 4 to 7 products, 2 norms, attention, activations, residuals
_TENSOR_KERNELS = 1.19  # more for each further tensor-parallel rank: collectives, waits: fitted
_OPTIMIZER_BYTES = 28  # Adam reads gradient, moments, master and writes moments, master, weight
_MUON_ITERATIONS = 5  # of Newton-Schulz
_SMOOTHNESS = 11.6  # of the maximum of starting and computing: fitted
_BACKWARD = 2.0  # over forward, of products and elementwise work
_FLASH_BACKWARD = 2.5  # fused attention computes its scores again: arXiv 2307.08691, section 4.1
_UNALIGNED = 14.8  # attention's products in fp16 where head_dim is no multiple of 8: fitted
_SOFTMAX_PASSES = 6.57  # times that unfused attention moves its square, 2 bytes a score: fitted
_EXPERT_KERNELS = 5.08  # forward, of each expert that a rank holds: fitted
_NARROW_HEAD = 1.07  # fused attention with heads narrower than 128: arXiv 2307.08691; fitted
_ACCUMULATION = 0.471  # share of the traffic of adding up gradients that is seen: fitted
_OVERLAPPED = 0.484  # share of tensor-parallel messages seen where products overlap them: fitted
_DEVICE_ATTENTION = 0.812  # time of attention in kernels of the device's maker over others': fitted
_FUSED = 0.806  # share of elementwise traffic left where programs fuse it: fitted
_LOSS_PASSES = 8.53  # times that the loss moves its logits in fp32, forward and backward: fitted


@dataclass(frozen=True, kw_only=True, slots=True)
class StepTime:
    """Seconds of one optimizer step by cause, on the slowest rank."""

    matmul: float
    attention: float
    elementwise: float
    recompute: float
    kernel_starts: float  # by which starting kernels takes longer than running them
    tensor_communication: float
    context_communication: float
    expert_communication: float
    pipeline_communication: float
    data_communication: float  # what compute does not hide
    pipeline_bubble: float
    optimizer: float
    fixed: float  # data input, logging

    @property
    def total(self) -> float:
        """All of it."""
        return float(sum(getattr(self, name) for name in self.__slots__))


def estimate_steps(jobs: Jobs, machine: Machine) -> dict[str, Column]:
    """Return the seconds of one step of each job, by the causes of `StepTime`."""
    stack = machine.stack
    layer = _Layer(jobs, machine)
    head_matmul, head_elementwise = _head_seconds(jobs, machine)
    layers = jobs.layers / jobs.pipeline
    chunks = jobs.pipeline * jobs.virtual
    fullest = np.ceil(jobs.layers / chunks - 1e-9) * jobs.virtual  # where they do not divide evenly
    waiting = jobs.num_micro_batches
    messages = stack.pipeline_exposed * pipeline_seconds(jobs, machine)
    body, factor = layer.total, stack.compute_factor
    per_step = {
        name: waiting * fullest * factor * seconds for name, seconds in layer.causes.items()
    }
    # Where stages are uneven, the last rank has a layer less, which makes room for the head.
    head = head_matmul + head_elementwise
    spare = np.where(fullest > layers * (1 + 1e-9), np.minimum(body * jobs.virtual, head), 0)
    counted = waiting * factor * (1 - spare / head)
    per_step["matmul"] = per_step["matmul"] + counted * head_matmul
    per_step["elementwise"] = per_step["elementwise"] + counted * head_elementwise
    fill = (jobs.pipeline - 1) / jobs.virtual * (layers * body * factor + messages)
    hiding = waiting * layers * body * factor
    return per_step | {
        "pipeline_communication": waiting * messages,
        "data_communication": data_seconds(jobs, machine, hiding=hiding),
        "pipeline_bubble": fill,
        "optimizer": _optimizer_seconds(jobs, machine),
        "fixed": stack.step_seconds + 0 * np.asarray(body),
    }


def total_seconds(causes: Mapping[str, Column]) -> Column:
    """Return the seconds of each job's step."""
    return sum(causes.values(), start=0.0)


class _Layer:
    """Forward and backward of one layer and one micro-batch."""

    def __init__(self, jobs: Jobs, machine: Machine) -> None:
        stack = machine.stack
        matmul, matmul_backward = layer_products(jobs, machine)
        quicker = _DEVICE_ATTENTION if stack.has_device_attention else 1.0
        attention = quicker * _attention_seconds(jobs, machine)
        fused = _FUSED if stack.fuses else 1.0
        elementwise = fused * _elementwise_seconds(jobs, machine)
        overlapped = _OVERLAPPED if stack.overlaps_tensor else 1.0
        tensor = overlapped * stack.tensor_exposed * tensor_seconds(jobs, machine)
        context = context_seconds(jobs, machine)
        expert = stack.expert_exposed * expert_seconds(jobs, machine)
        mode = np.asarray(jobs.recompute)
        is_full = mode == _FULL
        keeps_no_scores = (mode == _SELECTIVE) & (np.asarray(jobs.is_flash) == 0)
        alternates = mode == _ALTERNATE
        passes = 2.0 + is_full  # forward, backward and forward again
        again = is_full * (matmul + attention + elementwise) + keeps_no_scores * attention
        again = again + alternates * (matmul / 2 + elementwise)
        flash = np.asarray(jobs.is_flash) > 0
        computing = {
            "matmul": matmul + matmul_backward,
            "attention": (1 + np.where(flash, _FLASH_BACKWARD, _BACKWARD)) * attention,
            "elementwise": (1 + _BACKWARD) * elementwise + _accumulation_seconds(jobs, machine),
            "recompute": again,
            "tensor_communication": passes * tensor,
            "context_communication": passes * context,
            "expert_communication": passes * expert,
        }
        busy = total_seconds(computing)
        more = _TENSOR_KERNELS * (jobs.tensor - 1)
        more = more + _EXPERT_KERNELS * jobs.experts / jobs.expert_ranks
        kernels = (3.0 + is_full) * (_KERNELS_PER_LAYER + more)
        starting = kernels * machine.kernel_seconds
        self.total = (busy**_SMOOTHNESS + starting**_SMOOTHNESS) ** (1 / _SMOOTHNESS)
        self.causes = computing | {"kernel_starts": self.total - busy}


def _attention_seconds(jobs: Jobs, machine: Machine) -> Column:
    """Forward: causal half where fused, the full square and its traffic where not."""
    square = 4 * jobs.tokens * jobs.sequence * jobs.query / jobs.tensor
    narrow = np.where(np.asarray(jobs.head_dim) < 128, _NARROW_HEAD, 1.0)
    short = 1 + machine.attention_half_sequence / jobs.sequence
    fused = square / 2 * narrow * short / machine.attention_flops_per_second
    unaligned = np.where(np.asarray(jobs.head_dim) % 8 != 0, _UNALIGNED, 1.0)
    slowness = 1 + machine.half_size * (2 / jobs.sequence + 1 / jobs.head_dim)
    moved = 2 * _SOFTMAX_PASSES * jobs.tokens * jobs.sequence * jobs.heads / jobs.tensor
    plain = unaligned * square * slowness / machine.score_flops_per_second
    plain = plain + moved / machine.memory_bytes_per_second
    return np.where(np.asarray(jobs.is_flash) > 0, fused, plain)


def _elementwise_seconds(jobs: Jobs, machine: Machine) -> Column:
    """Forward: norms, residuals, rotary positions, activations, each read and written once."""
    share = np.where(np.asarray(jobs.sequence_parallel) > 0, jobs.tensor, 1)
    inner = jobs.dense + 3 * jobs.experts_per_token * jobs.expert  # permuted to experts and back
    split = 2 * (jobs.query + 2 * jobs.key_value) + inner * (2 * jobs.mlp_inputs)
    values = 10 * jobs.hidden / share + split / jobs.tensor
    inputs = 2 * jobs.hidden / share + (jobs.query + inner) / jobs.tensor
    moved = jobs.element_bytes * values + machine.cast_bytes * inputs
    return jobs.tokens * moved / machine.memory_bytes_per_second


def _head_seconds(jobs: Jobs, machine: Machine) -> tuple[Column, Column]:
    """Forward and backward of the logits, and the traffic of their loss."""
    columns = jobs.vocab / jobs.tensor
    forward, backward = product_seconds(jobs, machine, jobs.tokens, jobs.hidden, columns)
    moved = 4 * _LOSS_PASSES * jobs.tokens * columns / machine.memory_bytes_per_second
    return forward + backward, moved


def _accumulation_seconds(jobs: Jobs, machine: Machine) -> Column:
    """Gradients of one layer's matrices read and written, where micro-batches add them up."""
    matrices = jobs.hidden * (2 * jobs.query + 2 * jobs.key_value)
    matrices = matrices + jobs.hidden * jobs.dense * (jobs.mlp_inputs + 1)
    expert = jobs.experts / jobs.expert_ranks * jobs.hidden * jobs.expert * (jobs.mlp_inputs + 1)
    adds_up = np.asarray(jobs.num_micro_batches) > 1
    adds_up = adds_up & (np.asarray(jobs.sharded) != SHARDED.index("everything"))
    moved = 2 * jobs.gradient * (matrices / jobs.tensor + expert)
    return np.where(adds_up, _ACCUMULATION * moved / machine.memory_bytes_per_second, 0)


def _optimizer_seconds(jobs: Jobs, machine: Machine) -> Column:
    """One Adam update, bound by memory; with Muon, the products that make matrices orthogonal."""
    is_sharded = np.asarray(jobs.sharded) > SHARDED.index("nothing")
    parameters = count_rank_parameters(jobs)
    copies = np.maximum(jobs.shard * jobs.tensor / jobs.expert_ranks, 1)
    own = parameters.dense / np.where(is_sharded, jobs.shard, 1)
    own = own + parameters.experts / np.where(is_sharded, copies, 1)
    return own * _OPTIMIZER_BYTES / machine.memory_bytes_per_second + _muon_seconds(jobs, machine)


def _muon_seconds(jobs: Jobs, machine: Machine) -> Column:
    """Newton-Schulz iterations over every matrix of the layers, which data ranks share out.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/: three products each.
    """

    def iterations(rows: Column, columns: Column) -> Column:
        short, long = np.minimum(rows, columns), np.maximum(rows, columns)
        slowness = 1 + 4 * machine.half_size / np.maximum(short, 1)
        flops: Column = _MUON_ITERATIONS * short**2 * (4 * long + 2 * short) * slowness
        return flops

    hidden = jobs.hidden
    flops = 2 * iterations(hidden, jobs.query) + 2 * iterations(hidden, jobs.key_value)
    flops = flops + (jobs.mlp_inputs + 1) * iterations(hidden, jobs.dense)
    flops = flops + jobs.experts * (jobs.mlp_inputs + 1) * iterations(hidden, jobs.expert)
    ranks = jobs.pipeline * jobs.tensor * jobs.data
    return np.asarray(jobs.is_muon * jobs.layers * flops / ranks / machine.matmul_flops_per_second)


def step_at(causes: Mapping[str, Column], place: int) -> StepTime:
    """Return one job's step time."""
    return StepTime(**{name: value_at(column, place) for name, column in causes.items()})


def estimate_step_time(
    shape: ModelShape, layout: Layout, training: Training, *, cluster: Cluster, device: Device,
    stack: Stack | None = None,
) -> StepTime:  # fmt: skip
    """Return where the seconds of one optimizer step go."""
    chosen = stack or Stack(name="average")
    machine = machine_of(device, cluster, chosen, precision=training.precision)
    return step_at(estimate_steps(jobs_of([(shape, layout, training)]), machine), 0)

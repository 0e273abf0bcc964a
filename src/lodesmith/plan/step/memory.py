"""Memory of one device in training, by cause.

Weights, gradients and optimizer state follow the mixed-precision Adam of ZeRO (16 to 18 bytes a
parameter before sharding); activations follow the byte counts of Korthikanti et al., generalised
to gated MLPs, grouped keys and experts. The fullest pipeline rank decides: the first holds the most
micro-batches in flight, the last also holds the logits.

Source: Rajbhandari et al., arXiv 1910.02054, section 3.1; Korthikanti et al., arXiv 2205.05198,
section 4 and equations 1 to 6.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from lodesmith.plan.workload.jobs import CHECKPOINTING, SHARDED, Column, Jobs, jobs_of, value_at
from lodesmith.plan.workload.layout import Layout, Training
from lodesmith.plan.workload.shape import ModelShape

_MOMENT_BYTES = 8  # Adam's two moments in fp32
_MASTER_BYTES = 4  # fp32 copy of bf16 weights
_FRAGMENTATION = 0.10  # of activations and logits: 62 published peaks (bench/plan_fit.py)
_FULL = CHECKPOINTING.index("full")
_NONE = CHECKPOINTING.index("none")
_ALTERNATE = CHECKPOINTING.index("alternate")


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryUse:
    """Bytes on the fullest device, by cause."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    buffers: float  # gathered layers, pipeline messages, the device's own runtime
    fragmentation: float  # holes between what comes and goes

    @property
    def total(self) -> float:
        """All of it."""
        return (
            self.weights + self.gradients + self.optimizer
            + self.activations + self.logits + self.buffers + self.fragmentation
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class RankParameters:
    """Parameters of the first pipeline rank, before data-parallel sharding."""

    dense: Column
    experts: Column  # whole ones, spread over the expert-parallel ranks

    @property
    def total(self) -> Column:
        """Both."""
        return self.dense + self.experts


def count_rank_parameters(jobs: Jobs) -> RankParameters:
    """Return the parameters that the first pipeline rank holds."""
    hidden = jobs.hidden
    matrices = hidden * (2 * jobs.query + 2 * jobs.key_value)
    matrices = matrices + hidden * jobs.dense * (jobs.mlp_inputs + 1) + hidden * jobs.experts
    norms = 2 * hidden * (1 + jobs.is_gpt) + 2 * jobs.head_dim * jobs.is_qwen
    biases = jobs.is_gpt * (jobs.query + 2 * jobs.key_value + 2 * hidden + jobs.dense)
    expert = jobs.experts * hidden * jobs.expert * (jobs.mlp_inputs + 1)
    layers = jobs.layers / jobs.pipeline
    ends = (jobs.vocab + jobs.positions) * hidden
    ends = ends + (jobs.pipeline == 1) * (1 - jobs.tied) * jobs.vocab * hidden
    return RankParameters(
        dense=(layers * (matrices + norms + biases) + ends) / jobs.tensor,
        experts=layers * expert / jobs.expert_ranks,
    )


def count_activations(jobs: Jobs) -> Column:
    """Return the bytes that one layer keeps of one micro-batch for its backward pass.

    For a GPT layer without recomputation this is the paper's s b h (34 + 5 a s / h).

    Source: Korthikanti et al., arXiv 2205.05198, equations 1, 2, 4 and 6.
    """
    tokens, width = jobs.tokens, jobs.element_bytes
    # Inputs of norms and of matrices, which every tensor-parallel rank holds; dropout's masks.
    shared = 4 * width * jobs.hidden + 2 * jobs.hidden * jobs.is_gpt * jobs.has_dropout
    whole = shared / np.where(np.asarray(jobs.sequence_parallel) > 0, jobs.tensor, 1)
    heads = 2 * jobs.query + 2 * jobs.key_value  # query, attention output, key, value
    inner = (jobs.mlp_inputs + 1) * (jobs.dense + jobs.experts_per_token * jobs.expert)
    sent = 2 * jobs.experts_per_token * jobs.hidden  # each expert's input and output
    keeps_scores = (1 - jobs.is_flash) * (jobs.recompute == _NONE)
    split = width * (heads + inner + sent) + keeps_scores * count_scores(jobs)
    kept = tokens * (whole + split / jobs.tensor)
    spread = np.where(np.asarray(jobs.sequence_parallel) > 0, jobs.tensor, 1)
    entry = tokens * jobs.hidden * width / spread  # what a layer is given
    # Of every other product what comes out is kept, and attention's output, which is dear.
    products = 2 * jobs.query + 2 * jobs.key_value
    inner = (jobs.dense + jobs.experts_per_token * jobs.expert) * jobs.mlp_inputs
    half = width * (products + inner + jobs.hidden) / 2 + width * jobs.query
    mode = np.asarray(jobs.recompute)
    alternate = entry + tokens * half / jobs.tensor
    return np.where(mode == _FULL, entry, np.where(mode == _ALTERNATE, alternate, kept))


def count_scores(jobs: Jobs) -> Column:
    """Return the bytes per token that attention's square leaves behind: 5 a s in bf16.

    Softmax output and dropout output (one element each) and the dropout mask (one byte).
    """
    return jobs.heads * jobs.sequence * (2 * jobs.element_bytes + 1)


def estimate_memories(jobs: Jobs, *, reserved_bytes: float) -> dict[str, Column]:
    """Return the bytes on the fullest device of each job, by the causes of `MemoryUse`."""
    parameters = count_rank_parameters(jobs)
    width, sharded, shard = jobs.element_bytes, np.asarray(jobs.sharded), jobs.shard

    def spread(bytes_each: Column, stage: str) -> Column:
        splits = sharded >= SHARDED.index(stage)
        rest = np.maximum(shard * jobs.tensor / jobs.expert_ranks, 1)  # copies of an expert
        return bytes_each * (
            parameters.dense / np.where(splits, shard, 1)
            + parameters.experts / np.where(splits, rest, 1)
        )

    activations, logits = _estimate_activations(jobs)
    per_layer = parameters.total / (jobs.layers / jobs.pipeline)
    # A pipeline gathers its stage once for all micro-batches, and adds whole gradients.
    stage = parameters.total * (width + jobs.gradient)
    pieces = np.where(np.asarray(jobs.pipeline) > 1, stage, 2 * per_layer * width)
    gathered = np.where(sharded == SHARDED.index("everything"), pieces, 0)
    messages = np.where(np.asarray(jobs.pipeline) > 1, 2 * jobs.tokens * jobs.hidden * width, 0)
    return {
        "weights": spread(width, "everything"),
        "gradients": spread(jobs.gradient, "gradients"),
        "optimizer": spread(_MOMENT_BYTES + _MASTER_BYTES * (1 - jobs.is_fp32), "optimizer"),
        "activations": activations,
        "logits": logits,
        "buffers": reserved_bytes + gathered + messages,
        "fragmentation": _FRAGMENTATION * (activations + logits),
    }


def _estimate_activations(jobs: Jobs) -> tuple[Column, Column]:
    """Bytes of kept activations and of logits on the fullest pipeline rank."""
    pipeline, virtual = np.asarray(jobs.pipeline), jobs.virtual
    in_flight = np.where(pipeline > 1, np.minimum(jobs.num_micro_batches, pipeline), 1.0)
    more = 1 + (pipeline - 1) / (pipeline * virtual)
    in_flight = in_flight * np.where(np.asarray(virtual) > 1, more, 1)
    per_layer = count_activations(jobs)
    # With full recomputation one layer is unfolded again while it is used.
    unfolded = count_activations(replace(jobs, recompute=float(_NONE)))
    mode = np.asarray(jobs.recompute)
    working = np.where((mode == _FULL) | (mode == _ALTERNATE), unfolded, 0)
    logits = jobs.tokens * jobs.vocab * jobs.logit / jobs.tensor
    layers = jobs.layers / pipeline
    first = layers * per_layer * in_flight + working
    last = layers * per_layer + working
    last_is_fuller = (pipeline == 1) | (last + logits > first)
    return np.where(last_is_fuller, last, first), np.where(last_is_fuller, logits, 0)


def memory_at(causes: Mapping[str, Column], place: int) -> MemoryUse:
    """Return one job's memory."""
    return MemoryUse(**{name: value_at(column, place) for name, column in causes.items()})


def estimate_memory(
    shape: ModelShape, layout: Layout, training: Training, *, reserved_bytes: float
) -> MemoryUse:
    """Return the memory of the fullest device.

    Args:
        shape: the model.
        layout: how it is spread.
        training: what a step works on.
        reserved_bytes: what the device's runtime and its communication library keep.
    """
    causes = estimate_memories(jobs_of([(shape, layout, training)]), reserved_bytes=reserved_bytes)
    return memory_at(causes, 0)


def count_activation_bytes(shape: ModelShape, layout: Layout, training: Training) -> float:
    """Return what `count_activations` says of one job."""
    return value_at(count_activations(jobs_of([(shape, layout, training)])), 0)

"""Many training steps as columns of numbers, so that a million layouts are computed at once.

Every formula of the planner is written once, over columns: a column is an array with one value
for each job, or a plain number where all jobs share it (the model's sizes, in a search).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.plan.workload.layout import Checkpointing, Layout, Sharded, Training
from lodesmith.plan.workload.shape import ModelShape

Column = npt.NDArray[np.float64] | float

CHECKPOINTING: tuple[Checkpointing, ...] = ("none", "selective", "full", "alternate")
SHARDED: tuple[Sharded, ...] = ("nothing", "optimizer", "gradients", "everything")


@dataclass(frozen=True, kw_only=True, slots=True)
class Jobs:
    """Model, layout and step of each job; booleans are 0 or 1."""

    layers: Column
    hidden: Column
    query: Column  # width of all query heads
    key_value: Column  # width of all key heads
    heads: Column
    head_dim: Column
    dense: Column  # inner width of what every token passes: the MLP, or shared experts
    mlp_inputs: Column
    vocab: Column
    positions: Column  # rows of learned positions
    tied: Column
    is_gpt: Column
    is_qwen: Column
    experts: Column
    experts_per_token: Column
    expert: Column  # inner width of one expert
    batch: Column  # sequences per step
    sequence: Column  # tokens
    is_flash: Column
    is_fp32: Column
    is_muon: Column
    gradient: Column  # bytes of the gradient of one parameter
    has_dropout: Column
    logit: Column  # bytes that the loss keeps of one logit
    tensor: Column
    pipeline: Column
    virtual: Column
    context: Column
    expert_ranks: Column
    data: Column
    shard: Column  # data-parallel ranks that share one copy of what is sharded
    sharded: Column  # place in `SHARDED`
    sequence_parallel: Column
    recompute: Column  # place in `CHECKPOINTING`
    micro: Column  # sequences

    @property
    def devices(self) -> Column:
        """Devices that each job fills."""
        return self.tensor * self.pipeline * self.context * self.data

    @property
    def tokens(self) -> Column:
        """Tokens of one micro-batch that one rank holds."""
        return self.micro * self.sequence / self.context

    @property
    def element_bytes(self) -> Column:
        """Bytes of one activation or weight."""
        return 2 + 2 * self.is_fp32

    @property
    def num_micro_batches(self) -> Column:
        """Forward passes of each data-parallel rank in one step."""
        return np.floor(self.batch / (self.data * self.micro))

    def take(self, places: npt.NDArray[Any]) -> "Jobs":
        """Return the jobs at these places."""
        return Jobs(
            **{
                field.name: value[places] if isinstance(value, np.ndarray) else value
                for field in fields(self)
                for value in [getattr(self, field.name)]
            }
        )


def jobs_of(rows: Sequence[tuple[ModelShape, Layout, Training]]) -> Jobs:
    """Return columns of a few jobs that may have nothing in common."""
    columns = [
        _shape_values(shape) | _training_values(training) | _layout_values(layout)
        for shape, layout, training in rows
    ]
    return Jobs(
        **{
            field.name: np.array([column[field.name] for column in columns], np.float64)
            for field in fields(Jobs)
        }
    )


def grid_of(shape: ModelShape, training: Training, layouts: Mapping[str, Column]) -> Jobs:
    """Return columns of many layouts of one model.

    Args:
        shape: the model.
        training: what a step works on.
        layouts: the columns of `Jobs` from `tensor` on.
    """
    return Jobs(**_shape_values(shape), **_training_values(training), **layouts)


def value_at(column: Column, place: int) -> float:
    """Return one job's value of a column."""
    return float(column[place]) if isinstance(column, np.ndarray) and column.ndim else float(column)


def layout_at(jobs: Jobs, place: int) -> Layout:
    """Return one job's layout."""

    def at(column: Column) -> int:
        return int(value_at(column, place))

    shard, data = at(jobs.shard), at(jobs.data)
    copies = data * at(jobs.context)
    return Layout(
        tensor_parallel_size=at(jobs.tensor),
        pipeline_parallel_size=at(jobs.pipeline),
        context_parallel_size=at(jobs.context),
        expert_parallel_size=at(jobs.expert_ranks),
        data_parallel_size=data,
        virtual_pipeline_size=at(jobs.virtual),
        sharded=SHARDED[at(jobs.sharded)],
        data_parallel_shard_size=None if shard == copies else shard,
        sequence_parallel=bool(at(jobs.sequence_parallel)),
        activation_checkpointing=CHECKPOINTING[at(jobs.recompute)],
        micro_batch_size=at(jobs.micro),
    )


def _shape_values(shape: ModelShape) -> dict[str, float]:
    return {
        "layers": shape.num_hidden_layers,
        "hidden": shape.hidden_size,
        "query": shape.query_size,
        "key_value": shape.key_value_size,
        "heads": shape.num_attention_heads,
        "head_dim": shape.head_dim,
        "dense": shape.dense_intermediate_size,
        "mlp_inputs": shape.num_mlp_inputs,
        "vocab": shape.vocab_size,
        "positions": shape.max_position_embeddings if shape.kind == "gpt" else 0,
        "tied": shape.tie_word_embeddings,
        "is_gpt": shape.kind == "gpt",
        "is_qwen": shape.kind == "qwen3",
        "experts": shape.num_experts,
        "experts_per_token": shape.num_experts_per_tok,
        "expert": shape.moe_intermediate_size,
    }


def _training_values(training: Training) -> dict[str, float]:
    return {
        "batch": training.global_batch_size,
        "sequence": training.sequence_length,
        "is_flash": training.attention == "flash",
        "is_fp32": training.precision == "fp32",
        "is_muon": training.optimizer == "muon",
        "gradient": training.gradient_bytes,
        "has_dropout": training.has_dropout,
        "logit": training.logit_bytes,
    }


def _layout_values(layout: Layout) -> dict[str, float]:
    return {
        "tensor": layout.tensor_parallel_size,
        "pipeline": layout.pipeline_parallel_size,
        "virtual": layout.virtual_pipeline_size,
        "context": layout.context_parallel_size,
        "expert_ranks": layout.expert_parallel_size,
        "data": layout.data_parallel_size,
        "shard": layout.data_parallel_shard_size
        or layout.data_parallel_size * layout.context_parallel_size,
        "sharded": SHARDED.index(layout.sharded),
        "sequence_parallel": layout.sequence_parallel,
        "recompute": CHECKPOINTING.index(layout.activation_checkpointing),
        "micro": layout.micro_batch_size,
    }

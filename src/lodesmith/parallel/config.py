"""How a model is laid over ranks: sizes of the parallel axes, and whether they fit the model.

One rule for all checks: a number that does not divide is named, with the nearest that do. Nothing
here needs torch, so a recipe with a wrong layout fails before anything heavy is loaded.
"""

from collections.abc import Iterator
from typing import Literal, Self

from pydantic import Field, model_validator

from lodesmith.core.config import Config
from lodesmith.core.divisors import near_divisors
from lodesmith.core.errors import UserError
from lodesmith.model.config import DecoderConfig

PipelineSchedule = Literal["1f1b", "interleaved_1f1b", "interleaved_zero_bubble"]

MESH_AXES = ("pp", "dp_replicate", "dp_shard", "cp", "tp")
"""Axes of the mesh, the one whose ranks are farthest from each other first; `ep` lies across
dp_shard, cp and tp."""


class ParallelConfig(Config):
    """The sizes of the axes; their product is the number of ranks."""

    tensor_parallel_size: int = Field(default=1, gt=0)
    """Ranks that share each matrix of a layer, and between matrices the sequence (sequence
    parallel comes with it)."""

    pipeline_parallel_size: int = Field(default=1, gt=0)
    """Ranks that share the layers, a run of them each."""

    virtual_pipeline_size: int = Field(default=1, gt=0)
    """Runs of layers that each pipeline rank holds; more than 1 wants an interleaved schedule."""

    context_parallel_size: int = Field(default=1, gt=0)
    """Ranks that share each sequence, for attention too."""

    expert_parallel_size: int = Field(default=1, gt=0)
    """Ranks that share the experts; taken from the ranks of dp_shard, cp and tp, not in addition
    to them."""

    data_parallel_replicate_size: int = Field(default=1, gt=0)
    """Groups of ranks that each hold all weights and optimizer state once."""

    data_parallel_shard_size: int = Field(default=1, gt=0)
    """Ranks that share weights and optimizer state, and have sequences of their own."""

    pipeline_schedule: PipelineSchedule = "1f1b"
    """Order of forward and backward passes in the pipeline. Source: Narayanan et al. 2021,
    arXiv:2104.04473 (1F1B, interleaved); Qi et al. 2023, arXiv:2401.10241 (zero bubble)."""

    @model_validator(mode="after")
    def _check_pipeline_and_experts(self) -> Self:
        interleaved = self.pipeline_schedule != "1f1b"
        if interleaved and self.pipeline_parallel_size == 1:
            raise ValueError(f"pipeline_schedule {self.pipeline_schedule} wants several pp ranks")
        if interleaved and self.virtual_pipeline_size == 1:
            raise ValueError(
                f"pipeline_schedule {self.pipeline_schedule} wants virtual_pipeline_size >= 2"
            )
        if not interleaved and self.virtual_pipeline_size > 1:
            raise ValueError(
                f"virtual_pipeline_size {self.virtual_pipeline_size} wants pipeline_schedule "
                "interleaved_1f1b or interleaved_zero_bubble"
            )
        fault = _indivisible(
            "data_parallel_shard_size x context_parallel_size x tensor_parallel_size",
            self.num_ranks_of_experts,
            "expert_parallel_size",
            self.expert_parallel_size,
        )
        if fault:
            raise ValueError(fault)
        return self

    @property
    def num_ranks(self) -> int:
        """Processes that train together."""
        return (
            self.pipeline_parallel_size
            * self.data_parallel_replicate_size
            * self.num_ranks_of_experts
        )

    @property
    def num_ranks_of_experts(self) -> int:
        """Ranks over which one copy of a stage's experts can be spread."""
        return (
            self.data_parallel_shard_size * self.context_parallel_size * self.tensor_parallel_size
        )

    @property
    def data_parallel_size(self) -> int:
        """Shares into which a global batch's sequences are cut."""
        return self.data_parallel_replicate_size * self.data_parallel_shard_size

    @property
    def num_stages(self) -> int:
        """Runs of layers."""
        return self.pipeline_parallel_size * self.virtual_pipeline_size

    @property
    def sequence_multiple(self) -> int:
        """What the sequence length must be a multiple of.

        >>> ParallelConfig(tensor_parallel_size=2, context_parallel_size=4).sequence_multiple
        16
        """
        chunks = 1 if self.context_parallel_size == 1 else 2 * self.context_parallel_size
        return chunks * self.tensor_parallel_size


def check_layout(
    parallel: ParallelConfig,
    model: DecoderConfig,
    *,
    num_ranks: int,
    sequence_length: int,
    global_batch_size: int,
    micro_batch_size: int,
) -> None:
    """Refuse a layout that does not fit the model, the batch or the number of ranks.

    Raises:
        UserError: every fault, one a line.
    """
    faults = [
        *_rank_faults(parallel, num_ranks),
        *_model_faults(parallel, model),
        *_batch_faults(parallel, sequence_length, global_batch_size, micro_batch_size),
    ]
    if faults:
        raise UserError("\n".join(f"parallel: {fault}" for fault in faults))


def _indivisible(what: str, number: int, axis: str, size: int) -> str | None:
    if number % size == 0:
        return None
    nearest = " or ".join(map(str, sorted(near_divisors(number, size))))
    return f"{what} ({number}) is not a multiple of {axis} ({size}); {axis} may be {nearest}"


def _rank_faults(parallel: ParallelConfig, num_ranks: int) -> Iterator[str]:
    if parallel.num_ranks == num_ranks:
        return
    rest = parallel.num_ranks // parallel.data_parallel_shard_size
    fault = f"the layout is for {parallel.num_ranks} ranks, but there are {num_ranks}"
    if num_ranks % rest == 0:
        yield f"{fault}; data_parallel_shard_size {num_ranks // rest} would fit"
    else:
        below, above = num_ranks // rest * rest, (num_ranks // rest + 1) * rest
        yield f"{fault}; with the other sizes as they are, {below or above} or {above} would do"


def _model_faults(parallel: ParallelConfig, model: DecoderConfig) -> Iterator[str]:
    tensor = parallel.tensor_parallel_size
    for name in ("num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size"):
        fault = _indivisible(name, getattr(model, name), "tensor_parallel_size", tensor)
        if fault:
            yield fault
    if model.experts is None and parallel.expert_parallel_size > 1:
        yield (
            f"expert_parallel_size is {parallel.expert_parallel_size}, but the model has no "
            "experts; set it to 1, or model.experts"
        )
    if model.experts is not None:
        fault = _indivisible(
            "num_experts",
            model.experts.num_experts,
            "expert_parallel_size",
            parallel.expert_parallel_size,
        )
        if fault:
            yield fault
    if parallel.num_stages > model.num_hidden_layers:
        yield (
            f"{parallel.num_stages} pipeline stages cannot share {model.num_hidden_layers} layers "
            f"(num_hidden_layers); make pipeline_parallel_size x virtual_pipeline_size at most "
            f"{model.num_hidden_layers}"
        )
    if parallel.pipeline_parallel_size > 1 and model.tie_word_embeddings:
        yield (
            "a pipeline keeps embedding and output matrix on different ranks, so it wants "
            "tie_word_embeddings: false"
        )


def _batch_faults(
    parallel: ParallelConfig, sequence_length: int, global_batch_size: int, micro_batch_size: int
) -> Iterator[str]:
    multiple = parallel.sequence_multiple
    if sequence_length % multiple:
        below = sequence_length // multiple * multiple
        nearest = " or ".join(str(size) for size in (below, below + multiple) if size)
        yield (
            f"sequence_length ({sequence_length}) is not a multiple of {multiple}, the chunks of "
            f"context and tensor parallel; it may be {nearest}"
        )
    rows = parallel.data_parallel_size * micro_batch_size
    if global_batch_size % rows:
        below = global_batch_size // rows * rows
        nearest = " or ".join(str(size) for size in (below, below + rows) if size)
        yield (
            f"global_batch_size ({global_batch_size}) is not a multiple of {rows} (data parallel "
            f"ranks x micro_batch_size); it may be {nearest}"
        )
        return
    num_micro_batches, ranks = global_batch_size // rows, parallel.pipeline_parallel_size
    if num_micro_batches < ranks:
        yield (
            f"{num_micro_batches} micro-batches a step are fewer than pipeline_parallel_size "
            f"({ranks}), so a rank would have nothing to do; raise global_batch_size to "
            f"{rows * ranks} or lower micro_batch_size"
        )
    elif parallel.virtual_pipeline_size > 1 and num_micro_batches % ranks:
        yield (
            f"{num_micro_batches} micro-batches a step are not a multiple of "
            f"pipeline_parallel_size ({ranks}), which interleaved schedules want"
        )

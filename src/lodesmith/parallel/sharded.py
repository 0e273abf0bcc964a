"""A decoder laid over ranks: its stages, sharded, filled, and driven through one global batch.

The loss is the sum over all labels of the global batch divided by their number, whatever the
layout: every rank divides by the number of all ranks' labels, and gradients are summed, never
averaged. So a gradient is the same number on 1 rank and on 1,000, but for the order of sums.

Shapes: B batch, T tokens, t this rank's tokens, v a slice of the vocabulary.
"""
# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.pipelining import (
    PipelineStage,
    Schedule1F1B,
    ScheduleInterleaved1F1B,
    ScheduleInterleavedZeroBubble,
)

from lodesmith.model.config import DecoderConfig
from lodesmith.model.cross_entropy import CrossEntropy, cross_entropy
from lodesmith.model.moe import MixtureOfExperts
from lodesmith.parallel.config import PipelineSchedule
from lodesmith.parallel.float8 import use_float8
from lodesmith.parallel.layers import Recompute, treat_layer
from lodesmith.parallel.mesh import Layout
from lodesmith.parallel.norms import global_norm
from lodesmith.parallel.parts import fill_part, local_part, part_of
from lodesmith.parallel.stages import Stage
from lodesmith.parallel.tensor import vocabulary_losses

_SCHEDULES: dict[PipelineSchedule, Any] = {
    "1f1b": Schedule1F1B,
    "interleaved_1f1b": ScheduleInterleaved1F1B,
    "interleaved_zero_bubble": ScheduleInterleavedZeroBubble,
}


Reduce = Callable[[Tensor, slice], Tensor]
"""(losses_BT, which rows they are) -> their loss, a sum."""


@dataclass(frozen=True, kw_only=True)
class Treatment:
    """How a laid-out decoder is computed."""

    recompute: Recompute = "none"
    compile_backend: str | None = None  # of torch.compile, layer by layer; None runs eagerly
    param_dtype: torch.dtype = torch.float32  # of matrix products; weights at rest are float32
    float8: bool = False  # for the products of the layers; only rounded so where there is no GPU
    reduce_dtype: torch.dtype = torch.float32  # in which ranks add gradients
    z_loss: float = 0.0  # weight of each label's squared log-normaliser


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Sequences of a batch: those of one data-parallel rank, whole."""

    input_ids: Tensor  # [B, T]
    labels: Tensor  # [B, T]; -100 where nothing is to be predicted
    segment_ids: Tensor | None = None  # [B, T]; tokens see only their own segment


class ShardedDecoder:
    """This rank's part of a decoder."""

    def __init__(
        self,
        config: DecoderConfig,
        layout: Layout,
        *,
        micro_batch_size: int,
        sequence_length: int,
        treatment: Treatment = Treatment(),
    ) -> None:
        """Lay out the weights, unfilled: call `fill` next.

        Args:
            config: the whole model.
            layout: checked with `check_layout`.
            micro_batch_size: sequences in one forward pass.
            sequence_length: T, tokens of a whole sequence.
            treatment: how it is computed.
        """
        self.config, self.layout, self.treatment = config, layout, treatment
        self.micro_batch_size, self.sequence_length = micro_batch_size, sequence_length
        ranks = layout.config.pipeline_parallel_size
        indices = range(layout.rank_in("pp"), layout.config.num_stages, ranks)
        self.stages = [Stage(config, layout, index=index) for index in indices]
        for stage in self.stages:
            _shard(stage, layout, treatment)
        self._num_labels, self._loss_scale = 1, 1.0
        self._cross_entropy: CrossEntropy = cross_entropy
        if treatment.compile_backend is not None and layout.device != "cpu":
            self._cross_entropy = torch.compile(
                cross_entropy, backend=treatment.compile_backend, dynamic=False
            )
        self._reduce: Reduce | None = None
        self._schedules: dict[int, Any] = {}  # by the number of micro-batches
        self._pipeline_stages: list[PipelineStage] = []
        if ranks > 1:
            self._pipeline_stages = [self._pipeline_stage(stage) for stage in self.stages]

    def weights(self) -> dict[str, nn.Parameter]:
        """Return this rank's parameters, DTensors all, by their names in the whole model."""
        return {name: weight for stage in self.stages for name, weight in stage.weights().items()}

    def fill(self, weights: Iterable[tuple[str, Tensor]]) -> None:
        """Take this rank's part of each whole weight; one whole weight at a time is in memory.

        Args:
            weights: every weight of the model, such as `fresh_weights`; each rank gives the same.
        """
        own = self.weights()
        filled = set()
        for name, whole in weights:
            if name in own:
                fill_part(own[name], whole)
                filled.add(name)
        missing = own.keys() - filled
        if missing:
            raise ValueError(f"{len(missing)} weights were not given, {min(missing)} the first")

    def accumulate(
        self,
        rows: Rows,
        *,
        reduce: Reduce | None = None,
        count: int | None = None,
        loss_scale: float = 1.0,
    ) -> tuple[float, int]:
        """Add the gradients of a global batch; return its mean loss and what it is a mean of.

        Both are the same on every rank.

        Args:
            rows: this rank's sequences.
            reduce: the loss of some of the rows, from the losses of their labels; None sums them.
                It wants whole sequences, so no pipeline and no context parallel.
            count: how many things the loss of these rows is a sum over; None counts labels.
            loss_scale: what gradients, but not the loss returned, are multiplied by.
        """
        device = self.layout.device
        places = self.stages[0].own_tokens(self.sequence_length).to(device)
        labels_Bt = rows.labels[:, places]
        own_count = (labels_Bt >= 0).sum() if count is None else torch.tensor(count, device=device)
        num_learnt = int(self._sum_over_data(own_count))
        self._num_labels, self._reduce = max(num_learnt, 1), reduce
        self._loss_scale = loss_scale
        for mixture in self._mixtures():
            mixture.z_loss_weight = (
                (mixture.config.router_z_loss or 0.0) * loss_scale / self._num_labels
            )
        inputs: dict[str, Tensor] = {"positions_Bt": places.expand(labels_Bt.shape[0], -1)}
        if rows.segment_ids is not None:
            inputs["segment_ids_BT"] = rows.segment_ids
        ids_Bt = rows.input_ids[:, places]
        run = self._run_pipeline if self._pipeline_stages else self._run_alone
        loss = self._sum_over_data(run(ids_Bt, labels_Bt, inputs))
        if self._pipeline_stages:
            dist.all_reduce(loss, group=self.layout.group("pp"))
        return float(loss) / loss_scale, num_learnt

    @torch.no_grad()
    def balance_experts(self) -> None:
        """Move the biases of the experts by the load of all batches since the last call."""
        for mixture in self._mixtures():
            if mixture.load_E is not None:
                load_E = self._sum_over_data(mixture.load_E)
                dist.all_reduce(load_E, group=self.layout.group("tp"))
                assert mixture.expert_bias is not None  # noqa: S101
                bias = mixture.expert_bias.weight
                local_part(bias).add_(part_of(bias, mixture.bias_step(load_E)))
                mixture.load_E = None

    def gradient_norm(self) -> float:
        """Return the norm of all gradients, the same on every rank."""
        return global_norm(w.grad for w in self.weights().values() if w.requires_grad)

    def _mixtures(self) -> list[MixtureOfExperts]:
        return [mixture for stage in self.stages for mixture in stage.mixtures]

    def _loss(self, logits_BTv: Tensor, labels_Bt: Tensor, micro: slice | None = None) -> Tensor:
        losses_Bt = vocabulary_losses(
            logits_BTv, labels_Bt, group=self.layout.group("tp"), z_loss=self.treatment.z_loss,
            cross_entropy=self._cross_entropy,
        )  # fmt: skip
        if self._reduce is None:
            return losses_Bt.sum() * (self._loss_scale / self._num_labels)
        assert micro is not None  # noqa: S101 refused for pipelines
        return self._reduce(losses_Bt, micro) * (self._loss_scale / self._num_labels)

    def _run_alone(self, ids_Bt: Tensor, labels_Bt: Tensor, inputs: dict[str, Tensor]) -> Tensor:
        stage = self.stages[0]
        assert isinstance(stage, FSDPModule)  # noqa: S101
        total = torch.zeros((), device=self.layout.device)
        size, num_rows = self.micro_batch_size, ids_Bt.shape[0]
        for start in range(0, num_rows, size):
            micro = slice(start, start + size)
            stage.set_requires_gradient_sync(start + size >= num_rows)
            logits = stage(ids_Bt[micro], **{name: value[micro] for name, value in inputs.items()})
            loss = self._loss(logits, labels_Bt[micro], micro)
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.detach()
        return total

    def _run_pipeline(self, ids_Bt: Tensor, labels_Bt: Tensor, inputs: dict[str, Tensor]) -> Tensor:
        schedule = self._schedule(ids_Bt.shape[0] // self.micro_batch_size)
        losses: list[Tensor] = []
        first = [ids_Bt] if self.stages[0].is_first else []
        last: dict[str, Any] = {}
        if self.stages[-1].is_last:
            last = {"target": labels_Bt, "losses": losses}
        schedule.step(*first, **last, **inputs, return_outputs=False)
        if not losses:
            return torch.zeros((), device=self.layout.device)
        return torch.stack(losses).sum().detach()

    def _schedule(self, num_micro_batches: int) -> Any:
        if num_micro_batches not in self._schedules:
            name = self.layout.config.pipeline_schedule
            self._schedules[num_micro_batches] = _SCHEDULES[name](
                self._pipeline_stages[0] if name == "1f1b" else self._pipeline_stages,
                n_microbatches=num_micro_batches,
                loss_fn=self._loss,
                scale_grads=False,
            )
        return self._schedules[num_micro_batches]

    def _sum_over_data(self, value: Tensor) -> Tensor:
        total = value.clone()
        for axis in ("dp_replicate", "dp_shard", "cp"):
            dist.all_reduce(total, group=self.layout.group(axis))
        return total

    def _pipeline_stage(self, stage: Stage) -> PipelineStage:
        parallel, rows = self.layout.config, self.micro_batch_size
        tokens = self.sequence_length // parallel.context_parallel_size
        dtype = self.treatment.param_dtype
        own = tokens // parallel.tensor_parallel_size
        between = torch.empty(rows, own, self.config.hidden_size, dtype=dtype, device="meta")
        ids = torch.empty(rows, tokens, dtype=torch.int64, device="meta")
        logits = torch.empty(
            rows,
            tokens,
            self.config.vocab_size // parallel.tensor_parallel_size,
            dtype=dtype,
            device="meta",
        )
        return PipelineStage(
            stage,
            stage.index,
            parallel.num_stages,
            torch.device(self.layout.device),
            input_args=ids if stage.is_first else between.requires_grad_(),
            output_args=(logits if stage.is_last else between).requires_grad_(),
            group=self.layout.group("pp"),
        )


def own_rows(rows: Rows, layout: Layout) -> Rows:
    """Return a data-parallel rank's sequences of a global batch."""
    size = layout.config.data_parallel_size
    mine = slice(layout.data_rank, None, size)
    segments = None if rows.segment_ids is None else rows.segment_ids[mine]
    return Rows(input_ids=rows.input_ids[mine], labels=rows.labels[mine], segment_ids=segments)


def _shard(stage: Stage, layout: Layout, treatment: Treatment) -> None:
    """Compile each layer, shard it and then the rest, and allocate what is this rank's."""
    # A pipeline passes a layer many times in one step: gathering its weights each time would cost
    # more than the memory is worth.
    options: dict[str, Any] = {
        "reshard_after_forward": layout.config.pipeline_parallel_size == 1,
        "mp_policy": MixedPrecisionPolicy(
            param_dtype=treatment.param_dtype, reduce_dtype=treatment.reduce_dtype
        ),
    }
    for layer in stage.layers:
        if treatment.float8:
            use_float8(layer, emulate=layout.device == "cpu")
        treat_layer(layer, recompute=treatment.recompute, compile_backend=treatment.compile_backend)
        for mixture in (part for part in layer.modules() if isinstance(part, MixtureOfExperts)):
            fully_shard(mixture.experts, mesh=layout.expert_shard_mesh, **options)
        fully_shard(layer, mesh=layout.shard_mesh, **options)
    fully_shard(stage, mesh=layout.shard_mesh, **options)
    stage.to_empty(device=layout.device)
    for module in stage.modules():
        if isinstance(module, FSDPModule):
            module.set_force_sum_reduction_for_comms(True)
            module.set_gradient_divide_factor(1.0)

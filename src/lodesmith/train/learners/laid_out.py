"""A model laid over ranks as a `ParallelConfig` says; it equals the whole one to rounding."""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from lodesmith.model.checkpoint import read_config, read_weights
from lodesmith.model.config import DecoderConfig
from lodesmith.model.cross_entropy import NO_LABEL
from lodesmith.model.decoder import fresh_weights
from lodesmith.parallel.config import ParallelConfig
from lodesmith.parallel.mesh import Layout, build_layout
from lodesmith.parallel.parts import collect_whole, local_part
from lodesmith.parallel.ranks import Ranks
from lodesmith.parallel.sharded import Rows, ShardedDecoder, Treatment
from lodesmith.train.job import TrainingJob
from lodesmith.train.learners.dtypes import DTYPES
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.objectives.objective import make_objective
from lodesmith.train.optimizer.optimizer import Optimizer, trained_weights
from lodesmith.train.optimizer.spread_muon import SpreadWork


class LaidOutLearner:
    """This rank's part of a decoder and of its optimizer."""

    def __init__(
        self,
        shape: DecoderConfig,
        layout: Layout,
        job: TrainingJob,
        *,
        beat: Callable[[], None],
    ) -> None:
        config = job.config
        self.layout, self.own_seconds = layout, 0.0
        self.objective = make_objective(job.objective, job.objective_settings)
        self.model = ShardedDecoder(
            shape,
            layout,
            micro_batch_size=config.micro_batch_size,
            sequence_length=config.sequence_length,
            treatment=Treatment(
                recompute=config.activation_checkpointing,
                compile_backend=config.compile,
                param_dtype=DTYPES[config.param_dtype],
                float8=config.matmul_dtype == "float8",
                reduce_dtype=DTYPES[config.reduce_dtype],
                z_loss=config.z_loss or 0.0,
            ),
        )
        for stage in self.model.stages:
            stage.register_forward_hook(lambda *_: beat())
        self.weights = self.model.weights()
        self.trained = trained_weights(self.weights)
        self.optimizer = Optimizer(
            self.trained, config, share_work=lambda matrices: SpreadWork(matrices, layout=layout)
        )

    @property
    def shape(self) -> DecoderConfig:
        """The whole model's."""
        return self.model.config

    @property
    def rows(self) -> slice:
        """Which sequences of a global batch this rank reads; tp, cp and pp peers read the same."""
        return slice(self.layout.data_rank, None, self.layout.config.data_parallel_size)

    def learn(self, batch: Batch, *, loss_scale: float = 1.0) -> tuple[float, int]:
        """Leave the gradients of a global batch, reduced; return its mean loss and what it is of.

        Args:
            batch: this rank's sequences, which are `rows` of the global batch.
            loss_scale: what gradients, but not the loss returned, are multiplied by.
        """
        batch = batch.to(self.layout.device)
        for weight in self.trained.values():
            weight.grad = None
        labels = batch.labels
        if batch.loss_mask is not None:
            labels = labels.masked_fill(~batch.loss_mask, NO_LABEL)
        rows = Rows(input_ids=batch.input_ids, labels=labels, segment_ids=batch.segment_ids)
        started = time.process_time()  # of the clock, most is waiting for peers
        learnt = self._accumulate(rows, batch, loss_scale)
        self.own_seconds = time.process_time() - started
        return learnt

    def _accumulate(self, rows: Rows, batch: Batch, loss_scale: float) -> tuple[float, int]:
        if self.objective.sums_labels:
            return self.model.accumulate(rows, loss_scale=loss_scale)

        def reduce(losses_BT: Tensor, micro: slice) -> Tensor:  # noqa: N803 shape suffix
            return self.objective.summed_loss(losses_BT, batch.rows(micro))

        count = self.objective.count(batch)
        return self.model.accumulate(rows, reduce=reduce, count=count, loss_scale=loss_scale)

    def gradient_norm(self) -> float:
        """Return the norm of all gradients, the same on every rank."""
        return self.model.gradient_norm()

    @torch.no_grad()
    def scale_gradients(self, factor: float) -> None:
        """Multiply all gradients."""
        for weight in self.trained.values():
            assert weight.grad is not None  # noqa: S101 each weight takes part
            local_part(weight.grad).mul_(factor)

    def update(self, step: int, *, fraction: float) -> None:
        """Move the weights by the gradients, and the biases of experts by their load."""
        self.optimizer.step(step, fraction=fraction)
        self.model.balance_experts()

    def tensors(self) -> dict[str, Tensor]:
        """Return this rank's weights and optimizer state, DTensors all, by whole-model name."""
        weights: dict[str, Tensor] = {f"weight.{name}": w for name, w in self.weights.items()}
        return weights | self.optimizer.state()

    def collect(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors of all stages, whole, on rank 0; nothing elsewhere."""
        return collect_whole(tensors, self.layout)


def open_learner(job: TrainingJob, *, ranks: Ranks, beat: Callable[[], None]) -> LaidOutLearner:
    """Return a job's model with the weights that it starts from."""
    parallel = job.config.parallel
    assert isinstance(parallel, ParallelConfig)  # noqa: S101 settled when the run started
    shape = read_config(job.start) if isinstance(job.start, Path) else job.start
    layout = build_layout(parallel, device=torch.device(ranks.device).type)
    learner = LaidOutLearner(shape, layout, job, beat=beat)
    weights = (
        read_weights(job.start)
        if isinstance(job.start, Path)
        else fresh_weights(job.start, seed=job.config.seed)
    )
    learner.model.fill(weights)
    return learner

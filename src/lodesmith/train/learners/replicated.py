"""A model that each of one or two ranks holds whole; either number gives the same bits.

Each of the two parts of a global batch goes through the decoder micro-batch by micro-batch into
the part's gradient buffer; parts and ranks are added in a fixed order and divided by the number of
labels. Every rank holds all weights and all optimizer state.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.cross_entropy import CrossEntropy, cross_entropy
from lodesmith.model.decoder import Attend, Decoder, FeedForward, Layer
from lodesmith.model.lora import add_adapter
from lodesmith.model.moe import MixtureOfExperts
from lodesmith.model.quantized import load_quantized_decoder
from lodesmith.parallel.data_parallel import NUM_PARTS, GradientBuffer, own_parts
from lodesmith.parallel.float8 import use_float8
from lodesmith.parallel.layers import treat_halves, treat_layer
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.job import PackedData, TrainingJob
from lodesmith.train.learners.dtypes import DTYPES
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.objectives.loss import summed_loss
from lodesmith.train.objectives.objective import make_objective
from lodesmith.train.objectives.segments import attend_within_segments
from lodesmith.train.optimizer.optimizer import Optimizer, trained_weights
from lodesmith.train.optimizer.shared_muon import SharedWork


class ReplicatedLearner:
    """A whole decoder in each rank."""

    def __init__(
        self, decoder: Decoder, job: TrainingJob, *, ranks: Ranks, beat: Callable[[], None]
    ) -> None:
        self.decoder, self.config, self.ranks, self.beat = decoder, job.config, ranks, beat
        self.own_seconds = 0.0
        self.dtype = DTYPES[job.config.param_dtype]
        _treat_layers(decoder, job, ranks=ranks)
        self.cross_entropy: CrossEntropy = cross_entropy
        self.attend_within = attend_within_segments
        if job.config.compile is not None:
            # Documents' lengths would make a graph each.
            self.attend_within = _attend_outside_graphs
            if ranks.device != "cpu":  # one graph for any number of labels
                self.cross_entropy = torch.compile(
                    cross_entropy,
                    backend=job.config.compile,
                    dynamic=isinstance(job.data, PackedData),
                )
        self.adapter = job.adapter
        self.objective = make_objective(job.objective, job.objective_settings)
        self.parts = own_parts(ranks)
        weights = trained_weights(dict(decoder.named_parameters()))
        self.gradients = GradientBuffer(weights.values(), ranks=ranks)
        self.optimizer = Optimizer(
            weights, job.config, share_work=lambda matrices: SharedWork(matrices, ranks=ranks)
        )
        self.mixtures = [part for part in decoder.modules() if isinstance(part, MixtureOfExperts)]

    @property
    def shape(self) -> DecoderConfig:
        """The model's shape."""
        return self.decoder.config

    @property
    def rows(self) -> slice:
        """Which sequences of a global batch this rank reads."""
        return slice(self.parts.start * self._part_size, self.parts.stop * self._part_size)

    def learn(self, batch: Batch, *, loss_scale: float = 1.0) -> tuple[float, int]:
        """Leave the gradients of a global batch, reduced; return its mean loss and what it is of.

        Args:
            batch: this rank's sequences, which are `rows` of the global batch.
            loss_scale: what gradients, but not the loss returned, are multiplied by.
        """
        batch = batch.to(self.ranks.device)
        started = time.perf_counter()
        # What is scaled is about a mean: the gradients of a sum would overflow fp16 at once.
        tokens = 1 if loss_scale == 1 else self.config.step_tokens
        factor = loss_scale / tokens
        size, micro = self._part_size, self.config.micro_batch_size
        for mixture in self.mixtures:
            mixture.z_loss_weight = (mixture.config.router_z_loss or 0.0) * factor
        for index, part in enumerate(self.parts):
            with self.gradients.collect(part) as tail:
                for start in range(index * size, (index + 1) * size, micro):
                    loss, count = summed_loss(
                        self.decoder,
                        batch.rows(slice(start, start + micro)),
                        objective=self.objective,
                        dtype=self.dtype,
                        z_loss=self.config.z_loss or 0.0,
                        cross_entropy=self.cross_entropy,
                        attend_within=self.attend_within,
                    )
                    (loss * factor).backward()  # type: ignore[no-untyped-call]
                    tail[0] += loss.detach()
                    tail[1] += count
                    self.beat()
        self.own_seconds = time.perf_counter() - started
        mean_loss, count = self.gradients.reduce()
        if tokens != 1:
            self.scale_gradients(tokens)
        return mean_loss, count

    def gradient_norm(self) -> float:
        """Return the norm of all gradients, the same on every rank."""
        return float(torch.linalg.vector_norm(self.gradients.gradients))

    def scale_gradients(self, factor: float) -> None:
        """Multiply all gradients."""
        self.gradients.gradients.mul_(factor)

    def update(self, step: int, *, fraction: float) -> None:
        """Move the weights by the gradients, and the biases of experts by their load."""
        self.optimizer.step(step, fraction=fraction)
        for mixture in self.mixtures:
            if mixture.load_E is not None:
                load_E = mixture.load_E  # noqa: N806 shape suffix
                self.ranks.sum_in_place(load_E)
                mixture.balance(load_E)

    def tensors(self) -> dict[str, Tensor]:
        """Return weights and optimizer state by name; with an adapter, only what is trained."""
        named = dict(self.decoder.named_parameters())
        named = named if self.adapter is None else trained_weights(named)
        weights = {f"weight.{name}": weight for name, weight in named.items()}
        return weights | self.optimizer.state()

    def collect(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the tensors in main memory: each rank has them whole."""
        return {name: tensor.cpu() for name, tensor in tensors.items()}

    @property
    def _part_size(self) -> int:
        return self.config.global_batch_size // NUM_PARTS


def _treat_layers(decoder: Decoder, job: TrainingJob, *, ranks: Ranks) -> None:
    is_masked = isinstance(job.data, PackedData)
    for layer in decoder.model.layers:
        assert isinstance(layer, Layer)  # noqa: S101 for the type checker
        if job.config.matmul_dtype == "float8":
            use_float8(layer, emulate=ranks.device == "cpu")
        is_last = layer is decoder.model.layers[-1]
        splits = is_masked and is_last and isinstance(layer.mlp, FeedForward)
        treat = treat_halves if splits else treat_layer
        treat(
            layer,
            recompute=job.config.activation_checkpointing,
            compile_backend=job.config.compile,
        )


def _attend_outside_graphs(segment_ids_BT: Tensor) -> Attend:  # noqa: N803 shape suffix
    attend = attend_within_segments(segment_ids_BT)
    outside: Attend = torch.compiler.disable(attend)  # type: ignore[no-untyped-call]
    return outside


def open_learner(job: TrainingJob, *, ranks: Ranks, beat: Callable[[], None]) -> ReplicatedLearner:
    """Return a job's model with the weights that it starts from."""
    if isinstance(job.start, Path) and job.quantize_base is not None:
        dtype = DTYPES[job.config.param_dtype]
        decoder = load_quantized_decoder(job.start, dtype=dtype, device=ranks.device)
    elif isinstance(job.start, Path):
        decoder = load_decoder(job.start)
    else:
        decoder = Decoder.fresh(job.start, seed=job.config.seed)
    if job.adapter is not None:
        add_adapter(decoder, job.adapter, seed=job.config.seed)
    return ReplicatedLearner(decoder.to(ranks.device), job, ranks=ranks, beat=beat)

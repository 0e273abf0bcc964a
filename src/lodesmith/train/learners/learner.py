"""What the training loop asks of a model, however it is laid over ranks.

The loop knows steps, schedules, checkpoints and metrics; a learner knows where weights lie and how
gradients travel. There are two: `replicated` keeps the model whole on one or two ranks and gives
the same bits on either; `laid_out` lays it over any `ParallelConfig` and equals it to rounding.
All ranks call each method together.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.lora import add_adapter
from lodesmith.parallel.checkpoint.export import WEIGHT_PREFIX
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.job import TrainingJob
from lodesmith.train.objectives.batch import Batch


class Learner(Protocol):
    """A model and its optimizer, seen from one rank."""

    @property
    def shape(self) -> DecoderConfig:
        """The whole model's."""

    @property
    def own_seconds(self) -> float:
        """How long this rank worked at the last batch, without what it waited for others."""

    @property
    def rows(self) -> slice:
        """Which sequences of a global batch this rank reads."""

    def learn(self, batch: Batch, *, loss_scale: float = 1.0) -> tuple[float, int]:
        """Leave the gradients of a global batch, reduced; return its mean loss and what it is of.

        Args:
            batch: this rank's sequences, which are `rows` of the global batch.
            loss_scale: what gradients, but not the loss returned, are multiplied by.
        """

    def gradient_norm(self) -> float:
        """Return the norm of all gradients, the same on every rank."""

    def scale_gradients(self, factor: float) -> None:
        """Multiply all gradients."""

    def update(self, step: int, *, fraction: float) -> None:
        """Move the weights by the gradients.

        Args:
            step: the first is 0.
            fraction: of the peak learning rates.
        """

    def tensors(self) -> dict[str, Tensor]:
        """Return all state but the step's number: weights as `weight.NAME`, and the optimizer's.

        Names are those of the whole model, whatever the layout. A DTensor knows what part of the
        whole it is; write into it (`parts.fill_part`) to restore it.
        """

    def collect(self, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return some of `tensors` whole, of all stages, on rank 0; elsewhere it may be empty."""


def open_learner(job: TrainingJob, *, ranks: Ranks, beat: Callable[[], None]) -> Learner:
    """Return the learner of a job: fresh weights of its seed, or those of its model folder.

    Args:
        job: what is asked for.
        ranks: seen from this one.
        beat: called after each micro-batch.
    """
    name = "replicated" if job.config.parallel is None else "laid_out"
    module = import_module(f"lodesmith.train.learners.{name}")
    learner: Learner = module.open_learner(job, ranks=ranks, beat=beat)
    return learner


def collect_decoder(learner: Learner, job: TrainingJob) -> Decoder:
    """Return the model with all its weights on rank 0, unfilled elsewhere; all ranks call it.

    An adapter stands beside the weights that the job started from.
    """
    state = learner.tensors().items()
    whole = learner.collect(
        {name: tensor for name, tensor in state if name.startswith(WEIGHT_PREFIX)}
    )
    with torch.device("meta"):
        decoder = Decoder(learner.shape)
    weights = {name.removeprefix(WEIGHT_PREFIX): tensor for name, tensor in whole.items()}
    if weights and job.adapter is not None and isinstance(job.start, Path):
        decoder = load_decoder(job.start)
        add_adapter(decoder, job.adapter, seed=job.config.seed)
        decoder.load_state_dict(weights, strict=False)
    elif weights:
        decoder.load_state_dict(weights, assign=True)
    return decoder

"""A run's learner and how far it is, in one rank: one step, a checkpoint, a start from one.

A step: a learner leaves the gradients of a global batch; they are checked and, if long, shortened;
the optimizer moves the weights.
"""

import math
from collections.abc import Callable
from dataclasses import asdict

from lodesmith.core.errors import UserError
from lodesmith.parallel.checkpoint import Checkpoints
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.job import TrainingJob
from lodesmith.train.learners.learner import open_learner
from lodesmith.train.loop.progress import Progress
from lodesmith.train.loop.rollback import SpikeError
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.objectives.loss_scale import LossScale
from lodesmith.train.objectives.objective import make_objective
from lodesmith.train.optimizer.schedule import rate_fraction
from lodesmith.train.record.metrics import Record


class Training:
    """A run's learner and progress in one rank."""

    def __init__(
        self, job: TrainingJob, *, ranks: Ranks, beat: Callable[[], None] = lambda: None
    ) -> None:
        """Make the weights that the job starts from.

        Args:
            job: what is asked for.
            ranks: seen from this one.
            beat: called after each micro-batch.
        """
        self.job, self.config, self.ranks = job, job.config, ranks
        self.is_smooth = make_objective(job.objective, job.objective_settings).is_smooth
        self.learner = open_learner(job, ranks=ranks, beat=beat)
        self.progress = Progress(loss_scale=LossScale.for_dtype(job.config.param_dtype))

    def step(self, batch: Batch) -> Record:
        """Learn one global batch; return what a metrics record says of it.

        Args:
            batch: this rank's sequences of the global batch.

        Raises:
            UserError: no token is to be learnt.
            SpikeError: the loss is no finite number, or far above what it was; nothing is changed.
        """
        scale = self.progress.loss_scale.scale
        loss, num_learnt = self.learner.learn(batch, loss_scale=scale)
        grad_norm = self.learner.gradient_norm() / scale
        fraction = rate_fraction(self.config, self.progress.step)
        overflowed = self.config.param_dtype == "fp16" and not math.isfinite(grad_norm)
        if not overflowed:
            self._check(loss, grad_norm, num_learnt)
            self._update(grad_norm, fraction=fraction)
            self.progress.guard.accept(loss=loss, grad_norm=grad_norm)
        if self.config.param_dtype == "fp16":
            self.progress.loss_scale.absorb(overflowed=overflowed, loss=loss)
        self.progress.record(
            loss=loss, input_tokens=self.config.step_tokens, learnt_tokens=num_learnt
        )
        return {
            "step": self.progress.step,
            "loss": loss,
            "grad_norm": grad_norm,
            "learning_rate": self.config.learning_rate * fraction,
            "tokens_seen": self.progress.tokens_seen,
            **({} if scale == 1 else {"loss_scale": scale}),
        }

    def _update(self, grad_norm: float, *, fraction: float) -> None:
        factor, limit = 1 / self.progress.loss_scale.scale, self.config.max_grad_norm
        if limit is not None and grad_norm > limit:
            factor *= limit / grad_norm
        if factor != 1:
            self.learner.scale_gradients(factor)
        self.learner.update(self.progress.step, fraction=fraction)

    def save(self, checkpoints: Checkpoints) -> None:
        """Begin a checkpoint; all ranks call it together."""
        facts = {
            "job": self.job.digest,
            "progress": asdict(self.progress),
            "model": self.learner.shape.model_dump(mode="json"),
            "eos_ids": list(self.job.eos_ids),
            "vocabulary": self.job.vocabulary,
        }
        checkpoints.save(step=self.progress.step, tensors=self.learner.tensors(), facts=facts)

    def resume(self, checkpoints: Checkpoints) -> list[str]:
        """Go on from the latest whole checkpoint, if there is one; return messages for people.

        Raises:
            UserError: the checkpoint is of another job.
        """
        saved = checkpoints.load(self.learner.tensors(), expect={"job": self.job.digest})
        if saved is None:
            return []
        if saved.step == 0:
            return [*saved.messages, "no whole checkpoint is left; starting again from step 0"]
        self.progress = Progress.from_json(saved.facts["progress"])
        where = ", from memory" if saved.source == "memory" else ""
        return [*saved.messages, f"{self.job.title} goes on from step {saved.step}{where}"]

    def _check(self, loss: float, grad_norm: float, num_learnt: int) -> None:
        step = self.progress.step + 1
        if not num_learnt:
            raise UserError(f"step {step} has no token to learn; raise global_batch_size")
        fault = self.progress.guard.judge(loss=loss, grad_norm=grad_norm, is_smooth=self.is_smooth)
        if fault is not None:
            raise SpikeError(step=step, says=fault)

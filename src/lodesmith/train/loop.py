"""The one training loop, as one rank runs it.

A step: a learner leaves the gradients of a global batch; they are checked and, if long, shortened;
the optimizer moves the weights. The loop is the same however the model is laid over ranks. Rank 0
alone writes metrics and the model; each rank writes its part of a checkpoint.
"""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch

from lodesmith.core.errors import UserError
from lodesmith.core.storage import JSON, write_json
from lodesmith.data.mixture import Order
from lodesmith.data.skips import SkipList
from lodesmith.model.checkpoint import save_decoder
from lodesmith.model.lora import save_adapter, take_adapter
from lodesmith.parallel.checkpoint import Checkpoints, Retention
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.batch import Batch
from lodesmith.train.dtypes import DTYPES
from lodesmith.train.guard import SpikeGuard
from lodesmith.train.job import RankTask, TrainingJob
from lodesmith.train.learner import collect_decoder, open_learner
from lodesmith.train.loader import Loader, SampleSource, open_order, open_source
from lodesmith.train.loss_scale import LossScale
from lodesmith.train.metrics import MetricsFile, Record, read_metrics
from lodesmith.train.objective import make_objective
from lodesmith.train.pulse import Phase, Pulse
from lodesmith.train.record import RunRecord
from lodesmith.train.roll_call import Roll, StragglerWatch, call_roll
from lodesmith.train.rollback import Rollbacks, SpikeError, read_rollbacks, write_rollbacks
from lodesmith.train.schedule import rate_fraction
from lodesmith.train.speed import SpeedMeter

_FINAL_STEPS = 20  # over which the final loss is averaged: one batch alone is noisy


@dataclass
class Progress:
    """Where a run is: all of its state but weights and moments."""

    step: int = 0  # optimizer steps done
    tokens_seen: int = 0  # input tokens
    learnt_tokens: int = 0  # tokens that were labels
    first_loss: float = 0.0
    last_losses: list[float] = field(default_factory=list)
    guard: SpikeGuard = field(default_factory=SpikeGuard)
    loss_scale: LossScale = field(default_factory=LossScale)

    @classmethod
    def from_json(cls, data: JSON) -> "Progress":
        """Return the progress that `dataclasses.asdict` gave."""
        parts = {
            "guard": SpikeGuard(**data["guard"]),
            "loss_scale": LossScale(**data["loss_scale"]),
        }
        return cls(**{**data, **parts})

    def record(self, *, loss: float, input_tokens: int, learnt_tokens: int) -> None:
        """Count one more step."""
        self.first_loss = loss if self.step == 0 else self.first_loss
        self.step += 1
        self.tokens_seen += input_tokens
        self.learnt_tokens += learnt_tokens
        self.last_losses = [*self.last_losses, loss][-_FINAL_STEPS:]


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


def train(task: RankTask, *, ranks: Ranks, pulse: Pulse) -> JSON | None:
    """Run a job to its end; rank 0 writes all files and returns the run's facts.

    None is returned by the other ranks, and by all if the run was asked to stop.
    """
    job = task.job
    messages: list[str] = []
    while True:
        pulse.enter(Phase.LOADING)
        rollbacks = read_rollbacks(job.scratch)
        source = open_source(job.data, sequence_length=job.config.sequence_length)
        training = Training(job, ranks=ranks, beat=pulse.beat)
        try:
            keep = Retention(every_steps=job.config.keep_checkpoints_every_steps)
            place = job.checkpoint_place
            with Checkpoints(place, memory=task.memory, keep=keep) as checkpoints:
                messages = [*messages, *training.resume(checkpoints)]
                steps = _Steps(task, training, source, rollbacks.skips, pulse, checkpoints)
                finished = steps.run(messages)
                pulse.enter(Phase.SAVING)  # the last checkpoint is waited for
        except SpikeError as spike:
            messages = [_roll_back(training, source, rollbacks, spike, checkpoints)]
            del training  # its memory is wanted for the next
            continue
        if not finished:
            return None
        with pulse.during(Phase.SAVING):
            decoder = collect_decoder(training.learner, job)
            if ranks.rank != 0:
                return None
            if job.adapter is not None and job.adapter_folder is not None:
                save_adapter(job.adapter_folder, take_adapter(decoder, job.adapter))
            save_decoder(job.model_folder, decoder, eos_ids=job.eos_ids)
        return describe(training, rollbacks)


class _Steps:
    """The steps from one start, or one roll-back, to the next."""

    def __init__(
        self,
        task: RankTask,
        training: Training,
        source: SampleSource,
        skips: SkipList,
        pulse: Pulse,
        checkpoints: Checkpoints,
    ) -> None:
        self.task, self.training, self.pulse = task, training, pulse
        self.checkpoints = checkpoints
        self.config = config = training.config
        self.loader = Loader(
            source,
            global_batch_size=config.global_batch_size,
            order=order_of(training.job, source),
            first_step=training.progress.step,
            steps=task.job.last_step,
            skips=skips,
            rows=training.learner.rows,
        )
        self.stragglers = StragglerWatch()

    def run(self, messages: list[str]) -> bool:
        """Take the steps; return whether they are all done, not stopped before."""
        first = self.training.progress.step
        self.pulse.enter(Phase.COMPILING)
        if self.training.ranks.rank != 0:
            return self._take(None)
        with MetricsFile(self.task.job.metrics_file, steps_done=first) as metrics:
            write_json(self.task.started_file, {"step": first, "messages": messages})
            return self._take(metrics)

    def _take(self, metrics: MetricsFile | None) -> bool:
        """Take the steps; rank 0, which gives `metrics`, writes."""
        training, config = self.training, self.config
        speed = SpeedMeter(
            training.learner.shape,
            config,
            dtype=DTYPES[config.param_dtype],
            num_ranks=training.ranks.num_ranks,
        )
        for batch in self.loader:
            record = training.step(batch)
            roll = call_roll(
                training.ranks,
                stop=self.pulse.asked_to_stop,
                own_seconds=training.learner.own_seconds,
            )
            if metrics is not None:
                seen = speed.measure(roll, data_wait_seconds=self.loader.data_wait_seconds)
                metrics.write({**record, **seen})
                self._name_straggler(roll)
            self.pulse.finish_step(training.progress.step)
            done = training.progress.step == training.job.last_step
            due = training.progress.step % config.checkpoint_every_steps == 0
            if due or done or roll.stop:
                with self.pulse.during(Phase.SAVING):
                    training.save(self.checkpoints)
            if roll.stop and not done:
                return False
        return True

    def _name_straggler(self, roll: Roll) -> None:
        slow = self.stragglers.see(roll.own_seconds)
        if slow is not None:
            rank, times = slow
            RunRecord(self.task.job.record_file).write(
                "straggler", rank=rank, times=round(times, 2), step=self.training.progress.step
            )


def order_of(job: TrainingJob, source: SampleSource) -> Order:
    """Return the order in which a job reads its samples."""
    return open_order(
        job.data, source, sequence_length=job.config.sequence_length, seed=job.config.seed
    )


def _roll_back(
    training: Training,
    source: SampleSource,
    rollbacks: Rollbacks,
    spike: SpikeError,
    checkpoints: Checkpoints,
) -> str:
    """Decide what is passed over, make it hold, and return a message for people."""
    job = training.job
    after = rollbacks.after(spike, global_batch_size=job.config.global_batch_size)
    good = rollbacks.good_step(spike)
    if training.ranks.rank == 0:
        size = job.config.global_batch_size
        samples = rollbacks.skips.samples(np.arange(good * size, spike.step * size))
        order = order_of(job, source)
        documents = [source.documents(int(window)) for window in order.windows(samples)]
        RunRecord(job.record_file).write(
            "rollback",
            step=spike.step,
            says=spike.says,
            good_step=good,
            samples=samples.tolist(),
            documents=sorted({name for names in documents for name in names}),
            seconds_lost=sum(
                line["step_seconds"]
                for line in read_metrics(job.metrics_file)
                if line["step"] > good
            ),
        )
    # In this order: a kill in between leaves a run that meets the same spike again.
    checkpoints.drop_after(good)
    if training.ranks.rank == 0:
        write_rollbacks(job.scratch, after)
    training.ranks.sum_in_place(torch.zeros(1))  # nobody reads before rank 0 has written
    return (
        f"step {spike.step}: {spike.says}; going back, and past the samples of steps {good + 1} "
        f"to {spike.step}"
    )


def describe(training: Training, rollbacks: Rollbacks) -> JSON:
    """Return what is worth knowing of a finished run; the same whenever it is repeated."""
    config, progress = training.config, training.progress
    decoder = training.learner.shape
    return {
        "num_parameters": decoder.num_parameters,
        "num_non_embedding_parameters": decoder.num_non_embedding_parameters,
        "num_steps": progress.step,
        "tokens_seen": progress.tokens_seen,
        "learnt_tokens": progress.learnt_tokens,
        "samples_consumed": progress.step * config.global_batch_size,
        "samples_skipped": rollbacks.skips.to_json(),  # ranges of numbers, ends excluded
        "first_loss": progress.first_loss,
        "final_loss": math.fsum(progress.last_losses) / len(progress.last_losses),
        "seed": config.seed,
        "sequence_length": config.sequence_length,
        "global_batch_size": config.global_batch_size,
        "optimizer": config.optimizer,
        "learning_rate": config.learning_rate,
    }

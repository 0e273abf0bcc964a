"""The one training loop, as one rank runs it.

A step: each of the two parts of the global batch goes through the decoder micro-batch by
micro-batch into the part's gradient buffer; parts and ranks are added in a fixed order and divided
by the number of learnt tokens; the optimizer moves the weights. Every rank holds all weights and
all optimizer state, so rank 0 alone writes metrics and the model; each writes its part of a
checkpoint.
"""

import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch

from lodesmith.core.errors import UserError
from lodesmith.core.storage import JSON, write_json
from lodesmith.model.checkpoint import load_decoder, save_decoder
from lodesmith.model.decoder import Decoder
from lodesmith.parallel.checkpoint import Checkpoints
from lodesmith.parallel.data_parallel import NUM_PARTS, GradientBuffer, Ranks
from lodesmith.train.job import RankTask, TrainingJob
from lodesmith.train.loader import Batch, Loader, open_source
from lodesmith.train.loss import summed_loss
from lodesmith.train.metrics import MetricsFile, Record
from lodesmith.train.optimizer import Optimizer
from lodesmith.train.schedule import rate_fraction

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_FINAL_STEPS = 20  # over which the final loss is averaged: one batch alone is noisy


@dataclass
class Progress:
    """Where a run is: all of its state but weights and moments."""

    step: int = 0  # optimizer steps done
    tokens_seen: int = 0  # input tokens
    learnt_tokens: int = 0  # tokens that were labels
    first_loss: float = 0.0
    last_losses: list[float] = field(default_factory=list)

    def record(self, *, loss: float, input_tokens: int, learnt_tokens: int) -> None:
        """Count one more step."""
        self.first_loss = loss if self.step == 0 else self.first_loss
        self.step += 1
        self.tokens_seen += input_tokens
        self.learnt_tokens += learnt_tokens
        self.last_losses = [*self.last_losses, loss][-_FINAL_STEPS:]


class Training:
    """A run's weights, optimizer and progress in one rank."""

    def __init__(self, job: TrainingJob, *, ranks: Ranks) -> None:
        self.job, self.config, self.ranks = job, job.config, ranks
        self.decoder = open_decoder(job)
        self.gradients = GradientBuffer(self.decoder.parameters(), ranks=ranks)
        self.optimizer = Optimizer(self.decoder, job.config, ranks=ranks)
        assert job.config.param_dtype != "auto"  # noqa: S101 settled when the run started
        self.dtype = DTYPES[job.config.param_dtype]
        self.progress = Progress()

    def step(self, batch: Batch) -> Record:
        """Learn one global batch; return what a metrics record says of it.

        Raises:
            UserError: the loss is no longer a finite number, or no token is to be learnt.
        """
        for part in self.ranks.own_parts:
            self._collect(part, batch)
        loss, num_learnt = self.gradients.reduce()
        grad_norm = float(torch.linalg.vector_norm(self.gradients.gradients))
        self._check(loss, grad_norm, num_learnt)
        limit = self.config.max_grad_norm
        if limit is not None and grad_norm > limit:
            self.gradients.gradients.mul_(limit / grad_norm)
        fraction = rate_fraction(self.config, self.progress.step)
        self.optimizer.step(self.progress.step, fraction=fraction)
        self.progress.record(
            loss=loss, input_tokens=batch.input_ids.numel(), learnt_tokens=num_learnt
        )
        return {
            "step": self.progress.step,
            "loss": loss,
            "grad_norm": grad_norm,
            "learning_rate": self.config.learning_rate * fraction,
            "tokens_seen": self.progress.tokens_seen,
        }

    def state(self) -> dict[str, torch.Tensor]:
        """Return all that a checkpoint holds but the progress."""
        weights = {f"weight.{name}": weight for name, weight in self.decoder.named_parameters()}
        return weights | self.optimizer.state()

    def save(self, checkpoints: Checkpoints) -> None:
        """Begin a checkpoint."""
        facts = {"job": self.job.digest, "progress": vars(self.progress)}
        checkpoints.save(step=self.progress.step, tensors=self.state(), facts=facts)

    def resume(self, checkpoints: Checkpoints) -> list[str]:
        """Go on from the latest whole checkpoint, if there is one; return messages for people.

        Raises:
            UserError: the checkpoint is of another job.
        """
        saved = checkpoints.load(self.state(), expect={"job": self.job.digest})
        if saved is None:
            return []
        if saved.step == 0:
            return [*saved.messages, "no whole checkpoint is left; starting again from step 0"]
        self.progress = Progress(**saved.facts["progress"])
        return [*saved.messages, f"{self.job.title} goes on from step {saved.step}"]

    def _collect(self, part: int, batch: Batch) -> None:
        size, micro = self.config.global_batch_size // NUM_PARTS, self.config.micro_batch_size
        with self.gradients.collect(part) as tail:
            for start in range(part * size, (part + 1) * size, micro):
                rows = batch.rows(slice(start, start + micro))
                loss, num_labels = summed_loss(self.decoder, rows, dtype=self.dtype)
                loss.backward()  # type: ignore[no-untyped-call]
                tail[0] += loss.detach()
                tail[1] += num_labels

    def _check(self, loss: float, grad_norm: float, num_learnt: int) -> None:
        step = self.progress.step + 1
        if not num_learnt:
            raise UserError(f"step {step} has no token to learn; raise global_batch_size")
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            raise UserError(
                f"training has come apart: at step {step} the loss is {loss:.4g} and the "
                f"gradient's norm {grad_norm:.4g}; lower learning_rate "
                f"({self.config.learning_rate}), lengthen warmup_steps or set max_grad_norm"
            )


def open_decoder(job: TrainingJob) -> Decoder:
    """Return the decoder that a job starts from."""
    if isinstance(job.start, Path):
        return load_decoder(job.start)
    return Decoder.fresh(job.start, seed=job.config.seed)


def train(task: RankTask, *, ranks: Ranks) -> JSON | None:
    """Run a job to its end; rank 0 writes the files and returns the run's facts."""
    job = task.job
    training = Training(job, ranks=ranks)
    with Checkpoints(job.scratch / "checkpoints") as checkpoints:
        messages = training.resume(checkpoints)
        loader = _open_loader(training)
        if ranks.rank == 0:
            started = training.progress.step
            with MetricsFile(job.metrics_file, steps_done=started) as metrics:
                write_json(task.started_file, {"step": started, "messages": messages})
                _train_and_record(training, loader, metrics, checkpoints)
        else:
            for batch in loader:
                training.step(batch)
                _save_if_due(training, checkpoints)
    if ranks.rank != 0:
        return None
    save_decoder(job.model_folder, training.decoder, eos_ids=job.eos_ids)
    return describe(training)


def _open_loader(training: Training) -> Loader:
    job, config = training.job, training.config
    return Loader(
        open_source(job.data, sequence_length=config.sequence_length),
        global_batch_size=config.global_batch_size,
        seed=config.seed,
        first_step=training.progress.step,
        steps=config.max_steps,
    )


def _train_and_record(
    training: Training, loader: Loader, metrics: MetricsFile, checkpoints: Checkpoints
) -> None:
    started = time.perf_counter()
    for batch in loader:
        record = training.step(batch)
        now = time.perf_counter()
        metrics.write(
            {
                **record,
                "step_seconds": now - started,
                "tokens_per_second": batch.input_ids.numel() / (now - started),
                "data_wait_seconds": loader.data_wait_seconds,
            }
        )
        started = now
        _save_if_due(training, checkpoints)


def _save_if_due(training: Training, checkpoints: Checkpoints) -> None:
    every, last = training.config.checkpoint_every_steps, training.config.max_steps
    if training.progress.step % every == 0 or training.progress.step == last:
        training.save(checkpoints)


def describe(training: Training) -> JSON:
    """Return what is worth knowing of a finished run; the same whenever it is repeated."""
    config, progress = training.config, training.progress
    decoder = training.decoder.config
    return {
        "num_parameters": decoder.num_parameters,
        "num_non_embedding_parameters": decoder.num_non_embedding_parameters,
        "num_steps": progress.step,
        "tokens_seen": progress.tokens_seen,
        "learnt_tokens": progress.learnt_tokens,
        "samples_consumed": progress.step * config.global_batch_size,
        "first_loss": progress.first_loss,
        "final_loss": math.fsum(progress.last_losses) / len(progress.last_losses),
        "seed": config.seed,
        "sequence_length": config.sequence_length,
        "global_batch_size": config.global_batch_size,
        "optimizer": config.optimizer,
        "learning_rate": config.learning_rate,
    }

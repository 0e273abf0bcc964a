"""Runs a training job in processes of its own, and starts them again when one is lost.

This side imports no torch: the ranks do the work, and what they write (metrics, checkpoints, the
model) is on disk. A rank that dies, freezes or hangs ends the attempt; the next one goes on from
the last checkpoint, of which this side keeps a copy in memory, and the run's record says what it
cost. A job whose command was killed is run again with the same arguments and goes on alike.
"""

import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from lodesmith.core.errors import (
    DamagedArtifactError,
    EngineError,
    LodesmithError,
    StoppedError,
    UserError,
)
from lodesmith.core.log import Progress, say, show_progress, warn
from lodesmith.core.process import count_free_cores
from lodesmith.core.storage import JSON, read_json
from lodesmith.parallel.memory_folder import open_memory_folder
from lodesmith.train.checks import as_layout, check_job
from lodesmith.train.config import TrainingConfig
from lodesmith.train.interruptions import Timeline
from lodesmith.train.job import RankTask, TrainingJob
from lodesmith.train.local_ranks import LocalRanks, Look
from lodesmith.train.metrics import LineReader
from lodesmith.train.record import RunRecord
from lodesmith.train.restart import Restarts
from lodesmith.train.watch import Fault

_POLL_SECONDS = 0.1
_REPORT_SECONDS = 2.0  # peers of a rank that refuses fail too, maybe before its report is written
_ERRORS: dict[int, type[LodesmithError]] = {
    error.exit_code: error for error in (UserError, DamagedArtifactError, EngineError)
}


def run_training(job: TrainingJob) -> JSON:
    """Train, or go on training, until the model folder is written; return the run's facts.

    The facts are the same whenever the run is repeated: num_parameters, num_steps, tokens_seen,
    learnt_tokens, samples_consumed, first_loss, final_loss and the settings that matter most.

    Raises:
        UserError: data or settings do not allow it, or the loss is no longer a number.
        DamagedArtifactError: data or the model to start from is damaged.
        EngineError: ranks are lost again and again.
        StoppedError: SIGTERM came; a checkpoint is written.
    """
    if not job.finished_file.exists():
        job.scratch.mkdir(parents=True, exist_ok=True)
        with _catch_sigterm() as asked_to_stop, open_memory_folder() as memory:
            _Run(job, asked_to_stop, memory).run()
    return read_json(job.finished_file)


def choose_num_ranks(config: TrainingConfig) -> int:
    """Return how many processes train together: what the layout wants, else two on two cores."""
    if config.parallel is not None:
        return as_layout(config.parallel).num_ranks
    if config.num_ranks == "auto":
        return 2 if count_free_cores() >= 2 else 1
    return config.num_ranks


class _Run:
    """One launch of a job: attempts, until one comes to the end."""

    def __init__(
        self, job: TrainingJob, asked_to_stop: threading.Event, memory: Path | None
    ) -> None:
        self.job, self.asked_to_stop, self.memory = job, asked_to_stop, memory
        self.record = RunRecord(job.record_file)
        self.timeline = Timeline(self.record, metrics=job.metrics_file)
        self.restarts = Restarts(title=job.title)

    def run(self) -> None:
        """Train to the end, starting again after faults."""
        num_ranks = choose_num_ranks(self.job.config)
        check_job(self.job, num_ranks=num_ranks)
        self.timeline.launch(num_ranks=num_ranks)
        try:
            while (fault := self._attempt(num_ranks)) is not None:
                self.restarts.allow(fault, step=self.timeline.step)
                warn(f"{self.job.title}: {fault.says}; starting again from the last checkpoint")
        except StoppedError:
            raise
        except BaseException as error:
            self.timeline.give_up(str(error) or type(error).__name__)
            raise
        self.timeline.finish()

    def _attempt(self, num_ranks: int) -> Fault | None:
        """Return what ended an attempt; None if it came to the end.

        Raises:
            StoppedError: asked to stop, and saved.
            LodesmithError: what a rank refuses for good.
        """
        folder = Path(tempfile.mkdtemp(prefix="attempt-", dir=self.job.scratch))
        # Whole models are computed on one core each: any number of ranks gives the same bits.
        whole = self.job.config.parallel is None
        tasks = [
            RankTask(
                job=self.job,
                rank=rank,
                num_ranks=num_ranks,
                num_threads=1 if whole else max(1, count_free_cores() // num_ranks),
                attempt=folder,
                parent_pid=os.getpid(),
                memory=self.memory,
            )
            for rank in range(num_ranks)
        ]
        with LocalRanks(tasks) as ranks:
            fault = _Watch(self, tasks, ranks).until_over()
            if fault is not None:
                _raise_report(tasks, ranks)
                self.timeline.interrupt(fault)
                return fault
        shutil.rmtree(folder)
        if not self.job.finished_file.exists():
            self.timeline.stop()
            raise StoppedError(
                f"{self.job.title} was asked to stop and has saved step {self.timeline.step}; the "
                "same command goes on from there"
            )
        return None


class _Watch:
    """Looks after the ranks of one attempt and shows how it goes."""

    def __init__(self, run: _Run, tasks: Sequence[RankTask], ranks: LocalRanks) -> None:
        self.run, self.tasks, self.ranks = run, tasks, ranks

    def until_over(self) -> Fault | None:
        """Return the fault that ended the attempt; None if all ranks have ended well."""
        started_file = self.tasks[0].started_file
        while not started_file.exists():
            look = self._look()
            if look.ended or look.fault:
                return look.fault
        started = read_json(started_file)
        for message in started["messages"]:
            say(message)
        self.run.timeline.resume(started["step"])
        config = self.run.job.config
        with show_progress(
            self.run.job.title,
            total=config.max_steps * config.step_tokens,
            unit="tokens",
            done=started["step"] * config.step_tokens,
        ) as progress:
            return self._follow(progress, started["step"])

    def _follow(self, progress: Progress, seen: int) -> Fault | None:
        config = self.run.job.config
        lines = LineReader(self.run.job.metrics_file)
        while True:
            look = self._look()  # first, so that the last lines are read after it
            for record in map(json.loads, lines.new_lines()):
                steps = max(0, record["step"] - seen)
                seen += steps
                note = f"loss {record['loss']:.3f}, step {seen:,} of {config.max_steps:,}"
                progress.advance(steps * config.step_tokens, note=note)
            if look.ended or look.fault:
                return look.fault

    def _look(self) -> Look:
        look = self.ranks.look()
        self.run.timeline.see(look.step)
        if self.run.asked_to_stop.is_set():
            self.ranks.ask_to_stop()
        if not (look.ended or look.fault):
            time.sleep(_POLL_SECONDS)
        return look


def _raise_report(tasks: Sequence[RankTask], ranks: LocalRanks) -> None:
    """Raise what a rank has refused, if one has said so; a fault that nobody explains returns."""
    deadline = time.monotonic() + _REPORT_SECONDS
    while True:
        over = ranks.all_ended or time.monotonic() > deadline
        for task in tasks:
            if task.error_file.exists():
                fault = read_json(task.error_file)
                raise _ERRORS[fault["exit_code"]](fault["message"])
        if over:
            return
        time.sleep(_POLL_SECONDS)


@contextmanager
def _catch_sigterm() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM sets, instead of ending the process, while the block runs."""
    asked = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 Python's signature
        say("asked to stop: saving after this step")
        asked.set()

    if threading.current_thread() is not threading.main_thread():
        yield asked  # signals are the main thread's; whoever runs us in another one sees to them
        return
    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)

"""Runs a training job in processes of its own, and starts them again when one is lost.

This side imports no torch: the ranks do the work, and what they write (metrics, checkpoints, the
model) is on disk. A rank that dies, freezes or hangs ends the attempt; the next one goes on from
the last checkpoint, of which this side keeps a copy in memory, and the run's record says what it
cost. A job whose command was killed is run again with the same arguments and goes on alike.
"""

import json
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
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
from lodesmith.core.storage import JSON, read_json
from lodesmith.parallel.memory_folder import open_memory_folder
from lodesmith.train.ahead.checks import check_job
from lodesmith.train.job import RankTask, TrainingJob
from lodesmith.train.ranks.crew import Crew, Team, choose_num_ranks
from lodesmith.train.ranks.hub import Hub
from lodesmith.train.ranks.interruptions import Timeline
from lodesmith.train.ranks.local_ranks import Look
from lodesmith.train.ranks.restart import Restarts
from lodesmith.train.ranks.standby import Starter
from lodesmith.train.ranks.watch import Fault
from lodesmith.train.record.metrics import LineReader
from lodesmith.train.record.record import RunRecord
from lodesmith.train.record.trackers import TENSORBOARD_FOLDER, Trackers

KEY_FILE = "node-key"

_POLL_SECONDS = 0.1
_GROW_SECONDS = 10.0  # between two looks whether a run that has shrunk could grow
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


def observations_of(job: TrainingJob) -> set[str]:
    """Return which files beside the model tell of times and rates: names in the run's folder."""
    folder = job.metrics_file.parent
    events = (folder / TENSORBOARD_FOLDER).glob("*")
    files = [job.metrics_file, job.record_file, *events]
    return {path.relative_to(folder).as_posix() for path in files}


class _Run:
    """One launch of a job: attempts, until one comes to the end."""

    def __init__(
        self, job: TrainingJob, asked_to_stop: threading.Event, memory: Path | None
    ) -> None:
        self.job, self.asked_to_stop, self.memory = job, asked_to_stop, memory
        self.record = RunRecord(job.record_file)
        self.timeline = Timeline(self.record, metrics=job.metrics_file)
        self.restarts = Restarts(title=job.title)
        self.trackers = Trackers(
            job.config.trackers, folder=job.metrics_file.parent, title=job.title
        )

    def run(self) -> None:
        """Train to the end, starting again after faults."""
        job, nodes = self.job, self.job.config.nodes
        check_job(job, num_ranks=choose_num_ranks(job.config))
        with ExitStack() as stack:
            hub = None
            if nodes is not None:
                hub = stack.enter_context(Hub(nodes.listen, key_file=job.scratch / KEY_FILE))
            starter = stack.enter_context(Starter())
            crew = Crew(job, hub, starter=starter, memory=self.memory)
            self.timeline.launch(
                num_ranks=crew.wanted,
                max_steps=job.config.max_steps,
                step_tokens=job.config.step_tokens,
            )
            stack.enter_context(self.trackers)
            try:
                crew.wait_for_all(self.asked_to_stop.is_set)
                while self._attempt(crew):
                    pass
            except StoppedError:
                raise
            except BaseException as error:
                self.timeline.give_up(str(error) or type(error).__name__)
                raise
            self.timeline.finish()

    def _attempt(self, crew: Crew) -> bool:
        """Train until the end, a fault, or the wish for more ranks; return whether to go on.

        Raises:
            StoppedError: asked to stop, and saved.
            LodesmithError: what a rank refuses for good, or faults without progress.
        """
        title = self.job.title
        size = crew.choose(lost_places=self.restarts.lost_places, stop=self.asked_to_stop.is_set)
        if size != crew.wanted:
            say(f"{title}: {size} of {crew.wanted} ranks train until there is room for more")
        folder = Path(tempfile.mkdtemp(prefix="attempt-", dir=self.job.scratch))
        with crew.start(size, folder) as team:
            watch = _Watch(self, team, may_grow=lambda: crew.could_be(size))
            fault = watch.until_over()
            if fault is not None:
                fault = team.explain(fault)
                _raise_report(team.tasks)
                self.timeline.interrupt(fault, num_ranks=size)
                self.restarts.allow(fault, step=self.timeline.step)
                warn(f"{title}: {fault.says}; starting again from the last checkpoint")
                return True
        shutil.rmtree(folder)
        if self.job.finished_file.exists():
            return False
        if self.asked_to_stop.is_set():
            self.timeline.stop()
            raise StoppedError(
                f"{title} was asked to stop and has saved step {self.timeline.step}; the same "
                "command goes on from there"
            )
        say(f"{title}: saved step {self.timeline.step}, to go on with more ranks")
        self.timeline.resize(num_ranks=size)
        return True


class _Watch:
    """Looks after the ranks of one attempt and shows how it goes."""

    def __init__(self, run: _Run, team: Team, *, may_grow: Callable[[], bool]) -> None:
        self.run, self.team, self._may_grow = run, team, may_grow
        self._next_growth = time.monotonic() + _GROW_SECONDS

    def until_over(self) -> Fault | None:
        """Return the fault that ended the attempt; None if all ranks have ended well."""
        started_file = self.team.tasks[0].started_file
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
                self.run.trackers.write(record)
                note = f"loss {record['loss']:.3f}, step {seen:,} of {config.max_steps:,}"
                progress.advance(steps * config.step_tokens, note=note)
            if look.ended or look.fault:
                return look.fault

    def _look(self) -> Look:
        look = self.team.look()
        self.run.timeline.see(look.step)
        if self.run.asked_to_stop.is_set():
            self.team.ask_to_stop()
        elif time.monotonic() > self._next_growth:
            self._next_growth += _GROW_SECONDS
            if self._may_grow():
                self.team.ask_to_stop()
        if not (look.ended or look.fault):
            time.sleep(_POLL_SECONDS)
        return look


def _raise_report(tasks: Sequence[RankTask]) -> None:
    """Raise what a rank has refused, if one has said so."""
    for task in tasks:
        if task.error_file.exists():
            fault = read_json(task.error_file)
            raise _ERRORS[fault["exit_code"]](fault["message"])


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

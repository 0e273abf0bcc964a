"""The course of one launch, step by step; what an interruption cost goes into the record."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lodesmith.train.ranks.watch import Fault
from lodesmith.train.record.metrics import read_metrics
from lodesmith.train.record.record import Interruption, RunRecord, read_record, was_cut_off


@dataclass(kw_only=True)
class _Open:
    """An interruption after which no step is done yet."""

    what: str
    rank: int | None
    says: str
    step: int
    seconds_to_notice: float
    num_ranks: int | None
    noticed: float  # monotonic
    last_step: float  # monotonic, when the last step before it was seen
    resumed_step: int | None = None


class Timeline:
    """What the supervisor saw of a launch: furthest step, and interruptions that are not over."""

    def __init__(
        self, record: RunRecord, *, metrics: Path, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.step = 0  # steps done, as far as was seen in this attempt
        self._record, self._metrics, self._clock = record, metrics, clock
        self._launched = self._last_step = clock()
        self._is_training = False
        self._open: _Open | None = None

    def launch(self, **facts: int) -> None:
        """Note that a command begins; if the one before was killed, that is an interruption."""
        events = read_record(self._record.path)
        records = read_metrics(self._metrics)
        self._record.write("launched", **facts)
        if was_cut_off(events):
            self.step = int(records[-1]["step"]) if records else 0
            self._open = _Open(
                what="launcher", rank=None, says="the command that trained was killed",
                step=self.step, seconds_to_notice=0.0, noticed=self._launched,
                last_step=self._launched, num_ranks=None,
            )  # fmt: skip

    def resume(self, step: int) -> None:
        """Note the step that an attempt goes on from."""
        self.step = step
        if self._open is not None:
            self._open.resumed_step = step

    def see(self, step: int) -> None:
        """Note how far the ranks are; the first step after a pause ends it."""
        if step <= self.step:
            return
        self.step = step
        self._last_step = self._clock()
        if self._open is not None:
            self._close(self._open)
        elif not self._is_training:
            self._record.write("training", seconds=self._last_step - self._launched, step=step)
        self._is_training = True

    def interrupt(self, fault: Fault, *, num_ranks: int) -> None:
        """Note a fault; what it cost is written when training goes on."""
        now = self._clock()
        if self._open is not None:  # no step between two faults: the first has cost all since
            self._close(self._open)
        self._open = _Open(
            what=fault.what, rank=fault.rank, says=fault.says, step=self.step,
            seconds_to_notice=fault.silent_seconds, num_ranks=num_ranks, noticed=now,
            last_step=self._last_step,
        )  # fmt: skip
        self._last_step = now

    def resize(self, *, num_ranks: int) -> None:
        """Note that the ranks have saved and ended, to go on as more."""
        now = self._clock()
        self._open = _Open(
            what="resized", rank=None, says=f"{num_ranks} ranks ended, to go on as more",
            step=self.step, seconds_to_notice=0.0, num_ranks=num_ranks, noticed=now,
            last_step=self._last_step,
        )  # fmt: skip

    def stop(self) -> None:
        """Note that the run was asked to stop and did."""
        self._end("stopped")

    def finish(self) -> None:
        """Note that the model is written."""
        self._end("finished")

    def give_up(self, message: str) -> None:
        """Note that the launch ends with an error."""
        self._end("failed", message=message)

    def _end(self, event: str, **facts: str) -> None:
        if self._open is not None:
            self._close(self._open)
        self._record.write(event, step=self.step, seconds=self._clock() - self._launched, **facts)

    def _close(self, pause: _Open) -> None:
        self._open = None
        now = self._clock()
        resumed = pause.resumed_step
        repeated = 0 if resumed is None else max(0, pause.step - resumed)
        goes_on = resumed is not None and self.step > resumed
        facts = Interruption(
            what=pause.what,
            rank=pause.rank,
            says=pause.says,
            num_ranks=pause.num_ranks,
            step=pause.step,
            resumed_step=resumed,
            steps_repeated=repeated,
            seconds_to_notice=round(pause.seconds_to_notice, 3),
            seconds_to_next_step=round(now - pause.noticed, 3) if goes_on else None,
            seconds_lost=round(now - pause.last_step + repeated * self._step_seconds(), 3),
        )
        self._record.write("interruption", **facts)

    def _step_seconds(self) -> float:
        seconds = [record["step_seconds"] for record in read_metrics(self._metrics)]
        return median(seconds[-64:]) if seconds else 0.0

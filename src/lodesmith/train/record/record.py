"""run.jsonl: what happened to a run, one line an event, through all its restarts.

    launched      a command began (or went on with) the run
    training      its first step since then was done: how long that took
    interruption  a fault and what it cost, written when training goes on (or does not)
    rollback      a loss that shot up or was no number: the samples that are passed over since
    straggler     a rank that is slower than its peers
    stopped       asked to (SIGTERM); a checkpoint was written
    finished      the model is written

Durations come from a monotonic clock. `at` is the wall clock's word, for people: nothing is
computed from it, so a clock that jumps changes nothing.
"""

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from lodesmith.train.record.metrics import read_metrics

Event = dict[str, Any]

RECORD_FILE = "run.jsonl"


class Interruption(TypedDict):
    """What a fault was and what it cost."""

    what: str  # killed, failed, frozen, stalled, unreachable; launcher: the command itself died;
    # resized: no fault, but a pause to go on with more ranks
    rank: int | None
    says: str
    num_ranks: int | None  # that trained when it came
    step: int  # steps that were done when it came
    resumed_step: int | None  # the step that was gone on from; None: training never went on
    steps_repeated: int
    seconds_to_notice: float
    seconds_to_next_step: float | None  # from the notice to the end of the first step after it
    seconds_lost: float  # from the last step before to the first after, and the steps done again


class RunRecord:
    """Appends events to a run's record."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists() and not path.read_bytes().endswith(b"\n"):
            with path.open("ab") as file:
                file.write(b"\n")  # a kill tore the last line; the next must not grow onto it

    def write(self, event: str, **facts: Any) -> None:
        """Append an event; it is on its way to the disk when this returns."""
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        line = json.dumps({"event": event, "at": now, **facts}, ensure_ascii=False)
        with self.path.open("ab", buffering=0) as file:
            file.write(f"{line}\n".encode())


def read_record(path: Path) -> list[Event]:
    """Return the events of a run; a line that a kill has torn is left out."""
    if not path.exists():
        return []
    events = []
    for line in path.read_bytes().split(b"\n"):
        try:
            events.append(json.loads(line))
        except ValueError:  # torn, or the nothing behind the last line
            continue
    return events


def was_cut_off(events: Sequence[Event]) -> bool:
    """Tell whether the last launch ended without a word: its command was killed."""
    ends = {"stopped", "finished", "failed"}
    return bool(events) and events[-1]["event"] not in ends


@dataclass(frozen=True, kw_only=True)
class Goodput:
    """How much of a run's time went into steps that count."""

    productive_seconds: float  # of steps that were done and not thrown away
    start_seconds: float  # from each launch to its first step
    lost_seconds: float  # to interruptions and roll-backs
    num_interruptions: int

    @property
    def share(self) -> float:
        """Productive time over all time, in [0, 1]; 1 for a run that has done nothing yet."""
        total = self.productive_seconds + self.start_seconds + self.lost_seconds
        return self.productive_seconds / total if total > 0 else 1.0


def measure_goodput(*, metrics: Path, record: Path) -> Goodput:
    """Return the goodput of a run that is over or under way."""
    events = read_record(record)
    interruptions = [event for event in events if event["event"] == "interruption"]
    rollbacks = [event for event in events if event["event"] == "rollback"]
    starts = [event["seconds"] for event in events if event["event"] == "training"]
    return Goodput(
        productive_seconds=sum(line["step_seconds"] for line in read_metrics(metrics)),
        start_seconds=sum(starts),
        lost_seconds=sum(event["seconds_lost"] for event in [*interruptions, *rollbacks]),
        num_interruptions=len(interruptions),
    )

"""What a person sees while the work goes on: one line per event, a bar for anything over a second.

On a terminal a bar shows the rate and the time left, in colour; elsewhere plain lines come every
few seconds. All of it goes to stderr, so that results on stdout can be piped. Document text,
prompts and keys never come here.
"""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

from lodesmith.core.units import format_count, format_seconds

_PLAIN_SECONDS = 5.0  # between two plain lines of one task


def say(message: str) -> None:
    """Print one line for people; nobody listening any more is no reason to stop the work."""
    with suppress(BrokenPipeError):
        print(message, file=sys.stderr, flush=True)  # noqa: T201 the one place that prints


def warn(message: str) -> None:
    """Print one line that a person should not overlook."""
    say(f"warning: {message}")


class Progress(Protocol):
    """A task on its way."""

    def advance(self, amount: float = 1, *, note: str = "") -> None:
        """Count more of the total as done; `note` replaces the text behind the rate."""


@contextmanager
def show_progress(
    title: str, *, total: float | None, unit: str, done: float = 0
) -> Iterator[Progress]:
    """Show how far a task is, until the block ends.

    Args:
        title: what is being done, as in "extract text".
        total: how many units there are; None where nobody knows yet.
        unit: plural noun, as in "pages".
        done: units that an earlier, interrupted run has finished.
    """
    if sys.stderr.isatty():
        with _rich_progress(title, total=total, unit=unit, done=done) as progress:
            yield progress
    else:
        plain = _PlainProgress(title, total=total, unit=unit, done=done)
        yield plain
        plain.finish()


class _PlainProgress:
    def __init__(self, title: str, *, total: float | None, unit: str, done: float) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done = self.skipped = done
        self.note = ""
        self.started = self.printed = time.monotonic()

    def advance(self, amount: float = 1, *, note: str = "") -> None:
        self.done += amount
        self.note = note or self.note
        now = time.monotonic()
        if now - self.printed >= _PLAIN_SECONDS:
            self.printed = now
            say(self._line(now))

    def finish(self) -> None:
        now = time.monotonic()
        if now - self.started >= 1:
            say(self._line(now))

    def _line(self, now: float) -> str:
        rate = (self.done - self.skipped) / max(now - self.started, 1e-9)
        text = f"  {self.title}: {format_count(self.done)}"
        if self.total is not None:
            text += f"/{format_count(self.total)}"
        text += f" {self.unit}, {format_count(rate)}/s"
        if self.total is not None and rate > 0 and self.done < self.total:
            text += f", {format_seconds((self.total - self.done) / rate)} left"
        return f"{text}  {self.note}".rstrip()


@contextmanager
def _rich_progress(
    title: str, *, total: float | None, unit: str, done: float
) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns: list[Any] = [
        TextColumn("  [bold]{task.description}"), BarColumn(bar_width=28),
        TextColumn("{task.fields[count]}"), TimeElapsedColumn(), TextColumn("left"),
        TimeRemainingColumn(), TextColumn("[dim]{task.fields[note]}"),
    ]  # fmt: skip
    with Bars(*columns, console=Console(stderr=True), transient=False) as bars:
        yield _RichProgress(bars, title, total=total, unit=unit, done=done)


class _RichProgress:
    def __init__(
        self, bars: Any, title: str, *, total: float | None, unit: str, done: float
    ) -> None:
        self.bars, self.unit, self.total = bars, unit, total
        self.done = self.skipped = done
        self.started = time.monotonic()
        self.task = bars.add_task(title, total=total, completed=done, count="", note="")

    def advance(self, amount: float = 1, *, note: str = "") -> None:
        self.done += amount
        rate = (self.done - self.skipped) / max(time.monotonic() - self.started, 1e-9)
        of = f"/{format_count(self.total)}" if self.total is not None else ""
        count = f"{format_count(self.done)}{of} {self.unit}, {format_count(rate)}/s"
        fields = {"count": count, **({"note": note} if note else {})}
        self.bars.update(self.task, advance=amount, **fields)

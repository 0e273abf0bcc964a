"""How a run goes, for the person who started it: read from metrics.jsonl and run.jsonl alone.

It is the same for a run under way, one that was killed and one that is done, and needs no clock: a
day is 86,400 s of steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.units import format_bytes, format_count, format_counted, format_seconds
from lodesmith.train.record.forecast import Forecast, forecast_loss
from lodesmith.train.record.metrics import Record, read_metrics
from lodesmith.train.record.plot import plot_lines
from lodesmith.train.record.record import RECORD_FILE, Event, Goodput, measure_goodput, read_record

METRICS_FILE = "metrics.jsonl"
_DAY_SECONDS = 86_400.0
_RECENT_STEPS = 50  # over which rates and the present loss are taken
_SHOWN_EVENTS = 8


@dataclass(frozen=True, kw_only=True)
class RunReport:
    """What is to be said of a run."""

    state: str  # training, finished, stopped, failed
    step: int
    max_steps: int
    tokens_seen: int
    total_tokens: int
    loss: float  # mean of the last steps
    loss_day_ago: float | None  # None in a run of less than a day
    forecast: Forecast | None
    seconds_left: float
    tokens_per_second: float
    mfu: float
    memory_bytes: int
    data_wait_share: float  # of the step's time
    rank_spread: float  # slowest rank's own work over the quickest's
    goodput: Goodput
    events: list[Event]  # interruptions, roll-backs and stragglers
    steps: list[int]
    losses: list[float]


def report_run(folder: Path) -> RunReport:
    """Return the report of the run whose files lie in a folder.

    Raises:
        UserError: no run has taken a step there yet.
    """
    lines, events = read_metrics(folder / METRICS_FILE), read_record(folder / RECORD_FILE)
    launches = [event for event in events if event["event"] == "launched"]
    if not lines or not launches:
        raise UserError(f"no training step is done yet in {folder}")
    max_steps, step_tokens = launches[-1]["max_steps"], launches[-1]["step_tokens"]
    recent = lines[-_RECENT_STEPS:]
    goodput = measure_goodput(metrics=folder / METRICS_FILE, record=folder / RECORD_FILE)
    seconds = median(line["step_seconds"] for line in recent)
    step = int(lines[-1]["step"])
    losses = [float(line["loss"]) for line in lines]
    tokens = [float(line["tokens_seen"]) for line in lines]
    total = max_steps * step_tokens
    return RunReport(
        state=events[-1]["event"] if events[-1]["event"] in _ENDS else "training",
        step=step,
        max_steps=max_steps,
        tokens_seen=int(tokens[-1]),
        total_tokens=total,
        loss=fmean(losses[-_RECENT_STEPS:]),
        loss_day_ago=_loss_before(lines, _DAY_SECONDS),
        forecast=forecast_loss(tokens, losses, at_tokens=total) if step < max_steps else None,
        seconds_left=(max_steps - step) * seconds / max(goodput.share, 0.01),
        tokens_per_second=step_tokens / seconds,
        mfu=median(line["mfu"] for line in recent),
        memory_bytes=int(recent[-1]["memory_bytes"]),
        data_wait_share=_sum(recent, "data_wait_seconds") / max(_sum(recent, "step_seconds"), 1e-9),
        rank_spread=_sum(recent, "rank_seconds_most")
        / max(_sum(recent, "rank_seconds_least"), 1e-9),
        goodput=goodput,
        events=[event for event in events if event["event"] in _NOTABLE],
        steps=[int(line["step"]) for line in lines],
        losses=losses,
    )


def report_facts(report: RunReport) -> dict[str, Any]:
    """Return a report as JSON data, without the curve."""
    facts = {name: value for name, value in vars(report).items() if name not in {"steps", "losses"}}
    forecast = report.forecast
    return {
        **facts,
        "forecast": None if forecast is None else vars(forecast),
        "goodput": {**vars(report.goodput), "share": report.goodput.share},
    }


def report_lines(report: RunReport) -> Iterator[str]:
    """Yield a report as lines for people, with a plot of the loss."""
    done = report.tokens_seen / report.total_tokens
    tokens = f"{format_count(report.tokens_seen)} of {format_count(report.total_tokens)} tokens"
    yield f"{report.state}: step {report.step:,} of {report.max_steps:,}, {tokens} ({done:.0%})"
    yield f"  loss        {report.loss:.4f}{_since_yesterday(report)}"
    if report.forecast is not None:
        end = report.forecast
        yield (
            f"  forecast    {end.loss:.3f} at the end, {end.low:.3f} to {end.high:.3f} nine times "
            "of ten, before any fall by a decaying learning rate"
        )
    if report.step < report.max_steps:
        yield f"  time left   {format_seconds(report.seconds_left)}"
    yield (
        f"  speed       {format_count(report.tokens_per_second)} tokens/s, MFU {report.mfu:.0%}, "
        f"{format_bytes(report.memory_bytes)}; waiting for data {report.data_wait_share:.1%}; "
        f"slowest rank {report.rank_spread:.2f} times the quickest"
    )
    goodput = report.goodput
    yield (
        f"  goodput     {goodput.share:.1%}: {format_seconds(goodput.productive_seconds)} of "
        f"steps, {format_seconds(goodput.start_seconds)} of starting, "
        f"{format_seconds(goodput.lost_seconds)} lost; "
        f"{format_counted(goodput.num_interruptions, 'interruption')}"
    )
    hidden = len(report.events) - _SHOWN_EVENTS
    if hidden > 0:
        yield f"  ... {format_counted(hidden, 'earlier event')} in {RECORD_FILE}"
    yield from (f"  {_describe(event)}" for event in report.events[-_SHOWN_EVENTS:])
    yield from plot_lines(report.steps, report.losses, x_name="steps", x_end=report.max_steps)


_ENDS = {"finished", "stopped", "failed"}
_NOTABLE = {"interruption", "rollback", "straggler"}


def _describe(event: Event) -> str:
    if event["event"] == "interruption":
        back = event["seconds_to_next_step"]
        again = f"training again after {format_seconds(back)}" if back else "not gone on with"
        return (
            f"interruption at step {event['step']:,}: {event['says']}; {again}, "
            f"{format_counted(event['steps_repeated'], 'step')} repeated, "
            f"{format_seconds(event['seconds_lost'])} lost"
        )
    if event["event"] == "rollback":
        return (
            f"roll-back at step {event['step']:,}: {event['says']}; "
            f"{format_counted(len(event['samples']), 'sample')} of "
            f"{format_counted(len(event['documents']), 'document')} passed over"
        )
    return f"straggler: rank {event['rank']} was {event['times']} times slower at {event['step']:,}"


def _since_yesterday(report: RunReport) -> str:
    if report.loss_day_ago is None:
        return ""
    change = report.loss_day_ago - report.loss
    return f", {abs(change):.4f} {'lower' if change >= 0 else 'higher'} than a day ago"


def _loss_before(lines: Sequence[Record], seconds: float) -> float | None:
    """Return the mean loss of the steps about that long before the last."""
    left = seconds
    for number in range(len(lines) - 1, -1, -1):
        left -= lines[number]["step_seconds"]
        if left <= 0:
            around = lines[max(0, number - _RECENT_STEPS) : number + 1]
            return fmean(line["loss"] for line in around)
    return None


def _sum(lines: Sequence[Record], name: str) -> float:
    return sum(line[name] for line in lines)

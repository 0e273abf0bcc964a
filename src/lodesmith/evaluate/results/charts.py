"""Curves of scores: over training, over worked examples, and how sure a model was beside how right.

Small charts that stand side by side; colours are classes of the page, as in `core/charts.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import sqrt

from markupsafe import Markup

from lodesmith.core.charts import Frame, pick_ticks
from lodesmith.evaluate.intervals import wilson_interval

_SIZE = (420, 260)
_QUARTERS = (0.0, 0.25, 0.5, 0.75, 1.0)
_MOST_TICKS = 6
_LEAST_SPAN = 0.04  # of bits per byte, between the lowest and the highest that is shown
_LEAST_GAP = 0.14  # of the width, between two numbers below it
_LARGEST_DOT, _DOT = 11.0, 3.5


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """A score at a place of a curve."""

    x: float
    y: float
    low: float | None = None  # 95 % interval
    high: float | None = None
    name: str = ""  # told when it is pointed at


@dataclass(frozen=True, kw_only=True, slots=True)
class Curve:
    """A score at several places, and what it stands beside."""

    task: str
    axis: str  # what the places are
    is_share: bool
    lines: Mapping[str, Sequence[Point]]  # words for people -> points; the first is drawn boldly
    chance: float | None = None

    def draw(self) -> Markup:
        """Return the curve: intervals as a band, what guessing gives as a broken line."""
        points = [point for line in self.lines.values() for point in line]
        values = [point.y for point in points]
        values += [edge for point in points for edge in (point.low, point.high) if edge is not None]
        values += [] if self.chance is None else [self.chance]
        middle, span = (min(values) + max(values)) / 2, max(values) - min(values)
        if not self.is_share and span < _LEAST_SPAN * middle:  # not a cliff of what is a ripple
            values += [middle * (1 - _LEAST_SPAN / 2), middle * (1 + _LEAST_SPAN / 2)]
        ticks_y = pick_ticks(min(values), max(values), about=4)
        xs = sorted({point.x for point in points})
        frame = Frame((xs[0], xs[-1]), (min(ticks_y[0], *values), max(ticks_y[-1], *values)),
                      size=_SIZE)  # fmt: skip
        parts = [frame.horizontal(tick, self.show(tick)) for tick in ticks_y]
        parts += [frame.vertical(tick) for tick in _ticks_below(xs)]
        parts.append(frame.name(self.axis))
        if self.chance is not None:
            parts.append(frame.line(xs[:1] + xs[-1:], [self.chance] * 2, style="guess"))
        for number, line in enumerate(self.lines.values()):
            parts.append(_draw_line(frame, line, is_first=number == 0))
        return frame.draw(parts, title=f"{self.task} by {self.axis}")

    def show(self, value: float) -> str:
        """Return a value as people read it."""
        return f"{100 * value:.3g}%" if self.is_share else f"{value:g}"


def draw_reliability(bins: Sequence[Sequence[float]], *, title: str) -> Markup:
    """Return how often answers were right by how sure the model was of them.

    Args:
        bins: number of answers, mean certainty, share that was right; a dot's area is its number.
        title: for those who cannot see it.
    """
    frame = Frame((0.0, 1.0), (0.0, 1.0), size=_SIZE)
    most = max(number for number, _, _ in bins)
    parts = [frame.horizontal(tick, f"{100 * tick:.0f}%") for tick in _QUARTERS]
    parts += [frame.vertical(tick, f"{100 * tick:.0f}") for tick in _QUARTERS]
    parts += [frame.name("how sure, %"), frame.line([0, 1], [0, 1], style="guess")]
    for number, sure, right in bins:
        low, high = wilson_interval(round(number * right), int(number))
        told = f"{number:,.0f} answers, {sure:.0%} sure, {right:.0%} right"
        radius = max(2.0, _LARGEST_DOT * sqrt(number / most))
        parts.append(frame.line([sure, sure], [low, high], style="thin"))
        parts.append(_dot(frame, sure, right, radius=radius, told=told))
    return frame.draw(parts, title=title)


def _draw_line(frame: Frame, line: Sequence[Point], *, is_first: bool) -> Markup:
    xs, ys = [point.x for point in line], [point.y for point in line]
    drawn = frame.line(xs, ys, style="bold" if is_first else "other")
    if not is_first:
        return drawn
    edges = [(point.x, point.low, point.high) for point in line]
    highs = [(x, high) for x, _, high in edges if high is not None]
    lows = [(x, low) for x, low, _ in edges if low is not None]
    around = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in [*highs, *lows[::-1]])
    dots = (_dot(frame, point.x, point.y, radius=_DOT, told=point.name) for point in line)
    return Markup("").join(
        [Markup('<polygon class="band" points="{}"/>').format(around), drawn, *dots]
    )


def _dot(frame: Frame, x: float, y: float, *, radius: float, told: str) -> Markup:
    return Markup(
        '<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>'
    ).format(frame.x(x), frame.y(y), radius, told)


def _ticks_below(xs: Sequence[float]) -> list[float]:
    """Return the places themselves where they are few and apart, else round numbers between."""
    span = (xs[-1] - xs[0]) or 1
    is_apart = all(after - before >= _LEAST_GAP * span for before, after in pairwise(xs))
    if len(xs) <= _MOST_TICKS and is_apart:
        return list(xs)
    return [tick for tick in pick_ticks(xs[0], xs[-1], about=4) if xs[0] <= tick <= xs[-1]]

"""Charts as SVG text, drawn here: no script, no library, nothing to fetch.

Colours are CSS variables of the page, so that a chart follows light and dark and prints. A bar is
a picture of its own with the text beside it in HTML, so that the text stays readable on a phone.
"""

from collections.abc import Sequence
from math import ceil, floor, log10

from markupsafe import Markup

_WIDTH, _HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 14, 40
_MOST_POINTS = 600


def draw_bar(share: float, *, style: str, of: float = 1.0) -> Markup:
    """Return a bar filled to `share`, over a paler one filled to `of`; both in [0, 1].

    Args:
        share: filled part of the width.
        style: CSS class of the fill.
        of: part of the width that the paler bar takes, as the documents that came in.
    """
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rest" width="{:.2f}" height="10"/>'
        '<rect class="{}" width="{:.2f}" height="10"/></svg>'
    ).format(100 * _clip(of), style, 100 * _clip(share))


def draw_interval(share: float, *, low: float, high: float, mark: float, style: str) -> Markup:
    """Return a bar with its 95 % interval as a line across its end, and a mark at chance."""
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rest" width="100" height="10"/>'
        '<rect class="{}" width="{:.2f}" height="10"/>'
        '<rect class="whisker" x="{:.2f}" y="4.2" width="{:.2f}" height="1.6"/>'
        '<rect class="edge" x="{:.2f}" width="1.4" height="10"/>'
        '<rect class="mark" x="{:.2f}" width="0.6" height="10"/></svg>'
    ).format(
        style,
        100 * _clip(share),
        100 * _clip(low),
        100 * _clip(high - low),
        100 * _clip(mark) - 0.4,
        100 * _clip(mark),
    )


def draw_loss(steps: Sequence[int], losses: Sequence[float], *, title: str) -> Markup:
    """Return a loss curve: each step as a thin line, the trend as a bold one."""
    ticks_x = pick_ticks(min(steps), max(steps))
    ticks_y = pick_ticks(min(losses), max(losses))
    frame = Frame((min(steps), max(steps)), (min(ticks_y[0], *losses), max(ticks_y[-1], *losses)))
    kept = _thin(len(steps))
    parts = [
        *(frame.horizontal(value) for value in ticks_y),
        *(frame.vertical(value) for value in ticks_x if min(steps) <= value <= max(steps)),
        frame.name("step"),
        frame.line([steps[i] for i in kept], [losses[i] for i in kept], style="thin"),
    ]
    trend = smooth(losses)
    parts.append(frame.line([steps[i] for i in kept], [trend[i] for i in kept], style="bold"))
    return frame.draw(parts, title=title)


def pick_ticks(low: float, high: float, *, about: int = 5) -> list[float]:
    """Return round values that span a range: steps of 1, 2 or 5 times a power of ten.

    >>> pick_ticks(0, 437)
    [0.0, 100.0, 200.0, 300.0, 400.0, 500.0]
    """
    if high <= low:
        return [float(low)]
    rough = (high - low) / about
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough * 0.999)
    first, last = floor(low / step), ceil(high / step)
    return [round(number * step, 10) for number in range(first, last + 1)]


def smooth(values: Sequence[float], *, share: float = 0.05) -> list[float]:
    """Return the running mean over that share of the values, centred."""
    reach = max(1, int(len(values) * share / 2))
    sums = [0.0]
    for value in values:
        sums.append(sums[-1] + value)
    bounds = [(max(0, i - reach), min(len(values), i + reach + 1)) for i in range(len(values))]
    return [(sums[end] - sums[start]) / (end - start) for start, end in bounds]


class Frame:
    """The plotting area of a chart: turns values into places."""

    def __init__(
        self,
        range_x: tuple[float, float],
        range_y: tuple[float, float],
        *,
        size: tuple[int, int] = (_WIDTH, _HEIGHT),
    ) -> None:
        self.range_x, self.range_y = range_x, range_y
        self.width, self.height = size

    def x(self, value: float) -> float:
        """Return how far from the left a value lies."""
        low, high = self.range_x
        return _LEFT + (value - low) / ((high - low) or 1) * (self.width - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        """Return how far from the top a value lies."""
        low, high = self.range_y
        share = (value - low) / ((high - low) or 1)
        return self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM)

    def horizontal(self, value: float, text: str | None = None) -> Markup:
        """Return the line of a value, and the value (or a text) in front of it."""
        place = self.y(value)
        return Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/>'
            '<text class="axis" x="{}" y="{:.1f}" text-anchor="end">{}</text>'
        ).format(
            _LEFT, self.width - _RIGHT, place, place, _LEFT - 8, place + 4, text or f"{value:g}"
        )

    def vertical(self, value: float, text: str | None = None) -> Markup:
        """Return a value (or a text) below its place."""
        return Markup('<text class="axis" x="{:.1f}" y="{}" text-anchor="middle">{}</text>').format(
            self.x(value), self.height - _BOTTOM + 18, text or f"{value:,.0f}"
        )

    def draw(self, parts: Sequence[Markup], *, title: str) -> Markup:
        """Return the chart with all that is in it; its title is for those who cannot see it."""
        begin = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">')
        return Markup("").join(
            [begin.format(self.width, self.height, title), *parts, Markup("</svg>")]
        )

    def name(self, text: str) -> Markup:
        """Return what the values below are."""
        return Markup(
            '<text class="axis name" x="{}" y="{}" text-anchor="middle">{}</text>'
        ).format((_LEFT + self.width - _RIGHT) / 2, self.height - 4, text)

    def line(self, xs: Sequence[float], ys: Sequence[float], *, style: str) -> Markup:
        """Return a line through values."""
        places = zip(xs, ys, strict=True)
        points = " ".join(f"{self.x(x):.1f},{self.y(y):.1f}" for x, y in places)
        return Markup('<polyline class="{}" points="{}"/>').format(style, points)


def _thin(count: int) -> list[int]:
    """Return the indices of at most `_MOST_POINTS` evenly spread points, the last included."""
    stride = max(1, ceil(count / _MOST_POINTS))
    kept = list(range(0, count, stride))
    return kept if kept[-1] == count - 1 else [*kept, count - 1]


def _clip(share: float) -> float:
    return min(1.0, max(0.0, share))

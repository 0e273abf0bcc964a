"""The charts of a plan as SVG text: no script, no library, nothing to fetch.

Colours are classes of the page, so that a chart follows light and dark. Text that belongs to a bar
stands beside it in HTML and stays readable on a phone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

_WIDTH, _HEIGHT = 640, 340
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 14, 44
_TICKS = (1, 2, 5)


@dataclass(frozen=True, kw_only=True, slots=True)
class Dot:
    """One layout in a scatter."""

    x: float
    y: float
    style: str  # CSS class
    label: str  # shown when pointed at


def draw_bar(share: float, *, style: str = "fill") -> str:
    """Return a bar filled to `share`, in [0, 1]."""
    width = 100 * min(max(share, 0.0), 1.0)
    return (
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="rest" width="100" height="10"/>'
        f'<rect class="{style}" width="{width:.2f}" height="10"/></svg>'
    )


def draw_scatter(dots: Sequence[Dot], *, limit: float, names: tuple[str, str], title: str) -> str:
    """Return dots over two logarithmic axes, with a line where memory ends.

    Args:
        dots: what is shown; later ones lie above earlier ones.
        limit: place on the first axis of the line.
        names: of the axes.
        title: for those who cannot see it.
    """
    x_axis = _Axis([*(dot.x for dot in dots), limit], start=_LEFT, end=_WIDTH - _RIGHT)
    y_axis = _Axis([dot.y for dot in dots], start=_HEIGHT - _BOTTOM, end=_TOP)
    middle, bottom = (_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - _BOTTOM
    parts = [
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{escape(title)}">',
        *(_line(x_axis.at(value), vertical=True) for value in x_axis.ticks),
        *(_line(y_axis.at(value), vertical=False) for value in y_axis.ticks),
        *(_text(x_axis.at(value), bottom + 16, f"{value:g}") for value in x_axis.ticks),
        *(_text(_LEFT - 8, y_axis.at(value) + 4, f"{value:g}", "end") for value in y_axis.ticks),
        _text(middle, _HEIGHT - 8, names[0]),
        _text(_LEFT, _TOP - 3, names[1], "start"),
        _line(x_axis.at(limit), vertical=True, style="limit"),
    ]
    for dot in dots:
        radius = 3 if dot.style == "dot" else 6
        parts.append(
            f'<circle class="{dot.style}" cx="{x_axis.at(dot.x):.1f}" cy="{y_axis.at(dot.y):.1f}" '
            f'r="{radius}"><title>{escape(dot.label)}</title></circle>'
        )
    return "".join([*parts, "</svg>"])


class _Axis:
    """A logarithmic axis that spans its values, and its round ticks."""

    def __init__(self, values: Sequence[float], *, start: float, end: float) -> None:
        self._low, self._high = log10(min(values)) - 0.03, log10(max(values)) + 0.03
        self._start, self._end = start, end
        self.ticks = pick_ticks(10**self._low, 10**self._high)

    def at(self, value: float) -> float:
        share = (log10(value) - self._low) / (self._high - self._low)
        return self._start + share * (self._end - self._start)


def pick_ticks(low: float, high: float) -> list[float]:
    """Return round values inside a range, about three to eight.

    >>> pick_ticks(3, 400)
    [5.0, 10.0, 20.0, 50.0, 100.0, 200.0]
    >>> pick_ticks(11, 14)
    [11.0, 12.0, 13.0, 14.0]
    """
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    ticks = [times * 10.0**power for power in powers for times in _TICKS]
    inside = [tick for tick in ticks if low <= tick <= high]
    if len(inside) >= 3:
        return inside[:: ceil(len(inside) / 8)]
    rough = (high - low) / 4
    power = 10.0 ** floor(log10(rough))
    step = next(power * times for times in (1, 2, 5, 10) if power * times >= rough)
    return [round(number * step, 12) for number in range(ceil(low / step), floor(high / step) + 1)]


def _line(place: float, *, vertical: bool, style: str = "grid") -> str:
    if vertical:
        return (
            f'<line class="{style}" x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" '
            f'y2="{_HEIGHT - _BOTTOM}"/>'
        )
    return (
        f'<line class="{style}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{place:.1f}" '
        f'y2="{place:.1f}"/>'
    )


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return (
        f'<text class="axis" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
    )

"""The funnel as one HTML page that needs nothing else: what stayed, what went, why, with examples.

`funnel_page.html.j2` holds the page; the template engine escapes everything that came from pages.
Pictures are SVG drawn here, in colours of the page, so that they follow light and dark.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from lodesmith.core.storage import JSON
from lodesmith.core.templates import open_templates
from lodesmith.core.units import format_bytes
from lodesmith.prepare.funnel.funnel import largest_groups
from lodesmith.prepare.funnel.scores import LEAST_POWER, NUM_SHARES, bin_edge, bin_of

_TEMPLATE = "funnel_page.html.j2"
_WIDTH, _HEIGHT, _FOOT = 400, 110, 22  # of a histogram


def render_funnel(funnel: JSON, *, title: str) -> str:
    """Return the page for a funnel as it stands in funnel.json.

    Args:
        funnel: what `Funnel.to_json` returned.
        title: what was cleaned.
    """
    environment = open_templates(Path(__file__).parent)
    environment.filters.update(count=_count, size=format_bytes, share=_share, value=_value)
    nothing: JSON = {"lines_dropped": None, "masked": None, "repaired": None, "scores": []}
    steps = [{**nothing, **step} for step in funnel["steps"]]
    return environment.get_template(_TEMPLATE).render(
        title=title,
        steps=steps,
        first=steps[0],
        last=steps[-1],
        draw_step=_draw_step,
        draw_bar=_draw_bar,
        draw_scores=_draw_scores,
        groups=[
            ("Languages", "language", _group_rows(steps, "by_language")),
            ("Sources", "source", _group_rows(steps, "by_corpus")),
        ],
    )


@dataclass(frozen=True, slots=True)
class GroupRow:
    """What became of one language or source between the first step and the last."""

    name: str
    documents_in: int
    documents_out: int
    bytes_out: int
    drops: list[tuple[str, int]]  # step, documents it dropped; the worst first
    steps: list[tuple[str, JSON]]  # what each step that met any counted, and samples

    def let_through(self, number: int) -> Sequence[JSON]:
        """Return samples of what a step kept, unless the next one shows the same."""
        kept: Sequence[JSON] = self.steps[number][1]["kept"]
        after = self.steps[number + 1][1]["kept"] if number + 1 < len(self.steps) else []
        shown = {sample["text"] for sample in after}
        return [sample for sample in kept if sample["text"] not in shown]


def _group_rows(steps: Sequence[JSON], key: str) -> list[GroupRow]:
    """Return the largest groups; a language is known where the funnel counted a page in it."""
    largest = largest_groups([step[key] for step in steps])
    rows = [_group_row(steps, key, name) for name in largest]
    others = {name for step in steps for name in step[key]}.difference(largest)
    if not others:
        return rows
    rest = [_group_row(steps, key, name) for name in sorted(others)]
    return [
        *rows,
        GroupRow(
            name=f"{len(rest)} others",
            documents_in=sum(row.documents_in for row in rest),
            documents_out=sum(row.documents_out for row in rest),
            bytes_out=sum(row.bytes_out for row in rest),
            drops=[],
            steps=[],
        ),
    ]


def _group_row(steps: Sequence[JSON], key: str, name: str) -> GroupRow:
    nothing: JSON = {"documents_in": 0, "documents_out": 0, "bytes_in": 0, "bytes_out": 0}
    counts = [(step["step"], step[key].get(name, nothing)) for step in steps]
    drops = [(step, each["documents_in"] - each["documents_out"]) for step, each in counts]
    return GroupRow(
        name=name,
        documents_in=counts[0][1]["documents_in"],
        documents_out=counts[-1][1]["documents_out"],
        bytes_out=counts[-1][1]["bytes_out"],
        drops=sorted((d for d in drops if d[1] > 0), key=lambda drop: -drop[1])[:3],
        steps=[(step, each) for step, each in counts if each["documents_in"]],
    )


def _draw_step(step: Mapping[str, int], total: int) -> Markup:
    """Return one piece of the funnel: as wide above as what comes in, below as what goes out."""
    above, below = (100 * step[f"documents_{side}"] / max(1, total) for side in ("in", "out"))
    return Markup(
        '<svg class="piece" viewBox="0 0 100 40" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rest" x="{:.2f}" width="{:.2f}" height="40"/>'
        '<path class="flow" d="M{:.2f} 0H{:.2f}L{:.2f} 34V40H{:.2f}V34Z"/></svg>'
    ).format(50 - above / 2, above, 50 - above / 2, 50 + above / 2, 50 + below / 2, 50 - below / 2)


def _draw_bar(part: int, whole: int) -> Markup:
    return Markup(
        '<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="rest" width="100" height="10"/>'
        '<rect class="flow" width="{:.2f}" height="10"/></svg>'
    ).format(100 * part / max(1, whole))


def _draw_scores(score: Mapping[str, Any]) -> Markup:
    """Return a histogram: what passed and what failed, and a line at the limit."""
    passed, failed = (dict(map(tuple, score[side])) for side in ("passed", "failed"))
    limit = float(score["limit"])
    places = [*passed, *failed, bin_of(limit, limit)]
    low, high = min(places), max(places) + 1
    if 0 <= limit <= 1:
        low, high = 0, min(NUM_SHARES, max(high, 10))
    step = _WIDTH / (high - low)
    most = max([passed.get(p, 0) + failed.get(p, 0) for p in places])
    bars = [
        _bar(place, low, step, (passed.get(place, 0), failed.get(place, 0)), most)
        for place in sorted({*passed, *failed})
    ]
    mark = min(_WIDTH - 1.0, max(0.0, (_place_of(limit) - low) * step))
    return Markup(
        '<svg class="scores" viewBox="0 -6 {} {}" role="img" aria-label="{}">{}'
        '<line class="limit" x1="{:.1f}" x2="{:.1f}" y1="-6" y2="{}"/>'
        '<line class="floor" x2="{}" y1="{}" y2="{}"/>{}</svg>'
    ).format(
        _WIDTH, _HEIGHT + _FOOT + 6, f"distribution of: {score['name']}", Markup("").join(bars),
        mark, mark, _HEIGHT, _WIDTH, _HEIGHT, _HEIGHT, _axis(low, high, limit),
    )  # fmt: skip


def _place_of(limit: float) -> float:
    """Return where a limit lies among the bins, not rounded down to one."""
    if 0 <= limit <= 1:
        return limit * NUM_SHARES
    from math import log10

    return 10 * log10(limit) if limit > 0 else LEAST_POWER


def _bar(place: int, low: int, step: float, counts: tuple[int, int], most: int) -> Markup:
    """Return what passed in a bin, and what failed on top of it."""
    parts, below = [], 0
    for count, style in zip(counts, ("flow", "failed"), strict=True):
        if count:
            height = max(1.5, count / most * _HEIGHT)  # one document in a million shows
            top = max(0.0, _HEIGHT - below - height)
            parts.append(
                Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
                .format(style, (place - low) * step + 0.5, top, max(1.0, step - 1), height)
            )  # fmt: skip
            below += round(height)
    return Markup("").join(parts)


def _axis(low: int, high: int, limit: float) -> Markup:
    ends = ((0, "start", low), (_WIDTH, "end", high))
    return Markup("").join(
        Markup('<text x="{}" y="{}" text-anchor="{}">{}</text>').format(
            x, _HEIGHT + 17, anchor, _value(bin_edge(place, limit))
        )
        for x, anchor, place in ends
    )


def _count(number: int) -> str:
    return f"{number:,}"


def _share(part: int, whole: int) -> str:
    """Return a share in per cent; what is small but there is not shown as nothing."""
    percent = 100 * part / max(1, whole)
    return f"{percent:.0f} %" if percent >= 10 or part == 0 else f"{max(percent, 0.1):.1f} %"


def _value(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"

"""Scores for people: a table in the terminal, and one HTML page that needs nothing else."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodesmith.core import charts
from lodesmith.core.errors import UserError
from lodesmith.core.templates import open_templates
from lodesmith.core.version import VERSION
from lodesmith.evaluate.results.charts import Curve, Point, draw_reliability
from lodesmith.evaluate.results.metrics import SHARES, main_metrics
from lodesmith.evaluate.results.series import BY_EXAMPLES, OVER_TRAINING

_SERIES = {
    BY_EXAMPLES: ("num_fewshot", "worked examples"),
    OVER_TRAINING: ("step", "training step"),
}  # series -> where a place's number is, and what it is for people


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One number of one task."""

    task: str
    metric: str
    value: float
    is_share: bool  # of all questions; else bits per byte, where less is better
    low: float | None = None  # 95 % interval
    high: float | None = None
    chance: float | None = None
    baseline: float | None = None

    @property
    def shown(self) -> str:
        """The number as people read it."""
        return self.show(self.value)

    def show(self, value: float) -> str:
        """Return a number of this line's kind as people read it."""
        return f"{100 * value:.2f} %" if self.is_share else f"{value:.4f}"

    @property
    def interval(self) -> str:
        """The interval as people read it, empty where there is none."""
        if self.low is None or self.high is None:
            return ""
        return f"{100 * self.low:.1f} to {100 * self.high:.1f}"

    @property
    def change(self) -> str:
        """The difference to the baseline, empty without one."""
        if self.baseline is None:
            return ""
        difference = self.value - self.baseline
        return f"{100 * difference:+.2f}" if self.is_share else f"{difference:+.4f}"


def read_scores(path: Path) -> dict[str, Any]:
    """Return scores that `lodesmith evaluate --json` printed.

    Raises:
        UserError: the file is not there or holds something else.
    """
    try:
        scores = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    except ValueError:
        scores = None
    if not isinstance(scores, dict) or not all(isinstance(one, dict) for one in scores.values()):
        raise UserError(f"{path} holds no scores; write them with evaluate ... --json > FILE")
    return scores


def lines_of(scores: dict[str, Any], baseline: dict[str, Any] | None = None) -> list[Line]:
    """Return every number of all tasks."""
    return [line for task in scores for line in _lines_of_task(task, scores, baseline or {})]


def _lines_of_task(task: str, scores: dict[str, Any], baseline: dict[str, Any]) -> Iterator[Line]:
    score, before = scores[task], baseline.get(task, {})
    if "title" in score:
        yield from _lines_of_score(task, score, before)
        return
    for language, found in score.items():
        other = before.get(language, {})
        if "bits_per_byte" in found:
            yield Line(
                task=f"{task}, {language}",
                metric="bits per byte",
                value=found["bits_per_byte"],
                is_share=False,
                baseline=other.get("bits_per_byte"),
            )
        else:
            low_and_high = {"acc_ci95": found.get("ci95"), **found}
            yield from _lines_of_score(f"{task}, {language}", low_and_high, other)


def _lines_of_score(task: str, score: dict[str, Any], before: dict[str, Any]) -> Iterator[Line]:
    for name, words in SHARES.items():
        if name in score:
            low, high = score.get(f"{name}_ci95") or (None, None)
            yield Line(
                task=task,
                metric=words,
                value=score[name],
                is_share=True,
                low=low,
                high=high,
                chance=score.get("chance"),
                baseline=before.get(name),
            )


def curves_of(scores: dict[str, Any], series: str) -> list[Curve]:
    """Return a curve for each task that was scored at several places of a series."""
    key, axis = _SERIES[series]
    curves = []
    for task, part in _parts(scores):
        places = part.get(series, [])
        if len(places) < 2:
            continue
        is_share = "bits_per_byte" not in part
        metrics = main_metrics(part)
        lines = {
            SHARES.get(name, "bits per byte"): [_point(place, key, name) for place in places]
            for name in (metrics[:2] if is_share else ["bits_per_byte"])
        }
        chance = part.get("chance") if is_share else None
        curves.append(Curve(task=task, axis=axis, is_share=is_share, lines=lines, chance=chance))
    return curves


def _parts(scores: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield what has a score of its own: a benchmark, or a language of a task on any text."""
    for task, score in scores.items():
        if "title" in score:
            yield task, score
        else:
            yield from ((f"{task}, {language}", part) for language, part in score.items())


def _point(place: Mapping[str, Any], key: str, metric: str) -> Point:
    value = place[metric]
    low, high = place.get(f"{metric}_ci95") or place.get("ci95") or (None, None)
    name = str(place.get("model", place[key]))
    return Point(x=place[key], y=value, low=low, high=high, name=f"{name}: {value:.4g}")


def to_text(scores: dict[str, Any], *, baseline: dict[str, Any] | None = None) -> str:
    """Return the scores as a table for a terminal."""
    head = f"{'task':<24}{'':<26}{'score':>10}  {'95 % interval':<16}{'chance':>8}"
    rows = [head + ("  baseline" if baseline else "")]
    for line in lines_of(scores, baseline):
        chance = "" if line.chance is None else f"{100 * line.chance:.1f} %"
        rows.append(
            f"{line.task:<24}{line.metric:<26}{line.shown:>10}  {line.interval:<16}{chance:>8}"
            f"  {line.change}".rstrip()
        )
    for task, score in scores.items():
        published = score.get("references") or {}
        if published:
            told = ", ".join(f"{name} {value}" for name, value in published.items())
            rows.append(f"{task}, published means over the test sets: {told}")
    for curve in (curve for series in _SERIES for curve in curves_of(scores, series)):
        for words, points in curve.lines.items():
            told = ", ".join(f"{point.x:g}: {curve.show(point.y)}" for point in points)
            rows.append(f"{curve.task}, {words}, by {curve.axis}: {told}")
    return "\n".join(rows)


def render_page(
    scores: dict[str, Any], *, model: str, baseline: dict[str, Any] | None = None
) -> str:
    """Return the scores as an HTML page: table, curves, published results, questions and answers.

    Args:
        scores: what `evaluate_model` returned.
        model: what was measured.
        baseline: scores of another model.
    """
    benchmarks = {task: score for task, score in scores.items() if "title" in score}
    template = open_templates(Path(__file__).parent).get_template("page.html.j2")
    return template.render(
        model=model,
        version=VERSION,
        charts=charts,
        draw_reliability=draw_reliability,
        lines=lines_of(scores, baseline),
        has_baseline=baseline is not None,
        over_training=curves_of(scores, OVER_TRAINING),
        line=next((part[OVER_TRAINING] for _, part in _parts(scores) if OVER_TRAINING in part), []),
        by_examples=curves_of(scores, BY_EXAMPLES),
        reliabilities={
            task: score["reliability"]
            for task, score in benchmarks.items()
            if score.get("reliability", {}).get("bins")
        },
        benchmarks={task: score for task, score in benchmarks.items() if "samples" in score},
        published={task: score for task, score in benchmarks.items() if score.get("references")},
    )

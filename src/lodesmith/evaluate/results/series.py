"""Scores at several places of a curve: by number of worked examples, and over training."""

from collections.abc import Mapping, Sequence
from typing import Any

BY_EXAMPLES, OVER_TRAINING = "by_num_fewshot", "over_training"

_LEFT_OUT = ("title", "references", "samples", "reliability", "split", BY_EXAMPLES, OVER_TRAINING)

Scores = dict[str, Any]


def add_series(
    scores: Scores, name: str, points: Sequence[tuple[Mapping[str, Any], Scores]]
) -> None:
    """Put what other models, or other ways to ask, scored beside each task's own score.

    Args:
        scores: by task, and by language where the task is any text; changed.
        name: of the series.
        points: what is to be said of a place, and the scores there, the first place first.
    """
    for task, score in scores.items():
        if "title" in score:
            score[name] = [{**_numbers(found[task]), **facts} for facts, found in points]
            continue
        for language, part in score.items():
            part[name] = [{**_numbers(found[task][language]), **facts} for facts, found in points]


def _numbers(score: Mapping[str, Any]) -> Scores:
    return {name: value for name, value in score.items() if name not in _LEFT_OUT}

"""The shares that a benchmark's score may hold, in words for people."""

from collections.abc import Mapping
from typing import Any

SHARES = {
    "acc": "right",
    "acc_norm": "right, per character",
    "acc_calibrated": "right, calibrated",
    "exact_match": "exact match",
    "pass_at_1": "passed at the first try",
}


def main_metrics(score: Mapping[str, Any]) -> list[str]:
    """Return the names of a score's shares, the one that counts most first.

    >>> main_metrics({"acc": 0.5, "acc_norm": 0.4, "acc_calibrated": 0.6, "num_items": 20})
    ['acc_calibrated', 'acc', 'acc_norm']
    """
    return [name for name in dict.fromkeys(("acc_calibrated", *SHARES)) if name in score]

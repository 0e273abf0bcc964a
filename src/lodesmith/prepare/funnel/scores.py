"""How measured values lie beside the limits they were compared with, counted in bins."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import floor, log10
from typing import Any

from lodesmith.core.storage import JSON

NUM_SHARES = 50  # bins of a value in [0, 1]
LEAST_POWER = -10  # of other values: everything below 0.1 is one bin

_SIDES = ("passed", "failed")


@dataclass
class Scores:
    """The values of one step, by name."""

    by_name: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, name: str, value: float, limit: float, *, passed: bool) -> None:
        """Count a value that was compared with a limit."""
        entry = self.by_name.get(name)
        if entry is None:
            entry = self.by_name[name] = {"limit": limit, "passed": {}, "failed": {}}
        bins = entry["passed" if passed else "failed"]
        place = bin_of(value, limit)
        bins[place] = bins.get(place, 0) + 1

    def merge(self, scores: Iterable[JSON]) -> None:
        """Add what another shard counted, given as `to_json` gave it."""
        for score in scores:
            known = {"limit": score["limit"], "passed": {}, "failed": {}}
            entry = self.by_name.setdefault(score["name"], known)
            for side in _SIDES:
                for place, count in score[side]:
                    entry[side][place] = entry[side].get(place, 0) + count

    def to_json(self) -> list[JSON]:
        """Return each score with its limit, and pairs of bin and count."""
        return [
            {
                "name": name,
                "limit": entry["limit"],
                **{side: [list(pair) for pair in sorted(entry[side].items())] for side in _SIDES},
            }
            for name, entry in sorted(self.by_name.items())
        ]


def bin_of(value: float, limit: float) -> int:
    """Return the bin of a value: fiftieths where the limit is a share, else tenths of a decade.

    >>> bin_of(0.31, 0.5), bin_of(250, 50), bin_of(0, 50)
    (15, 23, -10)
    """
    if 0 <= limit <= 1:
        return min(NUM_SHARES - 1, max(0, floor(value * NUM_SHARES + 1e-9)))
    return max(LEAST_POWER, floor(10 * log10(value) + 1e-9)) if value > 0 else LEAST_POWER


def bin_edge(place: int, limit: float) -> float:
    """Return the least value of a bin."""
    return place / NUM_SHARES if 0 <= limit <= 1 else 10 ** (place / 10)

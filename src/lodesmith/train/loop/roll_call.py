"""After each step the ranks tell each other what none can know alone, in one small collective.

Whether one of them is to stop (then all stop after this step, none a step later than its peers),
and how long each has worked: the slow rank is the one that the others waited for, which no step
time shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median_low

import torch

from lodesmith.parallel.ranks import Ranks

_LEAST_STEPS = 20  # over which ranks are judged,
_LEAST_SECONDS = 4.0  # and so much of the slowest one's work: shorter is noise
_SLOW = 1.3  # times its peers


@dataclass(frozen=True)
class Roll:
    """What all ranks have said after a step."""

    stop: bool
    own_seconds: list[float]  # by rank: work before the first wait for peers

    @property
    def slowest_rank(self) -> int:
        """The rank that worked longest."""
        return max(range(len(self.own_seconds)), key=lambda rank: self.own_seconds[rank])


def call_roll(ranks: Ranks, *, stop: bool, own_seconds: float) -> Roll:
    """Return what all ranks say; each calls it after each step.

    Args:
        ranks: seen from this one.
        stop: whether this rank was asked to stop.
        own_seconds: that it has worked in this step.
    """
    said = torch.zeros(ranks.num_ranks + 1, dtype=torch.float64)
    said[ranks.rank], said[-1] = own_seconds, float(stop)
    ranks.sum_in_place(said)
    *seconds, stops = said.tolist()
    return Roll(stop=stops > 0, own_seconds=seconds)


class StragglerWatch:
    """Names a rank that is slower than its peers, once when it becomes so."""

    def __init__(self) -> None:
        self._steps: list[Sequence[float]] = []
        self._named: int | None = None

    def see(self, own_seconds: Sequence[float]) -> tuple[int, float] | None:
        """Return the rank that has become slow and how many times slower it is; None mostly."""
        self._steps.append(own_seconds)
        sums = [sum(seconds) for seconds in zip(*self._steps, strict=True)]
        if len(self._steps) < _LEAST_STEPS or max(sums) < _LEAST_SECONDS:
            return None
        self._steps = []
        slowest = max(range(len(sums)), key=lambda rank: sums[rank])
        usual = max(median_low(sums), 1e-9)
        before, self._named = self._named, slowest if sums[slowest] > _SLOW * usual else None
        if self._named is None or self._named == before:
            return None
        return slowest, sums[slowest] / usual

"""After each step the ranks tell each other what none can know alone, in one small collective.

Whether one of them is to stop (then all stop after this step, none a step later than its peers),
and how long each has worked: the slow rank is the one that the others waited for, which no step
time shows.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median_low

import torch

from lodesmith.parallel.ranks import Ranks

_WINDOW = 20  # steps over which a rank is judged
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
        self._rolls: deque[Sequence[float]] = deque(maxlen=_WINDOW)
        self._named: int | None = None

    def see(self, own_seconds: Sequence[float]) -> tuple[int, float] | None:
        """Return the rank that has become slow and how many times slower it is; None mostly."""
        self._rolls.append(own_seconds)
        if len(own_seconds) < 2 or len(self._rolls) < _WINDOW:
            return None
        means = [fmean(seconds) for seconds in zip(*self._rolls, strict=True)]
        slowest = max(range(len(means)), key=lambda rank: means[rank])
        usual = median_low(means)
        if means[slowest] < _SLOW * usual:
            self._named = None
            return None
        if slowest == self._named:
            return None
        self._named = slowest
        return slowest, means[slowest] / max(usual, 1e-9)

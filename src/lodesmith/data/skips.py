"""Samples that a run passes over: what remains keeps its order, and each keeps its number.

A run reads positions 0, 1, 2, ... without gaps. Without a skip list position p reads sample p;
with one, it reads the p-th of the samples that are not on it. So sample i stays what `SampleOrder`
says it is, steps stay full batches, and the list may grow while a run is under way: only what lies
behind the first new entry moves up.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SkipList:
    """Ranges of sample numbers, each without its end, sorted and apart from each other.

    >>> skips = SkipList().plus_positions(4, 6)
    >>> skips.samples(np.arange(6)).tolist()
    [0, 1, 2, 3, 6, 7]
    >>> skips.plus_positions(3, 5).ranges
    ((3, 7),)
    """

    ranges: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        """Return how many samples are passed over."""
        return sum(end - start for start, end in self.ranges)

    def samples(self, positions: _Numbers) -> _Numbers:
        """Return the sample that each position reads."""
        result = np.array(positions, np.int64)
        for start, end in self.ranges:  # upwards: each is met with the shift of those before it
            result[result >= start] += end - start
        return result

    def position(self, sample: int) -> int | None:
        """Return the position that reads a sample: the inverse of `samples`; None if skipped."""
        shift = 0
        for start, end in self.ranges:
            if sample < start:
                break
            if sample < end:
                return None
            shift += end - start
        return sample - shift

    def plus_positions(self, first: int, end: int) -> "SkipList":
        """Return the list that also skips what positions `first` to `end - 1` read until now."""
        new = self.samples(np.arange(first, end)).tolist()
        return SkipList(_merge([*self.ranges, *((sample, sample + 1) for sample in new)]))

    def to_json(self) -> list[list[int]]:
        """Return the ranges as JSON data."""
        return [list(pair) for pair in self.ranges]

    @classmethod
    def from_json(cls, data: Iterable[Iterable[int]]) -> "SkipList":
        """Return the list that `to_json` gave."""
        return cls(tuple((start, end) for start, end in data))


NO_SKIPS = SkipList()


def _merge(ranges: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)

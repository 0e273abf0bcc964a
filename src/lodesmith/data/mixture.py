"""The order of samples of several corpora, each with its share: still one integer, both ways.

Samples come in periods of 4,096 places. Each corpus has as many places of a period as its weight
says, spread evenly, the same in every period; so sample `i` is the `j`-th of a corpus by two
look-ups in a table of one period, and back. Which window the corpus's `j`-th sample reads,
`SampleOrder` says, with a seed of the corpus's own: a corpus of large weight begins its next epoch
earlier.

Source: blending by weights with epochs of their own, Smith et al. 2022, arXiv:2201.11990, section
3.2 (MT-NLG); there by draws, here without.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import UserError
from lodesmith.data.order import SampleOrder

PERIOD = 4096

Numbers = npt.NDArray[np.int64]


class Order(Protocol):
    """Which window each sample of a run reads."""

    def windows(self, samples: Numbers) -> Numbers:
        """Return the window that each sample reads."""

    def readings(self, window: int, consumed: int) -> Iterator[tuple[int, int]]:
        """Yield (epoch, sample) for each time that a window is read before sample `consumed`."""


@dataclass(frozen=True)
class Share:
    """One corpus of a mixture."""

    name: str
    weight: float
    windows: tuple[range, ...]  # of the token set, whose first token is the corpus's

    @cached_property
    def num_windows(self) -> int:
        """How many windows there are."""
        return sum(len(run) for run in self.windows)

    @cached_property
    def _starts(self) -> Numbers:
        return np.cumsum([0, *(len(run) for run in self.windows)])

    def to_set(self, own: Numbers) -> Numbers:
        """Return windows of the token set, given windows counted within the corpus."""
        run = np.searchsorted(self._starts, own, side="right") - 1
        firsts = np.array([run.start for run in self.windows], np.int64)
        return own - self._starts[run] + firsts[run]

    def from_set(self, window: int) -> int | None:
        """Return a window of the token set as the corpus counts it; None if it is not its own."""
        for run, start in zip(self.windows, self._starts, strict=False):
            if window in run:
                return int(start) + window - run.start
        return None


@dataclass(frozen=True)
class MixtureOrder:
    """Windows of several corpora by weight."""

    shares: tuple[Share, ...]
    seed: int

    def windows(self, samples: Numbers) -> Numbers:
        """Return the window of the token set that each sample reads."""
        periods, places = np.divmod(np.asarray(samples, np.int64), PERIOD)
        owners = self._owners[places]
        result = np.empty(places.shape, np.int64)
        for number, share in enumerate(self.shares):
            mine = owners == number
            own = periods[mine] * self._counts[number] + self._ranks[places[mine]]
            result[mine] = share.to_set(self._orders[number].windows(own))
        return result

    def readings(self, window: int, consumed: int) -> Iterator[tuple[int, int]]:
        """Yield (epoch, sample) for each time that a window is read before sample `consumed`."""
        for number, share in enumerate(self.shares):
            own = share.from_set(window)
            if own is None or not self._counts[number]:
                continue
            num_own = self.num_read(number, consumed)
            for epoch in range(-(-num_own // share.num_windows)):
                place = self._orders[number].sample_of(own, epoch)
                if place < num_own:
                    yield epoch, self._sample_of(number, place)

    def num_read(self, number: int, consumed: int) -> int:
        """Return how many samples of a corpus are among the first `consumed`."""
        periods, rest = divmod(consumed, PERIOD)
        within = int((self._owners[:rest] == number).sum())
        return periods * int(self._counts[number]) + within

    def epochs(self, consumed: int) -> dict[str, float]:
        """Return how often each corpus was read, by name."""
        return {
            share.name: self.num_read(number, consumed) / share.num_windows
            for number, share in enumerate(self.shares)
        }

    def _sample_of(self, number: int, own: int) -> int:
        period, rank = divmod(own, int(self._counts[number]))
        return period * PERIOD + int(np.flatnonzero(self._owners == number)[rank])

    @cached_property
    def _orders(self) -> list[SampleOrder]:
        seeds = [hashlib.sha256(f"{self.seed}/{share.name}".encode()) for share in self.shares]
        return [
            SampleOrder(share.num_windows, int.from_bytes(seed.digest()[:8], "little"))
            for share, seed in zip(self.shares, seeds, strict=True)
        ]

    @cached_property
    def _counts(self) -> Numbers:
        return apportion([share.weight for share in self.shares], PERIOD)

    @cached_property
    def _owners(self) -> Numbers:
        """Which corpus has each place of a period: each at the middles of its equal steps."""
        middles = [(np.arange(count) + 0.5) / count for count in self._counts.tolist() if count]
        numbers = np.repeat(np.arange(len(self.shares)), self._counts)
        return numbers[np.argsort(np.concatenate(middles), kind="stable")]

    @cached_property
    def _ranks(self) -> Numbers:
        """How many places of the same corpus a period has before each place."""
        ranks = np.empty(PERIOD, np.int64)
        for number, count in enumerate(self._counts.tolist()):
            ranks[self._owners == number] = np.arange(count)
        return ranks


def apportion(weights: Sequence[float], total: int) -> Numbers:
    """Return whole numbers in proportion to weights, each above 0, by largest remainders.

    >>> apportion([0.7, 0.2, 0.1], 16).tolist()
    [11, 3, 2]
    """
    exact = np.array(weights, np.float64) / sum(weights) * total
    counts = np.maximum(exact.astype(np.int64), 1)
    while counts.sum() != total:
        step = 1 if counts.sum() < total else -1
        room = np.where((step > 0) | (counts > 1), (exact - counts) * step, -np.inf)
        counts[int(np.argmax(room))] += step
    return counts


def check_mixture(weights: Mapping[str, float], known: Mapping[str, int]) -> None:
    """Refuse a mixture of corpora that are not there.

    Args:
        weights: by the corpus's name.
        known: windows of each corpus.

    Raises:
        UserError: a name is unknown, or a corpus is shorter than one sequence.
    """
    unknown = sorted(set(weights) - set(known))
    if unknown:
        raise UserError(
            f"mixture: there is no corpus {unknown[0]}; the tokens come from "
            f"{', '.join(sorted(known))}"
        )
    empty = sorted(name for name in weights if not known[name])
    if empty:
        raise UserError(
            f"mixture: corpus {empty[0]} is shorter than one sequence; leave it out or lower "
            "sequence_length"
        )

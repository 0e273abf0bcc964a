"""Documents counted by language or by source, with samples of each.

There may be as many sources as files. Only those whose names come first, a thousand of them, have
samples, so that a funnel does not grow with its sources; parts of a corpus agree on which these are
whatever they hold. A corpus of fewer sources has samples of each.
"""

import heapq
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lodesmith.core.storage import JSON
from lodesmith.data.documents import Document
from lodesmith.prepare.funnel.samples import Sample, choose, draw

COUNTS = ("documents_in", "documents_out", "bytes_in", "bytes_out")

_MOST = {"kept": 1, "dropped": 2}  # samples of a group
_NUM_SAMPLED = 1000  # groups


@dataclass
class Groups:
    """What a step did to the documents of each group."""

    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    _samples: dict[str, dict[str, list[Sample]]] = field(default_factory=dict)

    def count(self, name: str, numbers: Iterable[int]) -> None:
        """Add to a group's counts."""
        add_counts(self.counts.setdefault(name, dict.fromkeys(COUNTS, 0)), numbers)

    def sample(
        self, name: str, document: Document, make: Callable[[], Sample], *, kind: str
    ) -> None:
        """Draw a document of a group that was "kept" or "dropped"."""
        draw(self._samples_of(name)[kind], document, make, most=_MOST[kind])

    def merge(self, other: Mapping[str, JSON]) -> None:
        """Add what another shard counted, given as `to_json` gave it."""
        for name, more in other.items():
            self.count(name, [more[count] for count in COUNTS])
            if more["kept"] or more["dropped"]:
                mine = self._samples_of(name)
                for kind, most in _MOST.items():
                    mine[kind] = choose([*mine[kind], *more[kind]], most=most)

    def to_json(self) -> JSON:
        """Return counts and samples by name."""
        return {
            name: {**counts, **self._samples.get(name, {kind: [] for kind in _MOST})}
            for name, counts in sorted(self.counts.items())
        }

    def samples(self) -> list[Sample]:
        """Return all samples."""
        return [
            sample
            for of_group in self._samples.values()
            for samples in of_group.values()
            for sample in samples
        ]

    def keep_samples_of(self, names: Collection[str]) -> None:
        """Forget the samples of all other groups, when all is counted."""
        first = heapq.nsmallest(_NUM_SAMPLED, self.counts)
        self._keep([name for name in first if name in names])

    def _samples_of(self, name: str) -> dict[str, list[Sample]]:
        if len(self._samples) >= 2 * _NUM_SAMPLED:
            self._keep(heapq.nsmallest(_NUM_SAMPLED, self._samples))
        return self._samples.setdefault(name, {kind: [] for kind in _MOST})

    def _keep(self, names: Iterable[str]) -> None:
        self._samples = {name: self._samples[name] for name in names if name in self._samples}


def add_counts(counts: dict[str, Any], numbers: Iterable[int]) -> None:
    """Add four numbers to the counts of these names."""
    for name, number in zip(COUNTS, numbers, strict=True):
        counts[name] += number

"""Long stretches of words that have been said before, cut out at the borders of sentences.

Every run of n words is hashed. A run is repeated if an earlier document has it, or an earlier place
of the same document; a sentence goes if all its words lie in repeated runs. So a stretch of n words
or more is found wherever it begins, and nothing shorter is. Unlike a suffix array, which needs the
whole corpus in one memory, hashes can be cut into ranges (`sorted_rows`); they take twelve bytes a
word on disk meanwhile.

Source: Lee et al., Deduplicating Training Data Makes Language Models Better (arXiv:2107.06499),
section 4.1, for cutting repeated stretches of 50 tokens.
"""

import re
from collections.abc import Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.storage import JSON, replace_file
from lodesmith.data.documents import Document
from lodesmith.prepare.shards.shard_files import Parts
from lodesmith.prepare.shards.sorted_rows import (
    KeyRange,
    Rows,
    cut_keys,
    find_range,
    read_rows,
    read_slices,
    read_tagged,
    write_rows,
)
from lodesmith.prepare.words import Hashes, hash_runs, split_words

RUN = np.dtype([("hash", "<u8"), ("place", "<u4")])  # place: number of the document in its shard
KNOWN = np.dtype([("shard", "<u4"), ("hash", "<u8")])

_SORTED_AT_ONCE = 1 << 20  # runs, eight megabytes

_BORDER = re.compile(r"(?<=[.!?])(?=\s)|(?<=[。！？])")


class RunHashes:
    """What one shard's documents leave for the merge: each run and the first that has it.

    Runs are put in order a few at a time and joined range by range, for sorting all of a large
    shard's at once takes several times their size.
    """

    def __init__(self, num_words: int) -> None:
        self._num_words = num_words
        self._num_documents = 0
        self._pending: list[Hashes] = []  # of the last documents
        self._num_pending = 0
        self._sorted: list[Rows] = []  # of those before, in order of their places

    def add(self, text: str) -> None:
        """Take the runs of the next document."""
        runs = np.unique(_runs(text, self._num_words))
        self._pending.append(runs)
        self._num_documents += 1
        self._num_pending += len(runs)
        if self._num_pending >= _SORTED_AT_ONCE:
            self._sort_pending()

    def _sort_pending(self) -> None:
        first = self._num_documents - len(self._pending)
        hashes = np.concatenate([np.zeros(0, np.uint64), *self._pending])
        rows = np.empty(len(hashes), RUN)
        rows["hash"] = hashes
        rows["place"] = np.repeat(
            np.arange(first, self._num_documents), [len(runs) for runs in self._pending]
        )
        self._sorted.append(_first_of_each(rows))
        self._pending, self._num_pending = [], 0

    def write(self, parts: Parts, shard: int) -> None:
        """Write them as a file of the shard."""
        self._sort_pending()
        with replace_file(parts.file("runs", shard)) as file:
            for keys in cut_keys(len(self._sorted)):
                slices = [rows[slice(*find_range(rows, keys))] for rows in self._sorted]
                file.write(_first_of_each(np.concatenate(slices)).tobytes())


def _first_of_each(rows: Rows) -> Rows:
    """Return the first row of each hash, sorted by hash; places ascend in the rows."""
    _, first = np.unique(rows["hash"], return_index=True)
    return rows[first]


def _runs(text: str, num_words: int) -> Hashes:
    words = split_words(text).hashes
    return hash_runs(words, num_words) if len(words) >= num_words else words[:0]


def find_repeated_runs(parts: Parts, keys: KeyRange, number: int) -> JSON:
    """Write which runs, of those whose hash lies in a range, an earlier shard has as well."""
    rows, shards = read_tagged(parts.files("runs"), RUN, keys)
    order = np.argsort(rows["hash"], kind="stable")  # within a hash, source order stays
    hashes = rows["hash"][order]
    later = np.flatnonzero(hashes[1:] == hashes[:-1]) + 1
    known = np.empty(len(later), KNOWN)
    known["shard"], known["hash"] = shards[order[later]], hashes[later]
    known = known[np.lexsort((known["hash"], known["shard"]))]
    write_rows(parts.file("known-runs", number), known)
    return {}


@dataclass(frozen=True, slots=True)
class WithoutRuns:
    """A document, and the sentences that were cut out of it."""

    document: Document
    sentences: list[str]


class RepeatedRuns:
    """Cuts what was said before out of the documents of one shard."""

    def __init__(self, parts: Parts, shard: int, num_ranges: int, num_words: int) -> None:
        rows = read_rows(parts.file("runs", shard), RUN)
        files = parts.files("known-runs", num_ranges)
        known = read_slices(files, KNOWN, KeyRange(shard, shard + 1))["hash"]
        self._hashes = np.ascontiguousarray(rows["hash"])
        self._first = np.ascontiguousarray(rows["place"])
        self._is_known = np.isin(self._hashes, known)
        self._num_words = num_words

    def cut(self, document: Document, place: int, kept: Set[str]) -> WithoutRuns:
        """Return the document at a place without its repeated sentences.

        Args:
            document: as it was when its runs were hashed.
            place: its number in the shard.
            kept: stripped lines that are never cut.
        """
        covered = self._cover(document.text, place)
        if not covered.any():
            return WithoutRuns(document, [])
        lines: list[str] = []
        cut: list[str] = []
        at = 0
        for line in document.text.split("\n"):
            left, gone, at = _cut_line(line, covered, at)
            if line.strip() in kept or not gone:
                lines.append(line)
                continue
            cut += gone
            if left.strip():
                lines.append(left.strip())
        text = "\n".join(lines).strip("\n")
        return WithoutRuns(replace(document, text=text) if cut else document, cut)

    def _cover(self, text: str, place: int) -> NDArray[np.bool_]:
        """Return for each word whether it lies in a repeated run."""
        runs = _runs(text, self._num_words)
        if not len(runs):
            return np.zeros(0, bool)
        rows = np.searchsorted(self._hashes, runs)
        is_repeated = self._is_known[rows] | (self._first[rows] < place)
        is_first = np.zeros(len(runs), bool)
        is_first[np.unique(runs, return_index=True)[1]] = True
        starts = np.flatnonzero(is_repeated | ~is_first)
        steps = np.zeros(len(runs) + self._num_words, np.int64)
        np.add.at(steps, starts, 1)
        np.add.at(steps, starts + self._num_words, -1)
        return np.cumsum(steps)[:-1] > 0


def _cut_line(line: str, covered: NDArray[np.bool_], at: int) -> tuple[str, list[str], int]:
    """Return what stays of a line, its sentences that go, and the number of the next word."""
    left: list[str] = []
    gone: list[str] = []
    goes = False
    for sentence in _BORDER.split(line):
        num_words = len(split_words(sentence).hashes)
        if num_words:  # a bracket or a space goes with what is before it
            goes = bool(covered[at : at + num_words].all())
        (gone if goes else left).append(sentence)
        at += num_words
    return "".join(left), gone, at

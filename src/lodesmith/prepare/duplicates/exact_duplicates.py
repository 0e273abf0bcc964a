"""Sixth step: documents that are equal, lines in too many documents, stretches said before.

All need the whole corpus, so each shard first writes hashes, and ranges of hashes are looked at one
by one (`sorted_rows`). Of equal documents the first in source order stays; the others count for
nothing in what follows. Lines of too many documents go from all of them; lines of a few may stay in
the first one only. Headings and code stay: `Parameters:` and `End Sub` stand on a thousand pages
rightly. A long line that stands twice in one document goes the second time.

Source: Wenzek et al., CCNet (arXiv:1911.00359), section 3.1, for counting hashes of lines, and
for comparing them without regard to case and (here only short ones) with all digits taken for 0.
"""

from array import array
from collections.abc import Iterable, Set
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.storage import JSON
from lodesmith.data.documents import Document
from lodesmith.native.lines import hash_lines, hash_text
from lodesmith.prepare.config import ExactDuplicatesConfig
from lodesmith.prepare.duplicates.repeated_runs import RunHashes, find_repeated_runs
from lodesmith.prepare.shards.shard_files import Parts, Ranges
from lodesmith.prepare.shards.sorted_rows import (
    KeyRange,
    MapTasks,
    Rows,
    plan_ranges,
    read_rows,
    read_slices,
    read_tagged,
    write_rows,
)
from lodesmith.prepare.words import Hashes

_MAX_COUNTER_CHARS = 80  # a longer line is a statement, and its numbers are what it says
TEXT = np.dtype([("hash", "<u8"), ("place", "<u4")])  # place: number of the document in its shard
LINE = TEXT
COUNT = np.dtype([("hash", "<u8"), ("documents", "<u4"), ("place", "<u4")])  # place of the first
COPY = np.dtype([("shard", "<u4"), ("place", "<u4")])
GONE = np.dtype([("shard", "<u4"), ("hash", "<u8")])


def hash_line(line: str) -> int:
    """Return a 64-bit hash of a line, the same for any case and, if it is short, for any digits.

    >>> hash_line("Page 12 of 90") == hash_line("page 34 of 56")
    True
    """
    return int(hash_lines(line, max_counter=_MAX_COUNTER_CHARS)[0][0])


def candidate_lines(
    document: Document, code_lines: frozenset[str], config: ExactDuplicatesConfig
) -> dict[str, int]:
    """Return the lines of a document that may be dropped, and the hash of each."""
    kept = code_lines.union(document.headings)
    lines = document.text.split("\n")
    hashes, columns = hash_lines(document.text, max_counter=_MAX_COUNTER_CHARS)
    wide = np.flatnonzero(columns >= config.min_line_columns)
    found = zip(wide.tolist(), hashes[wide].tolist(), strict=True)
    candidates = {lines[number].strip(): line_hash for number, line_hash in found}
    return {line: value for line, value in candidates.items() if line not in kept}


def _is_wide(line: str, columns: int) -> bool:
    """Tell whether a line takes so many columns of a terminal, East Asian characters two each."""
    if len(line) >= columns or line.isascii() or 2 * len(line) < columns:
        return len(line) >= columns
    return len(line) + sum(char >= "\u2e80" for char in line) >= columns


class TextHashes:
    """What one shard's documents leave for the merges: hashes of their texts and lines."""

    def __init__(self, config: ExactDuplicatesConfig) -> None:
        self._config = config
        num_words = config.min_repeated_words
        self._runs = RunHashes(num_words) if num_words else None
        self._texts, self._lines, self._places = array("Q"), array("Q"), array("I")

    def add(self, document: Document, code_lines: frozenset[str]) -> None:
        """Take the hashes of the next document."""
        lines = set(candidate_lines(document, code_lines, self._config).values())
        self._places.extend([len(self._texts)] * len(lines))
        self._lines.extend(lines)
        self._texts.append(hash_text(document.text))
        if self._runs:
            self._runs.add(document.text)

    def write(self, parts: Parts, shard: int) -> None:
        """Write them as files of the shard."""
        places = np.arange(len(self._texts), dtype=np.uint32)
        write_rows(parts.file("texts", shard), _sorted_rows(self._texts, places))
        write_rows(parts.file("lines", shard), _sorted_rows(self._lines, self._places))
        if self._runs:
            self._runs.write(parts, shard)


def _sorted_rows(hashes: "array[int] | Hashes", places: "array[int] | NDArray[np.uint32]") -> Rows:
    rows = np.empty(len(hashes), TEXT)
    rows["hash"], rows["place"] = hashes, places
    return rows[np.lexsort((rows["place"], rows["hash"]))]


def merge_exact(
    parts: Parts, config: ExactDuplicatesConfig, memory_bytes: int, map_tasks: MapTasks
) -> Ranges:
    """Find copies of earlier documents and lines of too many documents."""
    copies = plan_ranges(map_tasks, "copies-ranges", parts.files("texts"), memory_bytes)
    map_tasks(
        find_copies, {f"copies-{number:05d}": (parts, keys, number) for number, keys in copies}
    )
    map_tasks(
        count_lines,
        {
            f"line-counts-{shard:05d}": (parts, shard, len(copies))
            for shard in range(parts.num_shards)
        },
    )
    lines = plan_ranges(map_tasks, "lines-ranges", parts.files("line-counts"), memory_bytes)
    map_tasks(
        find_repeated_lines,
        {f"gone-lines-{number:05d}": (parts, keys, number, config) for number, keys in lines},
    )
    num_runs = _merge_runs(parts, memory_bytes, map_tasks) if config.min_repeated_words else 0
    return Ranges(copies=len(copies), lines=len(lines), runs=num_runs)


def _merge_runs(parts: Parts, memory_bytes: int, map_tasks: MapTasks) -> int:
    ranges = plan_ranges(map_tasks, "runs-ranges", parts.files("runs"), memory_bytes)
    map_tasks(
        find_repeated_runs,
        {f"known-runs-{number:05d}": (parts, keys, number) for number, keys in ranges},
    )
    return len(ranges)


def find_copies(parts: Parts, keys: KeyRange, number: int) -> JSON:
    """Write which documents, of those whose text's hash lies in a range, are not the first."""
    rows, shards = read_tagged(parts.files("texts"), TEXT, keys)
    order = np.argsort(rows["hash"], kind="stable")  # within a hash, source order stays
    hashes = rows["hash"][order]
    later = order[np.flatnonzero(hashes[1:] == hashes[:-1]) + 1]
    _write_by_shard(parts.file("copies", number), COPY, shards[later], rows["place"][later])
    return {}


def count_lines(parts: Parts, shard: int, num_ranges: int) -> JSON:
    """Write in how many of a shard's documents each line stands, copies of others left out."""
    rows = read_rows(parts.file("lines", shard), LINE)
    is_copy = np.zeros(int(rows["place"].max(initial=0)) + 1, bool)
    copies = read_copies(parts, shard, num_ranges)
    is_copy[copies[copies < len(is_copy)]] = True
    rows = rows[~is_copy[rows["place"]]]
    hashes, first, counts = np.unique(rows["hash"], return_index=True, return_counts=True)
    result = np.empty(len(hashes), COUNT)
    result["hash"], result["documents"], result["place"] = hashes, counts, rows["place"][first]
    write_rows(parts.file("line-counts", shard), result)
    return {}


def find_repeated_lines(
    parts: Parts, keys: KeyRange, number: int, config: ExactDuplicatesConfig
) -> JSON:
    """Write, of the lines whose hash lies in a range, which go from which shard."""
    rows, shards = read_tagged(parts.files("line-counts"), COUNT, keys)
    order = np.argsort(rows["hash"], kind="stable")
    hashes, shards = rows["hash"][order], shards[order]
    is_first = np.ones(len(hashes), bool)
    is_first[1:] = hashes[1:] != hashes[:-1]
    group = np.cumsum(is_first) - 1
    totals = np.bincount(group, weights=rows["documents"][order])
    gone = totals[group] > config.max_line_documents if len(group) else is_first
    if config.keep_first_line_only:
        gone |= ~is_first
    _write_by_shard(parts.file("gone-lines", number), GONE, shards[gone], hashes[gone])
    return {}


def _write_by_shard(
    path: Path, dtype: "np.dtype[np.void]", shards: NDArray[np.uint32], values: NDArray[np.uint64]
) -> None:
    rows = np.empty(len(shards), dtype)
    rows["shard"], rows[dtype.names[1]] = shards, values  # type: ignore[index]
    write_rows(path, rows[np.lexsort((values, shards))])


def read_copies(parts: Parts, shard: int, num_ranges: int) -> NDArray[np.uint32]:
    """Return the places of a shard's documents that are copies of earlier ones."""
    files = parts.files("copies", num_ranges)
    return np.ascontiguousarray(read_slices(files, COPY, KeyRange(shard, shard + 1))["place"])


class RepeatedLines:
    """Which lines go from the documents of one shard."""

    def __init__(
        self, parts: Parts, shard: int, num_ranges: int, config: ExactDuplicatesConfig
    ) -> None:
        counts = read_rows(parts.file("line-counts", shard), COUNT)
        files = parts.files("gone-lines", num_ranges)
        gone = read_slices(files, GONE, KeyRange(shard, shard + 1))["hash"]
        self._hashes = np.ascontiguousarray(counts["hash"])
        self._is_gone = np.isin(self._hashes, gone)
        self._first = np.ascontiguousarray(counts["place"])
        self._config = config

    def find(self, lines: dict[str, int], place: int) -> set[str]:
        """Return which candidate lines go from the document at a place."""
        if not lines:
            return set()
        hashes = np.fromiter(lines.values(), dtype=np.uint64, count=len(lines))
        rows = np.searchsorted(self._hashes, hashes)
        gone = self._is_gone[rows]
        if self._config.keep_first_line_only:
            gone |= self._first[rows] < place
        return {line for line, hit in zip(lines, gone.tolist(), strict=True) if hit}


@dataclass(frozen=True, slots=True)
class WithoutLines:
    """A document, and the repeated lines that were taken out of it."""

    document: Document
    lines: list[str]


def remove_lines(document: Document, gone: Set[str], once: Set[str] = frozenset()) -> WithoutLines:
    """Return the document without some of its lines, and with others only where they first stand.

    Args:
        document: any.
        gone: stripped lines that are taken out.
        once: stripped lines that stay the first time.
    """
    out: list[str] = []
    kept: list[str] = []
    seen: set[str] = set()
    for line in document.text.split("\n"):
        bare = line.strip()
        (out if bare in gone or bare in seen else kept).append(line)
        if bare in once:
            seen.add(bare)
    if not out:
        return WithoutLines(document, [])
    return WithoutLines(replace(document, text="\n".join(kept).strip("\n")), out)


def lines_to_keep_once(lines: Iterable[str], config: ExactDuplicatesConfig) -> set[str]:
    """Return which candidate lines are long enough to stand in their document only once."""
    columns = config.min_inner_line_columns
    return set() if columns is None else {line for line in lines if _is_wide(line, columns)}

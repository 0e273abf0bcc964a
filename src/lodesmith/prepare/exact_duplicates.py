"""Sixth step: documents that are equal, and lines that stand in too many documents.

Both need the whole corpus, so each shard first gives hashes; merged, they say which documents are
not the first of their text, and which lines are repeated. Of equal documents the first in source
order stays. Lines of too many documents go from all of them; lines of a few may stay in the first
one only. Headings and code stay: `Parameters:` and `End Sub` stand on a thousand pages rightly.

Source: Wenzek et al., CCNet (arXiv:1911.00359), section 3.1, for counting hashes of lines, and
for comparing them without regard to case and (here only short ones) with all digits taken for 0.
"""

import hashlib
import re
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodesmith.data.documents import Document
from lodesmith.prepare.config import ExactDuplicatesConfig
from lodesmith.prepare.words import Hashes

_DIGIT = re.compile(r"\d")
_MAX_COUNTER_CHARS = 80  # a longer line is a statement, and its numbers are what it says

LineCounts = tuple[Hashes, NDArray[np.int64]]  # sorted hashes, and in how many documents each is


def hash_text(text: str) -> int:
    """Return a 64-bit hash of a text, the same for any case and spacing."""
    return _hash(" ".join(text.casefold().split()))


def hash_line(line: str) -> int:
    """Return a 64-bit hash of a line, the same for any case and, if it is short, for any digits.

    >>> hash_line("Page 12 of 90") == hash_line("page 34 of 56")
    True
    """
    folded = line.casefold()
    return _hash(_DIGIT.sub("0", folded) if len(line) <= _MAX_COUNTER_CHARS else folded)


def _hash(text: str) -> int:
    encoded = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(encoded, digest_size=8).digest(), "little")


def candidate_lines(
    document: Document, code_lines: frozenset[str], config: ExactDuplicatesConfig
) -> dict[str, int]:
    """Return the lines of a document that may be dropped, and the hash of each."""
    kept = code_lines.union(document.headings)
    lines = {line.strip() for line in document.text.split("\n")}
    return {
        line: hash_line(line)
        for line in lines
        if _is_wide(line, config.min_line_columns) and line not in kept
    }


def _is_wide(line: str, columns: int) -> bool:
    """Tell whether a line takes so many columns of a terminal, East Asian characters two each."""
    if len(line) >= columns or line.isascii() or 2 * len(line) < columns:
        return len(line) >= columns
    return len(line) + sum(char >= "\u2e80" for char in line) >= columns


def count_lines(documents: Iterable[Iterable[int]]) -> LineCounts:
    """Return in how many documents each line hash is; each document gives a hash once."""
    hashes = np.fromiter((line for lines in documents for line in lines), dtype=np.uint64)
    return _count(hashes, np.ones(len(hashes), dtype=np.int64))


def merge_line_counts(parts: Sequence[LineCounts]) -> LineCounts:
    """Return the counts of all shards together."""
    return _count(
        np.concatenate([hashes for hashes, _ in parts]),
        np.concatenate([counts for _, counts in parts]),
    )


def _count(hashes: Hashes, counts: NDArray[np.int64]) -> LineCounts:
    unique, places = np.unique(hashes, return_inverse=True)
    return unique, np.bincount(places, weights=counts, minlength=len(unique)).astype(np.int64)


def lines_of_earlier_shards(shards: Sequence[Hashes]) -> list[Hashes]:
    """Return for each shard those of its line hashes that a shard before it has, sorted.

    Args:
        shards: the sorted line hashes of each shard, in source order.
    """
    seen: Hashes = np.array([], dtype=np.uint64)
    result = []
    for hashes in shards:
        result.append(np.intersect1d(hashes, seen, assume_unique=True))
        seen = np.union1d(seen, hashes)
    return result


def later_copies(hashes: Hashes) -> NDArray[np.int64]:
    """Return for each document the number of the first one with its text."""
    _, first, places = np.unique(hashes, return_index=True, return_inverse=True)
    return np.asarray(first[places], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class WithoutLines:
    """A document, and the repeated lines that were taken out of it."""

    document: Document
    lines: list[str]


def find_lines(lines: dict[str, int], repeated: Hashes) -> set[str]:
    """Return which of a document's candidate lines have a hash among sorted ones."""
    hashes = np.fromiter(lines.values(), dtype=np.uint64, count=len(lines))
    return {line for line, hit in zip(lines, _contains(repeated, hashes), strict=True) if hit}


def remove_lines(document: Document, gone: Set[str]) -> WithoutLines:
    """Return the document without some of its lines."""
    if not gone:
        return WithoutLines(document, [])
    out: list[str] = []
    kept: list[str] = []
    for line in document.text.split("\n"):
        (out if line.strip() in gone else kept).append(line)
    return WithoutLines(replace(document, text="\n".join(kept).strip("\n")), out)


def _contains(sorted_hashes: Hashes, hashes: Hashes) -> NDArray[Any]:
    if not len(sorted_hashes):
        return np.zeros(len(hashes), dtype=bool)
    places = np.minimum(np.searchsorted(sorted_hashes, hashes), len(sorted_hashes) - 1)
    return np.asarray(sorted_hashes[places] == hashes)

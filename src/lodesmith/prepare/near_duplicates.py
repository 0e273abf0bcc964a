"""Seventh step: documents that are almost equal, found without comparing all pairs.

MinHash turns the set of a document's 5-word runs into 112 numbers, of which two documents share
about as many as their sets overlap. Cut into 14 bands of 8, two documents meet in some band with
probability 1 - (1 - s^8)^14 at similarity s: .05 at .5, .56 at .7, .92 at .8. Pairs that meet are
compared on all 112 numbers; of each group of alike documents the first in source order stays.

Source: A. Broder, Compression and Complexity of Sequences 1997, for MinHash; Penedo et al.,
FineWeb (arXiv:2406.17557), section 3.4, for 14 x 8 over 5-word runs. Comparing the pairs is ours:
without it documents of similarity .6 go as well.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lodesmith.prepare.exact_duplicates import hash_text
from lodesmith.prepare.words import Hashes, hash_runs, mix, split_words

NUM_BANDS, BAND_SIZE = 14, 8
NUM_HASHES = NUM_BANDS * BAND_SIZE
_RUN_WORDS = 5
_CHUNK_RUNS = 1024  # bounds memory at 1 MB whatever the length of a document

Signature = NDArray[np.uint32]

# Odd factors and any offsets, the same for ever, so that signatures can be compared.
_FACTORS = mix(np.arange(NUM_HASHES, dtype=np.uint64)) | np.uint64(1)
_OFFSETS = mix(np.arange(NUM_HASHES, 2 * NUM_HASHES, dtype=np.uint64))


def sign(text: str) -> Signature:
    """Return the 112 MinHash numbers of a text."""
    runs = hash_runs(split_words(text).hashes, _RUN_WORDS)
    if not len(runs):  # punctuation only: alike only if equal
        runs = np.array([hash_text(text)], dtype=np.uint64)
    lowest = np.full(NUM_HASHES, np.iinfo(np.uint64).max, dtype=np.uint64)
    for start in range(0, len(runs), _CHUNK_RUNS):
        hashed = runs[start : start + _CHUNK_RUNS, None] * _FACTORS
        hashed += _OFFSETS
        np.minimum(lowest, hashed.min(axis=0), out=lowest)
    return (lowest >> np.uint64(32)).astype(np.uint32)


def find_near_duplicates(
    signatures: Sequence[Signature] | NDArray[np.uint32], *, min_similarity: float
) -> list[tuple[int, float] | None]:
    """Return for each document None, or an earlier one that it is like, and how much.

    Args:
        signatures: one row of 112 numbers for each document, in source order.
        min_similarity: share of equal numbers from which two documents are alike, in (0, 1].
    """
    rows = np.asarray(signatures, dtype=np.uint32).reshape(-1, NUM_HASHES)
    links: dict[int, tuple[int, float]] = {}
    for band in range(NUM_BANDS):
        _link_band(rows, band, min_similarity, links)
    return [links.get(index) for index in range(len(rows))]


def _link_band(
    rows: NDArray[np.uint32], band: int, limit: float, links: dict[int, tuple[int, float]]
) -> None:
    """Add links from documents to the first alike one among those of the same band."""
    keys = _band_keys(rows, band)
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_equal = ordered[1:] == ordered[:-1]
    starts_at = -1
    for place in np.flatnonzero(is_equal):
        if starts_at < 0 or ordered[starts_at] != ordered[place]:
            starts_at = int(place)
        later = int(order[place + 1])
        # The bucket's first stands for all of it; the one just before catches chains of edits.
        for earlier in (int(order[starts_at]), int(order[place])):
            known = links.get(later)
            if known is not None and known[0] <= earlier:
                continue
            similarity = float((rows[earlier] == rows[later]).mean())
            if similarity >= limit:
                links[later] = (earlier, round(similarity, 3))


def _band_keys(rows: NDArray[np.uint32], band: int) -> Hashes:
    keys = np.zeros(len(rows), dtype=np.uint64)
    for column in range(band * BAND_SIZE, (band + 1) * BAND_SIZE):
        keys = mix(keys + rows[:, column].astype(np.uint64) + np.uint64(column))
    return keys

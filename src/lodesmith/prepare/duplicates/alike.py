"""Which documents that meet in a band are alike, and how much.

A bucket is what shares a band's key. Its documents are compared on all numbers of their signatures,
those of equal signatures once. A bucket may hold any number of documents, so it is looked at in
windows: what each one is compared with, the first of its bucket and those just before it, is
carried from window to window.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.storage import JSON
from lodesmith.native import minhash
from lodesmith.prepare.config import NearDuplicatesConfig
from lodesmith.prepare.duplicates.connected import Nodes, write_links
from lodesmith.prepare.duplicates.signatures import BAND, Bands, choose_bands, places_of, shards_of
from lodesmith.prepare.shards.shard_files import Parts
from lodesmith.prepare.shards.sorted_rows import (
    KeyRange,
    Rows,
    read_places,
    read_slices,
    write_rows,
)
from lodesmith.prepare.words import mix

_BATCH_MEMBERS = 1 << 16  # bounds the signatures in memory at 30 MB
_BATCH_NEIGHBOURS = 1 << 12

ALIKE = np.dtype([("key", "<u8"), ("node", "<u8"), ("equal", "<u4")])

Links = tuple[Nodes, Nodes, NDArray[np.uint32]]
"""Documents, others that they are alike, and how many numbers of both signatures are equal."""


def link_range(parts: Parts, keys: KeyRange, number: int, config: NearDuplicatesConfig) -> JSON:
    """Write the links between documents that meet in a band whose key lies in a range."""
    bands = choose_bands(config.min_similarity)
    rows = read_slices(parts.files("bands"), BAND, keys)
    rows = _in_company(rows[np.lexsort((rows["node"], rows["key"]))])
    equal_links, different = _link_equal(rows, bands)
    found, below = [equal_links], [np.empty(0, ALIKE)]
    for batch in _batches(different):
        if not len(batch.rows):
            continue
        links, unlike = _link_different(parts, batch, bands, config)
        found.append(links)
        below.append(unlike)
    left, right, equal = (np.concatenate(columns) for columns in zip(*found, strict=True))
    _write_by_key(parts.file("unlike", number), np.concatenate(below))
    write_links(
        parts.file("links", number), np.concatenate((left, right)), np.concatenate((right, left))
    )
    _write_alike(parts.file("alike", number), left, right, equal)
    return {}


def _in_company(rows: Rows) -> Rows:
    """Return the rows, sorted by key, that share their key with another one."""
    same = rows["key"][1:] == rows["key"][:-1]
    shared = np.zeros(len(rows), bool)
    shared[1:] |= same
    shared[:-1] |= same
    return rows[shared]


def _link_equal(rows: Rows, bands: Bands) -> tuple[Links, Rows]:
    """Return links from each document to the one before it of the same signature and key; and of
    those of one signature the first, where another signature shares its key."""
    order = np.lexsort((rows["node"], rows["digest"], rows["key"]))
    ordered = rows[order]
    is_first = np.ones(len(rows), bool)
    is_first[1:] = (ordered["key"][1:] != ordered["key"][:-1]) | (
        ordered["digest"][1:] != ordered["digest"][:-1]
    )
    later = np.flatnonzero(~is_first)
    equal = np.full(len(later), bands.num_hashes, np.uint32)
    links = ordered["node"][later - 1], ordered["node"][later], equal
    return links, _in_company(rows[np.sort(order[is_first])])


@dataclass(frozen=True, slots=True)
class _Batch:
    """Whole buckets, or one window of a large one."""

    rows: Rows
    num_known: int = 0  # first rows, of earlier windows


def _batches(rows: Rows) -> Iterator[_Batch]:
    """Yield stretches of whole buckets, and a bucket that is larger than they are in windows."""
    first = 0
    for start, end in itertools.pairwise([*_starts(rows["key"]).tolist(), len(rows)]):
        if end - first < _BATCH_MEMBERS:
            continue
        if end - start <= _BATCH_MEMBERS:
            yield _Batch(rows[first:end])
        else:
            yield _Batch(rows[first:start])
            yield from _windows(rows[start:end])
        first = end
    yield _Batch(rows[first:])


def _windows(bucket: Rows) -> Iterator[_Batch]:
    for start in range(0, len(bucket), _BATCH_MEMBERS):
        window = bucket[start : start + _BATCH_MEMBERS]
        known = np.concatenate((bucket[: minhash.REACH], bucket[start - minhash.REACH : start]))
        yield _Batch(np.concatenate((known, window)), len(known)) if start else _Batch(window)


def _starts(keys: NDArray[Any]) -> NDArray[np.int64]:
    is_first = np.ones(len(keys), bool)
    is_first[1:] = keys[1:] != keys[:-1]
    return np.flatnonzero(is_first)


def _link_different(
    parts: Parts, batch: _Batch, bands: Bands, config: NearDuplicatesConfig
) -> tuple[Links, Rows]:
    """Return links between alike documents of a bucket, and what is alike too little to go."""
    rows = batch.rows
    _, first, members = np.unique(rows["digest"], return_index=True, return_inverse=True)
    signatures = _read_signatures(parts, rows["node"][first], bands)
    places = members.astype(np.uint32)
    starts = np.append(_starts(rows["key"]), len(rows)).astype(np.uint64)
    least = _least_equal(config, bands)
    left, right, equal = minhash.link(signatures, places, starts, min_equal=least)
    unlike = _neighbours(batch, signatures, places)
    return (rows["node"][left], rows["node"][right], equal), unlike[unlike["equal"] < least]


def _neighbours(batch: _Batch, signatures: NDArray[np.uint32], members: NDArray[np.uint32]) -> Rows:
    """Return how alike each document is to the one before it in its bucket."""
    rows = batch.rows
    later = np.flatnonzero(rows["key"][1:] == rows["key"][:-1]) + 1
    later = later[later >= batch.num_known]
    found = np.empty(len(later), ALIKE)
    found["node"] = rows["node"][later]
    found["key"] = mix(found["node"])
    for start in range(0, len(later), _BATCH_NEIGHBOURS):
        some = later[start : start + _BATCH_NEIGHBOURS]
        same = signatures[members[some]] == signatures[members[some - 1]]
        found["equal"][start : start + _BATCH_NEIGHBOURS] = same.sum(axis=1)
    return found


def _least_equal(config: NearDuplicatesConfig, bands: Bands) -> int:
    return int(np.ceil(config.min_similarity * bands.num_hashes - 1e-9))


def _read_signatures(parts: Parts, nodes: Nodes, bands: Bands) -> NDArray[np.uint32]:
    """Return the signatures of documents, shard by shard."""
    dtype = np.dtype(("<u4", (bands.num_hashes,)))
    signatures = np.empty((len(nodes), bands.num_hashes), np.uint32)
    shards, places = shards_of(nodes), places_of(nodes)
    order = np.lexsort((places, shards))
    for group in np.split(order, _starts(shards[order])[1:]):
        if len(group):
            path = parts.file("signatures", int(shards[group[0]]))
            signatures[group] = read_places(path, dtype, places[group])
    return signatures


def _write_alike(path: Path, left: Nodes, right: Nodes, equal: NDArray[np.uint32]) -> None:
    rows = np.empty(2 * len(left), ALIKE)
    rows["node"] = np.concatenate((left, right))
    rows["key"] = mix(np.concatenate((left, right)))
    rows["equal"] = np.concatenate((equal, equal))
    _write_by_key(path, rows)


def _write_by_key(path: Path, rows: Rows) -> None:
    write_rows(path, rows[np.lexsort((rows["equal"], rows["key"]))])

"""Seventh step: documents that are almost equal, found without comparing all pairs.

MinHash turns the set of a document's runs of five characters (or words) into about 112 numbers, of
which two documents share about as many as their sets overlap. Cut into b bands of r numbers, two
documents meet in some band with probability 1 - (1 - s^r)^b at similarity s. Those that meet are
compared on all numbers; groups that alike pairs hold together keep one document, the first in
source order or the longest. So the order of the sources is their priority.

Work is cut by the keys of bands, then by the keys of documents (`connected`): see `sorted_rows`.

Source: A. Broder, Compression and Complexity of Sequences 1997, for MinHash; Penedo et al.,
FineWeb (arXiv:2406.17557), section 3.4, for bands of 14 x 8. Comparing the pairs is ours: without
it documents of similarity .6 go as well.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.storage import JSON
from lodesmith.native import minhash
from lodesmith.native.lines import hash_text
from lodesmith.prepare.config import NearDuplicatesConfig
from lodesmith.prepare.connected import LINK, Nodes, star, write_links
from lodesmith.prepare.shard_files import Parts, Ranges
from lodesmith.prepare.sorted_rows import (
    KeyRange,
    MapTasks,
    Rows,
    plan_ranges,
    read_places,
    read_slices,
    write_rows,
)
from lodesmith.prepare.words import mix, split_words

Signature = minhash.Signature

NUM_HASHES = 112  # at most; the standard deviation of an estimate is below .05
_LEAST_FOUND = 0.9  # of pairs that are just as alike as the threshold
_MAX_ROUNDS = 200  # no group that fits into a node's number needs as many
_BATCH_MEMBERS = 1 << 16  # bounds the signatures in memory at 30 MB
_BATCH_NEIGHBOURS = 1 << 12

# A node: 14 bits of rank (lower is rather kept), 26 of the shard's number, 24 of the document's.
_PLACE_BITS, _SHARD_BITS = 24, 26
_MAX_RANK = (1 << 14) - 1

BAND = np.dtype([("key", "<u8"), ("digest", "<u8"), ("node", "<u8")])
ALIKE = np.dtype([("key", "<u8"), ("node", "<u8"), ("equal", "<u4")])
NEAR = np.dtype([("shard", "<u4"), ("place", "<u4"), ("equal", "<u4")])


@dataclass(frozen=True, slots=True)
class Bands:
    """How a signature is cut."""

    num_bands: int
    num_rows: int

    @property
    def num_hashes(self) -> int:
        """Length of a signature."""
        return self.num_bands * self.num_rows


def choose_bands(min_similarity: float) -> Bands:
    """Return the narrowest net that still finds nine of ten pairs just at the threshold.

    >>> choose_bands(0.8), choose_bands(0.5)
    (Bands(num_bands=14, num_rows=8), Bands(num_bands=37, num_rows=3))
    """
    for num_rows in range(NUM_HASHES, 1, -1):
        num_bands = NUM_HASHES // num_rows
        if 1 - (1 - min_similarity**num_rows) ** num_bands >= _LEAST_FOUND:
            return Bands(num_bands, num_rows)
    return Bands(NUM_HASHES, 1)


def sign(text: str, config: NearDuplicatesConfig | None = None) -> Signature:
    """Return the MinHash numbers of a text."""
    config = config or NearDuplicatesConfig()
    num_functions = choose_bands(config.min_similarity).num_hashes
    run = config.ngram_size
    if config.ngram == "characters":
        signature = minhash.sign_characters(text, run=run, num_functions=num_functions)
    else:
        words = split_words(text).hashes
        signature = minhash.sign_words(words, run=run, num_functions=num_functions)
    if signature is None:  # nothing to compare: alike only if equal
        return _sign_whole(text, num_functions)
    return signature


def _sign_whole(text: str, num_functions: int) -> Signature:
    text_hash = np.array([hash_text(text)], dtype=np.uint64)
    signature = minhash.sign_words(text_hash, run=1, num_functions=num_functions)
    if signature is None:
        raise EngineError("one word has no signature")
    return signature


class Signatures:
    """What one shard's documents leave for the merge: signatures and keys of bands."""

    def __init__(self, config: NearDuplicatesConfig) -> None:
        self._config = config
        self._bands = choose_bands(config.min_similarity)
        self._rows: list[Signature] = []
        self._ranks: list[int] = []

    def add(self, text: str) -> None:
        """Take the signature of the next document."""
        self._rows.append(sign(text, self._config))
        self._ranks.append(_rank(len(text)) if self._config.keep == "longest" else 0)

    def write(self, parts: Parts, shard: int) -> None:
        """Write them as files of the shard."""
        bands = self._bands
        signatures = np.array(self._rows, np.uint32).reshape(-1, bands.num_hashes)
        self._rows = []  # of short texts a shard holds so many that two copies are felt
        write_rows(parts.file("signatures", shard), signatures.astype("<u4", copy=False))
        keys, digests = minhash.band_keys(
            signatures, num_bands=bands.num_bands, num_rows=bands.num_rows
        )
        del signatures
        nodes = _nodes(shard, np.array(self._ranks, np.uint64))
        rows = np.empty(keys.size, BAND)
        rows["key"] = keys.reshape(-1)
        rows["digest"] = np.repeat(digests, bands.num_bands)
        rows["node"] = np.repeat(nodes, bands.num_bands)
        del keys
        write_rows(parts.file("bands", shard), rows[np.lexsort((rows["node"], rows["key"]))])


def _rank(num_chars: int) -> int:
    """Return a number that falls as a text gets longer, in steps of a fifth of a percent."""
    octave = num_chars.bit_length()
    within = (num_chars << 9 >> (octave - 1)) & 0x1FF if octave else 0
    return max(0, _MAX_RANK - (octave << 9 | within))


def _nodes(shard: int, ranks: NDArray[np.uint64]) -> Nodes:
    if len(ranks) > 1 << _PLACE_BITS or shard >= 1 << _SHARD_BITS:
        raise UserError(
            f"near_duplicates: shard {shard} has {len(ranks)} documents; at most "
            f"{1 << _PLACE_BITS} fit into a shard, and {1 << _SHARD_BITS} shards into a corpus"
        )
    places = np.arange(len(ranks), dtype=np.uint64)
    first = np.uint64(shard << _PLACE_BITS)
    return (ranks << np.uint64(_PLACE_BITS + _SHARD_BITS)) + first + places


def _shards_of(nodes: Nodes) -> NDArray[np.int64]:
    shards = (nodes >> np.uint64(_PLACE_BITS)) & np.uint64((1 << _SHARD_BITS) - 1)
    return shards.astype(np.int64)


def _places_of(nodes: Nodes) -> NDArray[np.int64]:
    return (nodes & np.uint64((1 << _PLACE_BITS) - 1)).astype(np.int64)


def merge_near(
    parts: Parts, config: NearDuplicatesConfig, memory_bytes: int, map_tasks: MapTasks
) -> Ranges:
    """Find documents that are nearly equal to one that stays."""
    bands = plan_ranges(map_tasks, "near-bands", parts.files("bands"), memory_bytes)
    map_tasks(
        link_range,
        {f"near-link-{number:05d}": (parts, keys, number, config) for number, keys in bands},
    )
    links = parts.files("links", len(bands))
    groups = plan_ranges(map_tasks, "near-groups", links, memory_bytes)
    stars = _connect(parts, links, groups, map_tasks)
    alike, unlike = (parts.files(kind, len(bands)) for kind in ("alike", "unlike"))
    map_tasks(
        name_later,
        {
            f"near-found-{number:05d}": (
                stars,
                alike,
                unlike,
                keys,
                [parts.file(kind, number) for kind in ("near", "below")],
            )
            for number, keys in groups
        },
    )
    return Ranges(near=len(groups))


def _connect(
    parts: Parts, links: list[Path], ranges: list[tuple[int, KeyRange]], map_tasks: MapTasks
) -> list[Path]:
    """Point all documents of a group at the one that stays; return the files that say so."""
    for turn in range(_MAX_ROUNDS):
        has_changed = False
        for step in ("large", "small"):
            outputs = parts.files(f"{step}-star-{turn}", len(ranges))
            results = map_tasks(
                star,
                {
                    f"near-{step}-{turn}-{number:05d}": (
                        links, keys, step == "large", outputs[number]
                    )
                    for number, keys in ranges
                },
            )  # fmt: skip
            has_changed |= any(result["changed"] for result in results)
            links = outputs
        if not has_changed:
            return links
    raise EngineError(f"near_duplicates: groups are not connected after {_MAX_ROUNDS} rounds")


def link_range(parts: Parts, keys: KeyRange, number: int, config: NearDuplicatesConfig) -> JSON:
    """Write the links between documents that meet in a band whose key lies in a range."""
    bands = choose_bands(config.min_similarity)
    rows = read_slices(parts.files("bands"), BAND, keys)
    rows = _in_company(rows[np.lexsort((rows["node"], rows["key"]))])
    different = _in_company(_first_of_each_digest(rows))
    found, below = [_link_equal(rows, bands)], [np.empty(0, ALIKE)]
    for batch in _batches(different):
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


def _link_equal(rows: Rows, bands: Bands) -> tuple[Nodes, Nodes, NDArray[np.uint32]]:
    """Return links from each document to the one before it of the same signature and key."""
    order = np.lexsort((rows["node"], rows["digest"], rows["key"]))
    rows = rows[order]
    same = (rows["key"][1:] == rows["key"][:-1]) & (rows["digest"][1:] == rows["digest"][:-1])
    later = np.flatnonzero(same) + 1
    equal = np.full(len(later), bands.num_hashes, np.uint32)
    return rows["node"][later - 1].copy(), rows["node"][later].copy(), equal


def _first_of_each_digest(rows: Rows) -> Rows:
    order = np.lexsort((rows["node"], rows["digest"], rows["key"]))
    ordered = rows[order]
    is_first = np.ones(len(rows), bool)
    is_first[1:] = (ordered["key"][1:] != ordered["key"][:-1]) | (
        ordered["digest"][1:] != ordered["digest"][:-1]
    )
    return rows[np.sort(order[is_first])]


def _batches(rows: Rows) -> list[Rows]:
    """Return stretches of whole buckets; a bucket above the size is a batch of its own."""
    starts = _starts(rows["key"])
    edges, last = [0], 0
    for start in starts[1:].tolist():
        if start - last >= _BATCH_MEMBERS:
            edges.append(start)
            last = start
    return [rows[a:b] for a, b in zip(edges, [*edges[1:], len(rows)], strict=True) if b > a]


def _starts(keys: NDArray[Any]) -> NDArray[np.int64]:
    is_first = np.ones(len(keys), bool)
    is_first[1:] = keys[1:] != keys[:-1]
    return np.flatnonzero(is_first)


def _link_different(
    parts: Parts, rows: Rows, bands: Bands, config: NearDuplicatesConfig
) -> tuple[tuple[Nodes, Nodes, NDArray[np.uint32]], Rows]:
    """Return links between alike documents of a bucket, and what is alike too little to go."""
    _, first, members = np.unique(rows["digest"], return_index=True, return_inverse=True)
    signatures = _read_signatures(parts, rows["node"][first], bands)
    places = members.astype(np.uint32)
    starts = np.append(_starts(rows["key"]), len(rows)).astype(np.uint64)
    least = _least_equal(config, bands)
    left, right, equal = minhash.link(signatures, places, starts, min_equal=least)
    unlike = _neighbours(rows, signatures, places)
    return (rows["node"][left], rows["node"][right], equal), unlike[unlike["equal"] < least]


def _neighbours(rows: Rows, signatures: NDArray[np.uint32], members: NDArray[np.uint32]) -> Rows:
    """Return how alike each document is to the one before it in its bucket."""
    later = np.flatnonzero(rows["key"][1:] == rows["key"][:-1]) + 1
    found = np.empty(len(later), ALIKE)
    found["node"] = rows["node"][later]
    found["key"] = mix(found["node"])
    for start in range(0, len(later), _BATCH_NEIGHBOURS):
        batch = later[start : start + _BATCH_NEIGHBOURS]
        same = signatures[members[batch]] == signatures[members[batch - 1]]
        found["equal"][start : start + _BATCH_NEIGHBOURS] = same.sum(axis=1)
    return found


def _least_equal(config: NearDuplicatesConfig, bands: Bands) -> int:
    return int(np.ceil(config.min_similarity * bands.num_hashes - 1e-9))


def _read_signatures(parts: Parts, nodes: Nodes, bands: Bands) -> NDArray[np.uint32]:
    """Return the signatures of documents, shard by shard."""
    dtype = np.dtype(("<u4", (bands.num_hashes,)))
    signatures = np.empty((len(nodes), bands.num_hashes), np.uint32)
    shards, places = _shards_of(nodes), _places_of(nodes)
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


def name_later(
    stars: list[Path], alike: list[Path], unlike: list[Path], keys: KeyRange, outputs: list[Path]
) -> JSON:
    """Write which documents go, and how alike they are to the most alike one of their group.

    Args:
        stars: files that say which document each one is pointed at.
        alike: files that say how alike each is to another.
        unlike: the same of documents that are alike too little.
        keys: those of the documents that are meant.
        outputs: two files of rows by shard: what goes, and what stays beside one it resembles.
    """
    links = read_slices(stars, LINK, keys)
    gone = np.unique(links["node"][links["other"] < links["node"]])
    found = read_slices(unlike, ALIKE, keys)
    stays = np.setdiff1d(found["node"], gone)
    _write_near(outputs[0], gone, read_slices(alike, ALIKE, keys))
    _write_near(outputs[1], stays, found)
    return {}


def _write_near(path: Path, nodes: Nodes, found: Rows) -> None:
    """Write the greatest likeness found for each of some nodes, by shard."""
    order = np.lexsort((found["equal"], found["node"]))
    known, equal = found["node"][order], found["equal"][order]
    rows = np.empty(len(nodes), NEAR)
    rows["shard"], rows["place"] = _shards_of(nodes), _places_of(nodes)
    rows["equal"] = equal[np.searchsorted(known, nodes, side="right") - 1]
    write_rows(path, rows[np.lexsort((rows["place"], rows["shard"]))])


def read_similarities(
    parts: Parts, shard: int, num_ranges: int, config: NearDuplicatesConfig, *, kind: str = "near"
) -> dict[int, float]:
    """Return which documents of a shard go, and how alike each is to another one.

    Args:
        parts: files of the merge.
        shard: number of the shard.
        num_ranges: into how many ranges the merge was cut.
        config: settings of the step.
        kind: "near": those that go; "below": those that stay and resemble an earlier one that they
            met, the nearest before them in a bucket.
    """
    rows = read_slices(parts.files(kind, num_ranges), NEAR, KeyRange(shard, shard + 1))
    num_hashes = choose_bands(config.min_similarity).num_hashes
    return {
        place: round(equal / num_hashes, 3)
        for place, equal in zip(rows["place"].tolist(), rows["equal"].tolist(), strict=True)
    }

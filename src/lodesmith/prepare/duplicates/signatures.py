"""What a document leaves for the search for near duplicates: its signature, keys of bands, a node.

MinHash turns the set of a document's runs of five characters (or words) into about 112 numbers, of
which two documents share about as many as their sets overlap. Cut into b bands of r numbers, two
documents meet in some band with probability 1 - (1 - s^r)^b at similarity s.

Source: A. Broder, Compression and Complexity of Sequences 1997, for MinHash; Penedo et al.,
FineWeb (arXiv:2406.17557), section 3.4, for bands of 14 x 8.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.errors import EngineError, UserError
from lodesmith.native import minhash
from lodesmith.native.lines import hash_text
from lodesmith.prepare.config import NearDuplicatesConfig
from lodesmith.prepare.duplicates.connected import Nodes
from lodesmith.prepare.shards.shard_files import Parts
from lodesmith.prepare.shards.sorted_rows import write_rows
from lodesmith.prepare.words import split_words

Signature = minhash.Signature

NUM_HASHES = 112  # at most; the standard deviation of an estimate is below .05
_LEAST_FOUND = 0.9  # of pairs that are just as alike as the threshold

# A node: 14 bits of rank (lower is rather kept), 26 of the shard's number, 24 of the document's.
_PLACE_BITS, _SHARD_BITS = 24, 26
_MAX_RANK = (1 << 14) - 1

BAND = np.dtype([("key", "<u8"), ("digest", "<u8"), ("node", "<u8")])


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


def shards_of(nodes: Nodes) -> NDArray[np.int64]:
    """Return the shard of each node."""
    shards = (nodes >> np.uint64(_PLACE_BITS)) & np.uint64((1 << _SHARD_BITS) - 1)
    return shards.astype(np.int64)


def places_of(nodes: Nodes) -> NDArray[np.int64]:
    """Return the number of each node in its shard."""
    return (nodes & np.uint64((1 << _PLACE_BITS) - 1)).astype(np.int64)

"""Where does this sentence come from? An index that finds exact text in millions of documents.

Each document is stood for by the fingerprints of "winnowing": hash every run of `GRAM` characters,
and of every `WINDOW` consecutive hashes keep the least. A text of `GUARANTEE` characters or more
holds at least one whole window, and what that window keeps depends on its own characters only; so
a document that holds the text also holds every fingerprint of it. The fingerprints lie sorted on
disk beside the numbers of their documents and are searched through a memory map; what they propose
is checked against the documents themselves. Shorter texts are looked for in every document.

Source: S. Schleimer, D. Wilkerson, A. Aiken, "Winnowing: Local Algorithms for Document
Fingerprinting", SIGMOD 2003, section 3; the hash is SplitMix64's finaliser (Steele, Lea, Flood,
OOPSLA 2014, figure 16) of a polynomial (Karp, Rabin, IBM J. Res. Dev. 31(2), 1987).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.arrays import map_array, replace_array
from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.storage import read_json, write_json

GRAM = 8  # characters
WINDOW = 12  # hashes; keeps about 2 / (WINDOW + 1) of them
GUARANTEE = GRAM + WINDOW - 1  # characters from which on the index alone finds every match

_HASHES, _DOCUMENTS, _META = "hashes.npy", "documents.npy", "meta.json"
_BATCH_CHARACTERS = 1 << 20
_STRETCH_ROWS = 1 << 23  # joined at a time; 12 bytes each, a few times over while they are sorted
_BASE = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying by it loses nothing

_Hashes = npt.NDArray[np.uint64]
_Numbers = npt.NDArray[np.uint32]


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A place where a text was found."""

    document: int  # number of the document, as in the order in which the index was built
    start: int  # character at which the text begins in it, the first place of several


def build_text_index(folder: Path, texts: Iterable[str]) -> int:
    """Write the index of texts, which are known by their numbers from 0 on; return their number.

    The fingerprints lie in memory meanwhile, about two bytes for each character. For more text than
    that allows, build indexes of its parts and join them.
    """
    (folder / _META).unlink(missing_ok=True)  # until it is whole again, the index is not one
    parts: list[tuple[_Hashes, _Numbers]] = []
    num_documents = 0
    for batch in _batches(texts):
        parts.append(_fingerprint_batch(batch, first=num_documents))
        num_documents += len(batch)
    hashes = np.concatenate([part[0] for part in parts] or [np.zeros(0, np.uint64)])
    numbers = np.concatenate([part[1] for part in parts] or [np.zeros(0, np.uint32)])
    _write_index(folder, [_sort(hashes, numbers)], num_documents)
    return num_documents


def join_text_indexes(folder: Path, parts: Sequence[Path]) -> int:
    """Write the index of all texts of several indexes, numbered on from part to part.

    Memory is bounded: the range of hashes is walked through in stretches of a few million.

    Returns:
        The number of texts.

    Raises:
        DamagedArtifactError: a part is no whole index.
        UserError: there are more texts than numbers of 32 bits.
    """
    (folder / _META).unlink(missing_ok=True)
    opened = [TextIndex.open(part) for part in parts]
    num_documents = sum(index.num_documents for index in opened)
    if num_documents > np.iinfo(np.uint32).max:
        raise UserError(f"{num_documents} documents are too many for one text index")
    _write_index(folder, _merge(opened), num_documents)
    return num_documents


def _merge(parts: "Sequence[TextIndex]") -> Iterator[tuple[_Hashes, _Numbers]]:
    """Yield the rows of all parts in the order of their hashes, stretch by stretch."""
    size = sum(part._hashes.size for part in parts)
    num_stretches = -(-size // _STRETCH_ROWS) or 1
    edges = [(1 << 64) * number // num_stretches for number in range(1, num_stretches)]
    ends = [
        [*np.searchsorted(part._hashes, np.array(edges, np.uint64)).tolist(), part._hashes.size]
        for part in parts
    ]
    starts = [0] * len(parts)
    for number in range(num_stretches):
        hashes, numbers, first = [np.zeros(0, np.uint64)], [np.zeros(0, np.uint32)], 0
        for place, part in enumerate(parts):
            rows = slice(starts[place], ends[place][number])
            hashes.append(part._hashes[rows])
            numbers.append(part._documents[rows] + np.uint32(first))
            first += part.num_documents
            starts[place] = rows.stop
        yield _sort(np.concatenate(hashes), np.concatenate(numbers))


def _sort(hashes: _Hashes, numbers: _Numbers) -> tuple[_Hashes, _Numbers]:
    order = np.argsort(hashes, kind="stable")  # documents stay in order below each hash
    return hashes[order], numbers[order]


def _write_index(
    folder: Path, stretches: Iterable[tuple[_Hashes, _Numbers]], num_documents: int
) -> None:
    with (
        replace_array(folder / _HASHES, np.uint64) as all_hashes,
        replace_array(folder / _DOCUMENTS, np.uint32) as all_numbers,
    ):
        for hashes, numbers in stretches:
            all_hashes.append(hashes)
            all_numbers.append(numbers)
    meta = {
        "gram": GRAM,
        "window": WINDOW,
        "num_documents": num_documents,
        "size": all_hashes.length,
    }
    write_json(folder / _META, meta)


@dataclass(frozen=True)
class TextIndex:
    """An open index."""

    num_documents: int
    _hashes: _Hashes  # sorted, on disk
    _documents: _Numbers  # of each hash, on disk

    @classmethod
    def open(cls, folder: Path) -> "TextIndex":
        """Return the index of a folder.

        Raises:
            DamagedArtifactError: a file is missing, torn or of another version.
        """
        try:
            meta = read_json(folder / _META)
            hashes = map_array(folder / _HASHES)
            documents = map_array(folder / _DOCUMENTS)
            shape = (meta["size"],)
            _check(hashes.shape == documents.shape == shape, "the columns are cut short")
            _check((meta["gram"], meta["window"]) == (GRAM, WINDOW), "made by another version")
            return cls(meta["num_documents"], hashes, documents)
        except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
            raise DamagedArtifactError(
                f"{folder} is no whole text index ({error}); remove its artifact and run again"
            ) from None

    def find(self, text: str, *, fetch: Callable[[int], str], limit: int = 10) -> list[Match]:
        """Return the first `limit` documents that hold a text, exactly as it is written.

        Args:
            text: what is looked for.
            fetch: returns the text of a document by its number.
            limit: documents at most.

        Raises:
            UserError: the text is empty.
        """
        if not text:
            raise UserError("there is no text to look for; give a sentence")
        matches: list[Match] = []
        for number in self.candidates(text):
            start = fetch(int(number)).find(text)
            if start >= 0:
                matches.append(Match(document=int(number), start=start))
            if len(matches) >= limit:
                break
        return matches

    def candidates(self, text: str) -> Iterable[int]:
        """Return the numbers, ascending, of all documents that can hold a text."""
        if len(text) < GUARANTEE:
            return range(self.num_documents)
        wanted, _ = _fingerprint_batch([text], first=0)
        starts = np.searchsorted(self._hashes, wanted, side="left")
        ends = np.searchsorted(self._hashes, wanted, side="right")
        rarest_first = np.argsort(ends - starts, kind="stable")
        left: npt.NDArray[Any] | None = None
        for place in rarest_first:
            owners = self._documents[starts[place] : ends[place]]
            left = owners if left is None else np.intersect1d(left, owners, assume_unique=True)
            if left.size == 0:
                break
        return [] if left is None else left.tolist()


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    """Yield runs of whole texts of about a million characters."""
    batch: list[str] = []
    size = 0
    for text in texts:
        batch.append(text)
        size += len(text)
        if size >= _BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _fingerprint_batch(texts: list[str], *, first: int) -> tuple[_Hashes, _Numbers]:
    """Return the distinct (fingerprint, document number) pairs of texts, numbered from `first`."""
    lengths = np.array([len(text) for text in texts], np.int64)
    owners = np.repeat(np.arange(len(texts), dtype=np.uint32), lengths)
    letters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    if letters.size < GUARANTEE:
        return np.zeros(0, np.uint64), np.zeros(0, np.uint32)
    least = _sliding_least(_hash_grams(letters))
    inside = owners[: least.size] == owners[GUARANTEE - 1 :]  # windows within one document
    least, owners = least[inside], owners[: least.size][inside]
    changed = np.ones(least.size, bool)  # neighbours mostly keep the same hash
    changed[1:] = (least[1:] != least[:-1]) | (owners[1:] != owners[:-1])
    least, owners = least[changed], owners[changed]
    order = np.lexsort((least, owners))
    least, owners = least[order], owners[order]
    new = np.ones(least.size, bool)
    new[1:] = (least[1:] != least[:-1]) | (owners[1:] != owners[:-1])
    return least[new], owners[new] + np.uint32(first)


def _hash_grams(letters: npt.NDArray[np.uint32]) -> _Hashes:
    """Return the hash of each run of `GRAM` characters."""
    count = letters.size - GRAM + 1
    total = np.zeros(count, np.uint64)
    for offset in range(GRAM):
        total = total * _BASE + letters[offset : offset + count]
    total = (total ^ (total >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    total = (total ^ (total >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return total ^ (total >> np.uint64(31))


def _sliding_least(hashes: _Hashes) -> _Hashes:
    """Return the least of each `WINDOW` consecutive hashes, in a logarithmic number of passes."""
    least, width = hashes, 1
    while width * 2 <= WINDOW:
        least = np.minimum(least[:-width], least[width:])
        width *= 2
    rest = WINDOW - width
    return np.minimum(least[: least.size - rest], least[rest:]) if rest else least


def _check(holds: bool, fault: str) -> None:
    if not holds:
        raise ValueError(fault)

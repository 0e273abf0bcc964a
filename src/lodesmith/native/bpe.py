"""Learns byte-pair merges out of text: typed calls of `bpe.c`."""

import ctypes
import itertools
from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import EngineError
from lodesmith.native.library import load_library

_APART, _LETTER, _NUMBER, _SPACE = range(4)


class MergeLearner:
    """Counts words of texts, then learns merges; use it in a `with` block, which frees it."""

    def __init__(self) -> None:
        self._kernels = _declare()
        self._classes = character_classes()
        self._handle = self._kernels.ls_bpe_new(self._classes.ctypes.data)
        if not self._handle:
            raise _no_memory()

    def __enter__(self) -> "MergeLearner":
        return self

    def __exit__(self, *_: object) -> None:
        self._kernels.ls_bpe_free(self._handle)
        self._handle = None

    def add(self, text: str) -> None:
        """Count the words of a text.

        Raises:
            EngineError: there is no memory left.
        """
        encoded = text.encode("utf-8", "replace")
        if self._kernels.ls_bpe_add(self._handle, encoded, len(encoded)):
            raise _no_memory()

    @property
    def held_bytes(self) -> int:
        """Memory that the distinct words take; learning takes about fifteen times as much."""
        return int(self._kernels.ls_bpe_word_bytes(self._handle))

    def split(self, text: str) -> list[bytes]:
        """Return the words into which a text is cut, for tests."""
        encoded = text.encode("utf-8", "replace")
        ends = np.zeros(len(encoded), np.uint64)
        count = self._kernels.ls_bpe_split(
            self._handle, encoded, len(encoded), ends.ctypes.data, len(ends)
        )
        edges = [0, *ends[:count].tolist()]
        return [encoded[start:end] for start, end in itertools.pairwise(edges)]

    def learn(
        self, *, num_merges: int, least_count: int, byte_ids: Sequence[int]
    ) -> list[tuple[int, int]]:
        """Return the pairs of ids that are merged, in order; merge m makes id 256 + m. Call once.

        The most frequent pair comes first, of equally frequent ones the smallest.

        Args:
            num_merges: at most so many.
            least_count: pairs less frequent than this are not merged.
            byte_ids: the id of each byte, a permutation of 0 to 255.

        Raises:
            EngineError: there is no memory left.
        """
        pairs = np.zeros((max(num_merges, 1), 2), np.uint32)
        count = self._kernels.ls_bpe_train(
            self._handle, bytes(byte_ids), num_merges, least_count, pairs.ctypes.data
        )
        if count < 0:
            raise _no_memory()
        return [(left, right) for left, right in pairs[:count].tolist()]


@cache
def character_classes() -> npt.NDArray[np.uint8]:
    """Return for each code point whether it is a letter, a number, white space or none of these."""
    import regex

    every = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    classes = np.full(0x110000, _APART, np.uint8)
    for name, number in ((r"\p{L}+", _LETTER), (r"\p{N}+", _NUMBER), (r"\p{White_Space}+", _SPACE)):
        for match in regex.finditer(name, every):
            classes[_runs(match.start(), match.end())] = number
    return classes


def _runs(start: int, end: int) -> npt.NDArray[np.int64]:
    """Return the code points of places in the string of all characters, which lacks surrogates."""
    places = np.arange(start, end)
    return np.where(places < 0xD800, places, places + 0x800)


def learn_merges(
    texts: Iterable[str], *, num_merges: int, least_count: int, byte_ids: Sequence[int]
) -> list[tuple[int, int]]:
    """Return merges learnt from texts, as `MergeLearner.learn` does."""
    with MergeLearner() as learner:
        for text in texts:
            learner.add(text)
        return learner.learn(num_merges=num_merges, least_count=least_count, byte_ids=byte_ids)


def _no_memory() -> EngineError:
    return EngineError(
        "there is no memory left to learn a tokenizer; lower tokenize.max_training_bytes"
    )


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    kernels.ls_bpe_new.argtypes, kernels.ls_bpe_new.restype = [pointer], pointer
    kernels.ls_bpe_add.argtypes = [pointer, ctypes.c_char_p, size]
    kernels.ls_bpe_split.argtypes = [pointer, ctypes.c_char_p, size, pointer, size]
    kernels.ls_bpe_split.restype = size
    kernels.ls_bpe_word_bytes.argtypes, kernels.ls_bpe_word_bytes.restype = [pointer], size
    kernels.ls_bpe_train.argtypes = [
        pointer, ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64, pointer,
    ]  # fmt: skip
    kernels.ls_bpe_train.restype = ctypes.c_int64
    kernels.ls_bpe_free.argtypes = [pointer]
    return kernels

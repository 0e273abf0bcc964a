"""Finds known runs of words in texts: typed calls of `overlap.c`."""

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.native.library import load_library

_BITS_PER_RUN = 32  # of the bitmap; one prefix in 250 is then looked at in vain

_Hashes = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class Runs:
    """Known runs of words, to be found in texts."""

    hashes: _Hashes  # sorted
    owners: NDArray[np.int64]  # whose each run is
    lengths: _Hashes  # that occur, ascending; words
    bits: NDArray[np.uint8]  # of prefixes

    @classmethod
    def build(cls, texts: Iterable[tuple[int, _Hashes, int]]) -> "Runs":
        """Return the runs of texts: whose, the hashes of its words, the length of its runs.

        A run of several owners belongs to the first that is given.
        """
        known = [text for text in texts if len(text[1]) >= text[2] > 0]
        counts = [len(words) - length + 1 for _, words, length in known]
        lengths = np.array(sorted({length for _, _, length in known}), np.uint64)
        size = 1 << max(10, (sum(counts) * _BITS_PER_RUN).bit_length())
        bits, hashes = np.zeros(size // 8, np.uint8), np.empty(sum(counts), np.uint64)
        at = 0
        for (_, words, length), count in zip(known, counts, strict=True):
            whole = np.ascontiguousarray(words, np.uint64)
            _declare().ls_overlap_add(
                whole.ctypes.data, len(whole), length, int(lengths[0]),
                bits.ctypes.data, size - 1, hashes[at:].ctypes.data,
            )  # fmt: skip
            at += count
        hashes, first = np.unique(hashes, return_index=True)
        owners = np.repeat(np.array([text[0] for text in known], np.int64), counts)
        return cls(hashes, owners[first], lengths, bits)

    def find(self, words: _Hashes) -> tuple[int, int | None]:
        """Return at how many words of a text a known run begins, and whose the first one is."""
        if not len(self.hashes):
            return 0, None
        words = np.ascontiguousarray(words, np.uint64)
        found = ctypes.c_uint64()
        count = _declare().ls_overlap_find(
            words.ctypes.data, len(words), int(self.lengths[0]),
            self.bits.ctypes.data, 8 * len(self.bits) - 1,
            self.hashes.ctypes.data, len(self.hashes),
            self.lengths.ctypes.data, len(self.lengths), ctypes.byref(found),
        )  # fmt: skip
        return count, int(self.owners[found.value]) if count else None


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size, word = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint64
    kernels.ls_overlap_add.argtypes = [pointer, size, size, size, pointer, word, pointer]
    kernels.ls_overlap_add.restype = None
    kernels.ls_overlap_find.argtypes = [
        pointer, size, size, pointer, word, pointer, size, pointer, size, pointer,
    ]  # fmt: skip
    kernels.ls_overlap_find.restype = size
    return kernels

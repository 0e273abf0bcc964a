"""Splits text into hashes of words: typed calls of `words.c`."""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.native.code_points import NUM_POINTS, has_category, is_space
from lodesmith.native.library import load_library

_MARK, _WORD, _DIGIT, _SINGLE, _BLANK, _LINE, _SOFT_MARK, _QUOTE = range(8)
_LINE_ENDS = "\n\r\v\f\x85\u2028\u2029"
_SOFT_MARKS = "-_./:@&+~=\u2010\u2011"
_QUOTES = "'`*\"\xb4\xb7\u2018\u2019\u201c\u201d\u200b\u200c\u200d\u2060\ufeff\xad"
_SINGLE_RANGES = (
    (0x3005, 0x3007), (0x3041, 0x30FF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF), (0xFF66, 0xFF9D),
)  # fmt: skip


def split(encoded: bytes) -> tuple[NDArray[np.uint64], NDArray[np.int64], NDArray[np.uint8]]:
    """Return the words of a text in UTF-8: hashes, lengths in code points, flags.

    Flag 1 stands for a Chinese character or kana, 2 for a word that is not digits only, 4 for one
    that a mark parts from the word before, 8 for the first of a line.
    """
    kernels, classes = _declare(), word_classes()
    room = len(encoded) // 2 + 1
    hashes = np.empty(room, np.uint64)
    lengths = np.empty(room, np.int64)
    flags = np.empty(room, np.uint8)
    count = kernels.ls_words_split(
        encoded, len(encoded), classes.ctypes.data,
        hashes.ctypes.data, lengths.ctypes.data, flags.ctypes.data,
    )  # fmt: skip
    return hashes[:count], lengths[:count], flags[:count]


def hash_runs(hashes: NDArray[np.uint64], num_words: int) -> NDArray[np.uint64]:
    """Return the hash of each run of so many words, 1 <= num_words <= len(hashes)."""
    hashes = np.ascontiguousarray(hashes, np.uint64)
    runs = np.empty(len(hashes) - num_words + 1, np.uint64)
    _declare().ls_words_runs(hashes.ctypes.data, len(hashes), num_words, runs.ctypes.data)
    return runs


@cache
def word_classes() -> NDArray[np.uint32]:
    """Return for each code point of two planes its lower case and, above bit 24, its class."""
    table = np.arange(NUM_POINTS, dtype=np.uint32)
    kinds = np.zeros(NUM_POINTS, dtype=np.uint32)
    kinds[is_space()] = _BLANK
    for kind, chars in ((_LINE, _LINE_ENDS), (_SOFT_MARK, _SOFT_MARKS), (_QUOTE, _QUOTES)):
        kinds[[ord(char) for char in chars]] = kind
    kinds[has_category("L", "M")] = _WORD  # marks are what Indic scripts write vowels with
    kinds[has_category("N")] = _DIGIT
    for point in np.flatnonzero(has_category("Lu", "Lt", "Nl")).tolist():
        lower = chr(point).lower()
        table[point] = ord(lower) if len(lower) == 1 else point
    for first, last in _SINGLE_RANGES:
        kinds[first : last + 1] = _SINGLE
    return table | kinds << np.uint32(24)


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    kernels.ls_words_split.argtypes = [ctypes.c_char_p, size, pointer, pointer, pointer, pointer]
    kernels.ls_words_split.restype = size
    kernels.ls_words_runs.argtypes = [pointer, size, size, pointer]
    kernels.ls_words_runs.restype = None
    return kernels

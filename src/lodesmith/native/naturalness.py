"""Looks up runs of words in a Bloom filter of usual ones: typed calls of `naturalness.c`."""

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.errors import EngineError
from lodesmith.native.library import load_library

Hashes = NDArray[np.uint64]
Levels = NDArray[np.uint8]
_NUM_LEVELS, _NUM_TABLES, _NUM_KEYWORDS = 5, 4, 9


class _Model(ctypes.Structure):
    _fields_ = (
        ("filter", ctypes.c_void_p),
        ("num_bits", ctypes.c_uint64),
        ("function_words", ctypes.c_void_p),
        ("num_function_words", ctypes.c_uint64),
        ("salts", ctypes.c_uint64 * 3),
        ("num_levels", ctypes.c_uint32 * 3),
    )


@dataclass(frozen=True, slots=True)
class RunSorts:
    """What tells pairs, triples and edges apart in a filter, and how many levels each has."""

    salts: tuple[int, int, int]
    num_levels: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Keywords:
    """Where keywords stand, in parts: Chinese characters, or words of another script."""

    between: int  # clauses of prose
    clauses_between: int  # how many clauses those are
    listed: int
    clauses_listed: int
    dense: int  # with the word that has most of what comes back
    dense_copies: int  # how often that word stands in the text
    stretched: int  # in long clauses without grammar whose pairs come back
    bound: int  # pairs of a word of grammar and another
    bound_again: int  # those of them that come back


@dataclass(frozen=True, slots=True)
class Measured:
    """What a text shows; symbols are places in the tables of words, pairs, triples and sizes."""

    words: Hashes
    sizes: Levels  # of the words, in parts
    symbols: list[NDArray[np.int64]]
    num_at_level: list[int]  # words that are at least so frequent: levels 1 to 5
    tops: list[int]  # of words, pairs, triples: copies of the three most frequent
    num_function: int
    num_covered: int  # words in pairs that stand four times or more
    num_words: int
    keywords: Keywords


def key_runs(parts: Hashes, run: int, level: int) -> Hashes:
    """Return the key of each run of `run` parts at a level."""
    parts = np.ascontiguousarray(parts, np.uint64)
    keys = np.empty(max(len(parts) - run + 1, 0), np.uint64)
    _declare().ls_natural_keys(parts.ctypes.data, len(parts), run, level, keys.ctypes.data)
    return keys


def add_keys(keys: Hashes, bits: Levels) -> None:
    """Put keys into a filter, in place."""
    keys = np.ascontiguousarray(keys, np.uint64)
    _declare().ls_natural_add(keys.ctypes.data, len(keys), bits.ctypes.data, 8 * len(bits))


def find_levels(parts: Hashes, run: int, bits: Levels, *, num_levels: int) -> Levels:
    """Return the level of each run of `run` parts, 0 for unknown ones.

    Args:
        parts: hashes of a text's words.
        run: how many.
        bits: the filter.
        num_levels: the highest level that such runs have.
    """
    parts = np.ascontiguousarray(parts, np.uint64)
    levels = np.zeros(max(len(parts) - run + 1, 0), np.uint8)
    _declare().ls_natural_levels(
        parts.ctypes.data, len(parts), run, num_levels,
        bits.ctypes.data, 8 * len(bits), levels.ctypes.data,
    )  # fmt: skip
    return levels


def segment(parts: Hashes, flags: Levels, bits: Levels) -> tuple[Hashes, Levels, Levels]:
    """Return words made of Chinese characters, and all other words as they are.

    Args:
        parts: hashes as `words.split` gives them.
        flags: 1 for a Chinese character, likewise.
        bits: the filter, in which known words are runs of one to four parts.

    Returns:
        Hashes of the words, their levels of frequency (0 unknown, 5 highest), their sizes in parts.
    """
    parts = np.ascontiguousarray(parts, np.uint64)
    flags = np.ascontiguousarray(flags, np.uint8)
    words, levels = np.empty(len(parts), np.uint64), np.empty(len(parts), np.uint8)
    sizes = np.empty(len(parts), np.uint8)
    count = _declare().ls_natural_segment(
        parts.ctypes.data, flags.ctypes.data, len(parts), bits.ctypes.data, 8 * len(bits),
        words.ctypes.data, levels.ctypes.data, sizes.ctypes.data,
    )  # fmt: skip
    if count < 0:
        raise EngineError("there is no memory left to judge a text; use fewer workers")
    return words[:count], levels[:count], sizes[:count]


def measure(
    parts: Hashes, flags: Levels, bits: Levels, function_words: Hashes, sorts: RunSorts
) -> Measured:
    """Return what a text shows.

    Args:
        parts: hashes as `words.split` gives them.
        flags: of each part, likewise.
        bits: the filter.
        function_words: sorted hashes of the words of grammar.
        sorts: how runs were put into the filter.
    """
    parts, flags, bits, function_words = (
        np.ascontiguousarray(parts, np.uint64), np.ascontiguousarray(flags, np.uint8),
        np.ascontiguousarray(bits, np.uint8), np.ascontiguousarray(function_words, np.uint64),
    )  # fmt: skip
    model = _Model(
        bits.ctypes.data, 8 * len(bits), function_words.ctypes.data, len(function_words),
        sorts.salts, sorts.num_levels,
    )  # fmt: skip
    words, sizes = np.empty(len(parts), np.uint64), np.empty(len(parts), np.uint8)
    symbols = np.empty((_NUM_TABLES, len(parts)), np.int64)
    numbers = np.empty(_NUM_LEVELS + 5 + _NUM_KEYWORDS, np.int64)
    count = _declare().ls_natural_measure(
        ctypes.byref(model), parts.ctypes.data, flags.ctypes.data, len(parts),
        words.ctypes.data, sizes.ctypes.data, symbols.ctypes.data, numbers.ctypes.data,
    )  # fmt: skip
    if count < 0:
        raise EngineError("there is no memory left to judge a text; use fewer workers")
    lengths = (count, max(count - 1, 0), max(count - 2, 0), count)
    found, keywords = numbers[:-_NUM_KEYWORDS].tolist(), numbers[-_NUM_KEYWORDS:].tolist()
    return Measured(
        words=words[:count],
        sizes=sizes[:count],
        symbols=[row[:length] for row, length in zip(symbols, lengths, strict=True)],
        num_at_level=found[:_NUM_LEVELS],
        tops=found[_NUM_LEVELS:-2],
        num_function=found[-2],
        num_covered=found[-1],
        num_words=count,
        keywords=Keywords(*keywords),
    )


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size, number, long = (
        ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32, ctypes.c_uint64,
    )  # fmt: skip
    kernels.ls_natural_keys.argtypes = [pointer, size, number, number, pointer]
    kernels.ls_natural_add.argtypes = [pointer, size, pointer, long]
    kernels.ls_natural_levels.argtypes = [
        pointer, size, number, number, pointer, long, pointer,
    ]  # fmt: skip
    kernels.ls_natural_segment.argtypes = [
        pointer, pointer, size, pointer, long, pointer, pointer, pointer,
    ]  # fmt: skip
    kernels.ls_natural_measure.argtypes = [
        pointer, pointer, pointer, size, pointer, pointer, pointer, pointer,
    ]  # fmt: skip
    kernels.ls_natural_segment.restype = kernels.ls_natural_measure.restype = ctypes.c_int64
    for name in ("keys", "add", "levels"):
        getattr(kernels, f"ls_natural_{name}").restype = None
    return kernels

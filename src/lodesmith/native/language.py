"""Scores languages with py3langid's model, and counts what lines are written in: `language.c`."""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from typing import NamedTuple

import numpy as np

from lodesmith.native.library import load_library

_SCALE = 1 << 11  # weights are kept as integers, so that sums depend on no processor
_MAX_COUNT = 63


class _Model(ctypes.Structure):
    _fields_ = (
        ("next", ctypes.c_void_p),
        ("rows", ctypes.c_void_p),
        ("features", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("of_count", ctypes.c_void_p),
        ("num_languages", ctypes.c_int64),
    )


@dataclass(frozen=True, slots=True)
class Automaton:
    """Byte sequences, and what each is worth for each language."""

    next: np.ndarray  # (rows * 256,) following states
    rows: np.ndarray  # (states,) which row a state has
    features: np.ndarray  # (states,) the feature that ends there; -1 for none
    weights: np.ndarray  # (features, languages) natural logarithms
    priors: np.ndarray  # (languages,) natural logarithms


class Scorer:
    """Scores texts; one for each thread, because it keeps its scratch space."""

    def __init__(self, automaton: Automaton) -> None:
        """Take over the tables.

        Raises:
            ValueError: a state or feature lies outside of them.
        """
        _check(automaton)
        num_features, self.num_languages = automaton.weights.shape
        counts = np.log1p(np.arange(_MAX_COUNT + 1)) * _SCALE
        self._tables = (
            np.ascontiguousarray(automaton.next, dtype=np.uint32),
            np.ascontiguousarray(automaton.rows, dtype=np.uint32),
            np.ascontiguousarray(automaton.features, dtype=np.int32),
            np.ascontiguousarray(np.rint(automaton.weights * np.float32(_SCALE)), dtype=np.int16),
            np.ascontiguousarray(np.rint(counts), dtype=np.int32),
        )
        self._priors = automaton.priors
        self._counts = np.zeros(num_features, dtype=np.int32)
        self._found = np.zeros(num_features, dtype=np.int32)
        addresses = [table.ctypes.data for table in self._tables]
        self._model = _Model(*addresses, self.num_languages)
        self._address = ctypes.addressof(self._model)
        self._scratch = (self._counts.ctypes.data, self._found.ctypes.data)

    def score(self, text: bytes) -> np.ndarray | None:
        """Return the logarithm of each language's likelihood; None if nothing speaks for any."""
        scores = np.zeros(self.num_languages, dtype=np.int64)
        num_found = _declare().ls_language_score(
            self._address, text, len(text), *self._scratch, scores.ctypes.data
        )
        if not num_found:
            return None
        likelihoods: np.ndarray = scores / float(_SCALE * _SCALE) + self._priors
        return likelihoods


def _check(automaton: Automaton) -> None:
    num_states, num_rows = len(automaton.rows), len(automaton.next) // 256
    num_features = len(automaton.weights)
    whole = (
        len(automaton.features) == num_states
        and int(np.max(automaton.next)) < num_states
        and int(np.max(automaton.rows)) < num_rows
        and int(np.max(automaton.features)) < num_features
        and int(np.min(automaton.features)) >= -1
        and float(np.max(np.abs(automaton.weights))) < 2**15 / _SCALE
    )
    if not whole:
        raise ValueError("the tables of the language model do not fit together")


NUM_POINTS = 0x40000  # code points in a table of classes; no letters lie beyond
LETTER, CJK, KANA, HANGUL, OTHER, IN_WORD, OWN, ODD = (1 << bit for bit in range(8))


class LineCensus(NamedTuple):
    """What stands in a line: letters in all of it, all others without its addresses."""

    all_letters: int
    letters: int  # that are not CJK
    cjk: int
    kana: int
    hangul: int
    words: int  # runs of OTHER
    joined_words: int  # the same where CJK characters have been taken out
    english: int  # of these, words that English has often
    own: int
    odd: int  # letters that are like those of English words without regard to case


def count_lines(lines: Sequence[str], classes: np.ndarray) -> list[LineCensus]:
    """Return what stands in each line.

    Args:
        lines: texts of any length.
        classes: (NUM_POINTS,) uint8; the bits above for each code point.
    """
    if classes.dtype != np.uint8 or classes.shape != (NUM_POINTS,):
        raise TypeError(f"a table of classes is needed, got {classes.dtype} {classes.shape}")
    pieces = [line.encode("utf-8", "surrogatepass") for line in lines]
    ends = np.fromiter(accumulate(map(len, pieces)), np.int64, len(pieces))
    found = np.empty((len(pieces), len(LineCensus._fields)), np.int32)
    _declare().ls_language_count(
        b"".join(pieces), ends.ctypes.data, len(pieces), classes.ctypes.data, found.ctypes.data
    )
    return list(map(LineCensus._make, found.tolist()))


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    kernels.ls_language_score.argtypes = [
        pointer, ctypes.c_char_p, size, pointer, pointer, pointer,
    ]  # fmt: skip
    kernels.ls_language_score.restype = ctypes.c_int64
    kernels.ls_language_count.argtypes = [ctypes.c_char_p, pointer, size, pointer, pointer]
    kernels.ls_language_count.restype = None
    return kernels

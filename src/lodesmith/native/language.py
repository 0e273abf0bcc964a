"""Scores the languages of a text with py3langid's model, many times as fast as in Python."""

import ctypes
from dataclasses import dataclass
from typing import Any

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

    def score(self, text: bytes) -> np.ndarray | None:
        """Return the logarithm of each language's likelihood; None if nothing speaks for any."""
        scores = np.zeros(self.num_languages, dtype=np.int64)
        library: Any = load_library()
        library.ls_language_score.restype = ctypes.c_int64
        num_found = library.ls_language_score(
            ctypes.byref(self._model),
            text,
            ctypes.c_size_t(len(text)),
            self._counts.ctypes.data_as(ctypes.c_void_p),
            self._found.ctypes.data_as(ctypes.c_void_p),
            scores.ctypes.data_as(ctypes.c_void_p),
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

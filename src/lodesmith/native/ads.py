"""Scores the lines of a text by hashed runs of characters: typed calls of `ads.c`."""

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.native.library import load_library

NUM_SLOTS, NUM_TRAITS, TRAITS_OF_A_LINE = 1 << 18, 256, 13
_MAX_RUNS = 6 * 1026


@dataclass(frozen=True, slots=True)
class Weights:
    """What runs of characters and traits of a line are worth."""

    runs: NDArray[np.int8]  # (NUM_SLOTS,), each worth 1 / scale of a logit
    traits: NDArray[np.int16]  # (NUM_TRAITS,), thousandths of a logit
    scale: float

    def __post_init__(self) -> None:
        """Refuse tables that the kernel would read beyond."""
        runs, traits = self.runs, self.traits
        whole = (
            runs.dtype == np.int8
            and runs.shape == (NUM_SLOTS,)
            and runs.flags.c_contiguous
            and traits.dtype == np.int16
            and traits.shape == (NUM_TRAITS,)
            and traits.flags.c_contiguous
            and self.scale > 0
        )
        if not whole:
            raise ValueError("the tables of the model of advertising do not fit together")


def score_lines(text: str, weights: Weights) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
    """Return each line's score in thousandths of a logit, and its width in columns."""
    data = text.encode("utf-8", "surrogatepass")
    num_lines = data.count(b"\n") + 1
    scores, columns = np.empty(num_lines, np.int32), np.empty(num_lines, np.uint32)
    _declare().ls_ads_score(
        data, len(data), weights.runs.ctypes.data, weights.scale,
        weights.traits.ctypes.data, scores.ctypes.data, columns.ctypes.data,
    )  # fmt: skip
    return scores, columns


def features_of(line: str) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Return the slots of a line's runs, repeated ones too, and its traits: for training."""
    data = line.encode("utf-8", "surrogatepass")
    slots = np.empty(_MAX_RUNS + TRAITS_OF_A_LINE, np.uint32)
    num_runs = _declare().ls_ads_features(data, len(data), slots.ctypes.data)
    return slots[:num_runs].copy(), slots[num_runs : num_runs + TRAITS_OF_A_LINE].copy()


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    kernels.ls_ads_score.argtypes = [
        ctypes.c_char_p, size, pointer, ctypes.c_double, pointer, pointer, pointer,
    ]  # fmt: skip
    kernels.ls_ads_score.restype = None
    kernels.ls_ads_features.argtypes = [ctypes.c_char_p, size, pointer]
    kernels.ls_ads_features.restype = ctypes.c_uint32
    return kernels

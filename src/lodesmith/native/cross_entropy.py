"""Cross entropy of rows of scores, and its gradient: typed calls of `cross_entropy.c`.

Shapes: L rows, V scores in each.
"""
# ruff: noqa: N803 shape suffixes are the house's names for arrays

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.native.library import load_library

_Floats = NDArray[np.float32]
_Labels = NDArray[np.int64]


def label_losses(
    scores_LV: _Floats, labels_L: _Labels, losses_L: _Floats, normalisers_L: _Floats
) -> None:
    """Write the loss of each row's label in nats, and the log of the sum of its scores' powers.

    Args:
        scores_LV: row by row without gaps.
        labels_L: below V; below 0 where a row has none, for which 0 is written.
        losses_L: written.
        normalisers_L: written.
    """
    _declare().ls_cross_entropy(
        scores_LV.ctypes.data, *scores_LV.shape, labels_L.ctypes.data,
        losses_L.ctypes.data, normalisers_L.ctypes.data,
    )  # fmt: skip


def put_gradients(
    scores_LV: _Floats,
    labels_L: _Labels,
    normalisers_L: _Floats,
    *,
    of_losses_L: _Floats,
    of_normalisers_L: _Floats,
) -> None:
    """Put gradients in the place of scores.

    Args:
        scores_LV: those that `label_losses` was given; overwritten.
        labels_L: the same.
        normalisers_L: what it wrote.
        of_losses_L: gradient of each row's loss.
        of_normalisers_L: gradient of each row's log of the sum of powers.
    """
    _declare().ls_cross_entropy_gradient(
        scores_LV.ctypes.data, *scores_LV.shape, labels_L.ctypes.data, normalisers_L.ctypes.data,
        of_losses_L.ctypes.data, of_normalisers_L.ctypes.data,
    )  # fmt: skip


@cache
def _declare() -> ctypes.CDLL:
    library = load_library()
    size, address = ctypes.c_size_t, ctypes.c_void_p
    library.ls_cross_entropy.argtypes = [address, size, size, address, address, address]
    library.ls_cross_entropy.restype = None
    gradient = library.ls_cross_entropy_gradient
    gradient.argtypes = [address, size, size, address, address, address, address]
    gradient.restype = None
    return library

"""Counts the characters of a text by class, hundreds of megabytes a second."""

import ctypes
from collections.abc import Callable
from typing import Any

import numpy as np

from lodesmith.native.library import load_library

NUM_CLASSES = 16
_PLANE = 0x10000
_NUM_ENTRIES = _PLANE + 16


def class_table(class_of: Callable[[int], int], higher_planes: int = 0) -> np.ndarray:
    """Return a table for `count_classes`.

    Args:
        class_of: the class of a code point of the first plane, in [0, 16).
        higher_planes: the class of all others.
    """
    table = np.full(_NUM_ENTRIES, higher_planes, dtype=np.uint8)
    table[:_PLANE] = [class_of(code) for code in range(_PLANE)]
    return table


def count_classes(text: bytes, table: np.ndarray) -> np.ndarray:
    """Return how often a character of one class follows one of another in UTF-8 text.

    Args:
        text: UTF-8; a byte that is none counts as U+FFFD.
        table: as `class_table` made it.

    Returns:
        Shape (16, 16), int64: class before (0 at the start), class; so a column's sum is how many
        characters of its class there are.
    """
    if table.dtype != np.uint8 or table.shape != (_NUM_ENTRIES,):
        raise TypeError(f"a table of classes is needed, got {table.dtype} {table.shape}")
    counts = np.zeros((NUM_CLASSES, NUM_CLASSES), dtype=np.int64)
    library: Any = load_library()
    library.ls_census_count(
        text,
        ctypes.c_size_t(len(text)),
        table.ctypes.data_as(ctypes.c_void_p),
        counts.ctypes.data_as(ctypes.c_void_p),
    )
    return counts

"""Keys of a catalog's rows, a column at a time: typed calls of `catalog.c`."""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.native.library import load_library

KEY_BYTES = 12
_PERSON_BYTES = 16


def hash_column(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], *, person: bytes
) -> NDArray[np.uint8]:
    """Return 12 bytes for each string: BLAKE2b as of hashlib, shape (strings, 12).

    Args:
        data: the strings' bytes, one behind the other.
        offsets: where each begins and the last one ends, one more than there are strings.
        person: what the strings are, at most 16 bytes; separates equal strings of other kinds.

    Raises:
        ValueError: an offset lies outside of the data, or before the one before it.
    """
    data, offsets = np.ascontiguousarray(data), np.ascontiguousarray(offsets)
    falls = len(offsets) and bool((np.diff(offsets) < 0).any())
    if not len(offsets) or falls or offsets[0] < 0 or offsets[-1] > data.nbytes:
        raise ValueError("the offsets of a column of strings do not lie in its data")
    keys = np.empty((len(offsets) - 1, KEY_BYTES), np.uint8)
    _declare().ls_catalog_keys(
        data.ctypes.data, offsets.ctypes.data, len(keys),
        person.ljust(_PERSON_BYTES, b"\0"), keys.ctypes.data,
    )  # fmt: skip
    return keys


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer = ctypes.c_void_p
    kernels.ls_catalog_keys.argtypes = [pointer, pointer, ctypes.c_size_t, ctypes.c_char_p, pointer]
    kernels.ls_catalog_keys.restype = None
    return kernels

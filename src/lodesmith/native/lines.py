"""Hashes texts and their lines: typed calls of `lines.c`."""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.native.library import load_library


def hash_text(text: str) -> int:
    """Return a 64-bit hash of a text, the same for any case and spacing."""
    encoded = text.casefold().encode("utf-8", "surrogatepass")
    return int(_declare().ls_lines_text(encoded, len(encoded)))


def hash_lines(text: str, *, max_counter: int) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return for each line a hash, the same for any case, and how many columns it takes.

    Args:
        text: any.
        max_counter: in lines of so many characters at most, all digits are taken for 0.
    """
    encoded = text.casefold().encode("utf-8", "surrogatepass")
    num_lines = encoded.count(b"\n") + 1
    hashes, columns = np.empty(num_lines, np.uint64), np.empty(num_lines, np.uint64)
    _declare().ls_lines_hash(
        encoded, len(encoded), max_counter, hashes.ctypes.data, columns.ctypes.data
    )
    return hashes, columns


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    kernels.ls_lines_text.argtypes = [ctypes.c_char_p, size]
    kernels.ls_lines_text.restype = ctypes.c_uint64
    kernels.ls_lines_hash.argtypes = [ctypes.c_char_p, size, size, pointer, pointer]
    kernels.ls_lines_hash.restype = size
    return kernels

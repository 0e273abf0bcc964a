"""Checks buffers block by block: typed calls of `blocks.c`."""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.native.library import load_library


def block_sums(data: NDArray[np.uint8], *, block_bytes: int) -> NDArray[np.uint32]:
    """Return the CRC-32 of each block of a contiguous buffer; the last block may be shorter.

    >>> block_sums(np.frombuffer(b"123456789" * 2, np.uint8), block_bytes=9).tolist()
    [3421780262, 3421780262]
    """
    if not data.flags.c_contiguous:
        raise ValueError("blocks are counted in contiguous buffers only")
    sums = np.empty(-(-data.size // block_bytes), np.uint32)
    _declare().ls_blocks_crc32(data.ctypes.data, data.size, block_bytes, sums.ctypes.data)
    return sums


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    kernels.ls_blocks_crc32.argtypes = [pointer, size, size, pointer]
    kernels.ls_blocks_crc32.restype = None
    return kernels

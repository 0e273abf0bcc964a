"""MinHash signatures of texts, their bands, and links between alike ones: calls of `minhash.c`."""

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.errors import EngineError
from lodesmith.native.library import load_library

MAX_RUN = 64  # characters or words
REACH = 32  # how many of a bucket's first, and how many before it, a text is compared with
_FAILED = ctypes.c_size_t(-1).value

Signature = NDArray[np.uint32]


def sign_characters(text: str, *, run: int, num_functions: int) -> Signature | None:
    """Return the least hash of a text's runs of characters, white space and case left out.

    None is returned for a text without any character.
    """
    encoded = text.lower().encode("utf-8", "surrogatepass")
    factors, offsets = _functions(num_functions)
    lowest = np.empty(num_functions, np.uint32)
    count = _declare().ls_minhash_characters(
        encoded, len(encoded), run,
        factors.ctypes.data, offsets.ctypes.data, lowest.ctypes.data, num_functions,
    )  # fmt: skip
    return lowest if count else None


def sign_words(words: NDArray[np.uint64], *, run: int, num_functions: int) -> Signature | None:
    """Return the least hash of runs of words, given as their hashes; None for no word."""
    words = np.ascontiguousarray(words, np.uint64)
    factors, offsets = _functions(num_functions)
    lowest = np.empty(num_functions, np.uint32)
    count = _declare().ls_minhash_words(
        words.ctypes.data, len(words), run,
        factors.ctypes.data, offsets.ctypes.data, lowest.ctypes.data, num_functions,
    )  # fmt: skip
    return lowest if count else None


def band_keys(
    signatures: NDArray[np.uint32], *, num_bands: int, num_rows: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the keys of each signature's bands, (texts, bands), and a digest of each signature."""
    signatures = np.ascontiguousarray(signatures, np.uint32)
    keys = np.empty((len(signatures), num_bands), np.uint64)
    digests = np.empty(len(signatures), np.uint64)
    _declare().ls_minhash_bands(
        signatures.ctypes.data, len(signatures), num_bands, num_rows,
        keys.ctypes.data, digests.ctypes.data,
    )  # fmt: skip
    return keys, digests


def link(
    signatures: NDArray[np.uint32],
    members: NDArray[np.uint32],
    starts: NDArray[np.uint64],
    *,
    min_equal: int,
) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:
    """Return links between signatures of one bucket that are alike: a spanning forest of each.

    Args:
        signatures: (texts, functions).
        members: numbers of signatures, bucket after bucket, none twice in one bucket.
        starts: where each bucket begins in `members`, and where the last one ends.
        min_equal: equal numbers from which two signatures are alike.

    Returns:
        For each link the places of its two ends in `members`, the earlier one first, and how many
        numbers are equal.
    """
    signatures = np.ascontiguousarray(signatures, np.uint32)
    members = np.ascontiguousarray(members, np.uint32)
    starts = np.ascontiguousarray(starts, np.uint64)
    left, right, equal = (np.empty(len(members), np.uint32) for _ in range(3))
    count = _declare().ls_minhash_link(
        signatures.ctypes.data, signatures.shape[1], members.ctypes.data, starts.ctypes.data,
        len(starts) - 1, min_equal, REACH, left.ctypes.data, right.ctypes.data, equal.ctypes.data,
    )  # fmt: skip
    if count == _FAILED:
        raise EngineError("there is no memory left to compare documents; use fewer workers")
    return left[:count], right[:count], equal[:count]


@cache
def _functions(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    factors, offsets = np.empty(count, np.uint32), np.empty(count, np.uint32)
    _declare().ls_minhash_functions(count, factors.ctypes.data, offsets.ctypes.data)
    return factors, offsets


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    kernels.ls_minhash_functions.argtypes = [size, pointer, pointer]
    kernels.ls_minhash_functions.restype = None
    kernels.ls_minhash_characters.argtypes = [
        ctypes.c_char_p, size, size, pointer, pointer, pointer, size,
    ]  # fmt: skip
    kernels.ls_minhash_characters.restype = size
    kernels.ls_minhash_words.argtypes = [pointer, size, size, pointer, pointer, pointer, size]
    kernels.ls_minhash_words.restype = size
    kernels.ls_minhash_bands.argtypes = [pointer, size, size, size, pointer, pointer]
    kernels.ls_minhash_bands.restype = None
    kernels.ls_minhash_link.argtypes = [
        pointer, size, pointer, pointer, size, size, size, pointer, pointer, pointer,
    ]  # fmt: skip
    kernels.ls_minhash_link.restype = size
    return kernels

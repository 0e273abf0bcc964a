"""Finds words that stand in place of others by their neighbours: typed calls of `replaced.c`."""

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.errors import EngineError
from lodesmith.native.library import load_library
from lodesmith.native.naturalness import Hashes, Levels

REACH, WIDTH, HIDDEN, NUM_MARKS = 3, 16, 32, 3
UNKNOWN, NUMBER, BEYOND = range(NUM_MARKS)  # the first rows of vectors: no word of the list
NO_PAIR = 648  # the symbol of a pair at either end of a text; those below are of naturalness.c
LEVELS = range(-4, 4)  # logits above which words are counted
MOST = 6  # logits of a word that count
MAX_JUDGED = 256  # words of a text
TABLES = (
    "keys", "vectors", "own", "window", "subject", "before", "after", "offsets", "output",
)  # fmt: skip
_NUM_SUMS = len(LEVELS) + 2
_SPAN = (2 * REACH + 1) * WIDTH


@dataclass(frozen=True, slots=True)
class Network:
    """What each word is, and how the words around it speak for or against it; whole numbers."""

    keys: NDArray[np.uint32]  # upper halves of the words' hashes
    vectors: NDArray[np.int16]  # (NUM_MARKS + words, WIDTH)
    own: NDArray[np.int32]  # (NUM_MARKS + words,)
    window: NDArray[np.int16]  # (HIDDEN, (2 * REACH + 1) * WIDTH), a word's left neighbours first
    subject: NDArray[np.int16]  # (HIDDEN, WIDTH)
    before: NDArray[np.int32]  # (NO_PAIR + 1, HIDDEN), what the pair that ends in a word adds
    after: NDArray[np.int32]  # (NO_PAIR + 1, HIDDEN), and the pair that begins with it
    offsets: NDArray[np.int32]  # (HIDDEN,)
    output: NDArray[np.int32]  # (HIDDEN,)
    hidden_shift: int  # bits of a hidden unit that do not count
    offset: int
    scale: int  # of one logit


@dataclass(frozen=True, slots=True)
class Replaced:
    """What the words of a text say together; of a long one every second, or third, and so on."""

    num_judged: int
    sum: float  # of the logits, each between -MOST and MOST
    num_above: tuple[int, ...]  # words whose logit is above each of LEVELS


class _Model(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("keys", "slots")),
        ("mask", ctypes.c_uint64),
        *(
            (name, ctypes.c_void_p)
            for name in TABLES[1:]  # the keys stand before the slots
        ),
        *((name, ctypes.c_int64) for name in ("hidden_shift", "offset", "scale")),
    )


class Detector:
    """A network that is ready for texts."""

    def __init__(self, network: Network) -> None:
        """Take the network over.

        Raises:
            ValueError: its tables do not fit together.
        """
        _check(network)
        self.scale = network.scale
        mask = (1 << int(2 * len(network.keys)).bit_length()) - 1
        slots = np.zeros(mask + 1, np.uint32)
        self._tables = {name: np.ascontiguousarray(getattr(network, name)) for name in TABLES} | {
            "slots": slots
        }  # kept, because the kernel reads them
        _declare().ls_replaced_index(
            self._tables["keys"].ctypes.data, len(network.keys), slots.ctypes.data, mask
        )
        pointers = {name: table.ctypes.data for name, table in self._tables.items()}
        self._model = _Model(
            mask=mask, hidden_shift=network.hidden_shift, offset=network.offset,
            scale=network.scale, **pointers,
        )  # fmt: skip

    def read(
        self, words: Hashes, sizes: Levels, flags: Levels, pairs: NDArray[np.int64]
    ) -> Replaced:
        """Return what a text's words say.

        Args:
            words: as `naturalness.measure` cuts them.
            sizes: of the words in parts, likewise.
            flags: of the parts, as `words.split` gives them.
            pairs: the symbols of the words' pairs, one fewer than words.
        """
        sums = np.zeros(_NUM_SUMS, np.int64)
        failed = _declare().ls_replaced_sum(
            ctypes.byref(self._model), words.ctypes.data, sizes.ctypes.data, flags.ctypes.data,
            pairs.ctypes.data, len(words), sums.ctypes.data,
        )  # fmt: skip
        if failed:
            raise EngineError("there is no memory left to judge a text; use fewer workers")
        total, *above, num_judged = sums.tolist()
        return Replaced(
            num_judged=num_judged,
            sum=total / self.scale,
            num_above=tuple(above),
        )


def _check(network: Network) -> None:
    num_rows = NUM_MARKS + len(network.keys)
    wanted: dict[str, tuple[Any, tuple[int, ...]]] = {
        "keys": (np.uint32, (len(network.keys),)),
        "vectors": (np.int16, (num_rows, WIDTH)),
        "own": (np.int32, (num_rows,)),
        "window": (np.int16, (HIDDEN, _SPAN)),
        "subject": (np.int16, (HIDDEN, WIDTH)),
        "before": (np.int32, (NO_PAIR + 1, HIDDEN)),
        "after": (np.int32, (NO_PAIR + 1, HIDDEN)),
        "offsets": (np.int32, (HIDDEN,)),
        "output": (np.int32, (HIDDEN,)),
    }
    for name, (kind, shape) in wanted.items():
        table = getattr(network, name)
        if table.dtype != kind or table.shape != shape:
            raise ValueError(f"the model's {name} are {table.dtype} {table.shape}, not {shape}")
    # So that no sum over a window is beyond 32 bits.
    most = int(np.abs(network.vectors.astype(np.int64)).max(initial=0))
    if most * int(np.abs(network.window.astype(np.int64)).sum(1).max(initial=0)) >= 1 << 31:
        raise ValueError("the model's numbers are too large for its kernel")
    if not 0 <= network.hidden_shift < 32 or network.scale <= 0:
        raise ValueError("the model's scales are out of range")


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size = ctypes.c_void_p, ctypes.c_size_t
    kernels.ls_replaced_index.argtypes = [pointer, ctypes.c_uint32, pointer, ctypes.c_uint64]
    kernels.ls_replaced_index.restype = None
    kernels.ls_replaced_sum.argtypes = [pointer] * 5 + [size, pointer]
    kernels.ls_replaced_sum.restype = ctypes.c_int
    return kernels

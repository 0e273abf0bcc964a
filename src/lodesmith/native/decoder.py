"""A decoder in C over packed weights and paged keys and values: typed calls of `decoder.c`.

Shapes: R rows of a pass, S sequences, M blocks of a sequence, O rows whose states are wanted,
D hidden, V vocab, DP and VP both rounded up to whole panels; R rank, I inputs, O outputs of an
adapter's matrices.
"""

# ruff: noqa: N803, N806, N815 shape suffixes are the house's names for arrays

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.errors import EngineError
from lodesmith.native.library import load_library

PANEL = 32  # outputs side by side, and positions of a block of keys and values
MOST_RANK = 1024  # of the adapters' matrices beside one product
_SPARE_ROWS = 12  # a tile may read so many rows past the last one

Floats = NDArray[np.float32]
Numbers = NDArray[np.int32]


class Format(IntEnum):
    """How the weights of matrices are stored."""

    FLOAT = 0
    INT8 = 1
    INT4 = 2


class Part(IntEnum):
    """A weight's place in the decoder, in the order of `enum part`."""

    INPUT_NORM = 0
    POST_NORM = 1
    Q_NORM = 2
    K_NORM = 3
    Q_PROJ = 4
    K_PROJ = 5
    V_PROJ = 6
    O_PROJ = 7
    GATE_PROJ = 8
    UP_PROJ = 9
    DOWN_PROJ = 10
    FINAL_NORM = 11
    EMBEDDING = 12
    HEAD = 13


_KEPT = {Part.INPUT_NORM, Part.POST_NORM, Part.Q_NORM, Part.K_NORM, Part.FINAL_NORM, Part.EMBEDDING}


class Shape(ctypes.Structure):
    """What a decoder is made for; the names are those of `struct shape`."""

    _fields_ = (
        ("vocab_size", ctypes.c_int64),
        ("hidden_size", ctypes.c_int64),
        ("intermediate_size", ctypes.c_int64),
        ("num_layers", ctypes.c_int64),
        ("num_heads", ctypes.c_int64),
        ("num_key_value_heads", ctypes.c_int64),
        ("head_dim", ctypes.c_int64),
        ("max_model_len", ctypes.c_int64),
        ("max_rows", ctypes.c_int64),
        ("num_blocks", ctypes.c_int64),
        ("num_threads", ctypes.c_int64),
        ("format", ctypes.c_int64),
        ("head_format", ctypes.c_int64),
        ("eps", ctypes.c_double),
    )


class _Pass(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("num_rows", "num_seqs", "table_stride", "num_out")),
        *(
            (name, ctypes.c_void_p)
            for name in ("ids", "positions", "starts", "tables", "out_rows", "states", "adapters")
        ),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Pass:
    """Tokens that go through the model together; those of one sequence stand together."""

    ids_R: Numbers
    positions_R: Numbers  # of one sequence one after the other
    starts_S: Numbers  # first row of each sequence, and behind them the number of rows
    tables_SM: Numbers  # blocks that hold positions 0..31, 32..63, ... of each sequence
    out_rows_O: Numbers  # rows whose last states are wanted
    adapters: Sequence[object | None] = ()  # of each sequence, as the runner made it; () for none


class Place(IntEnum):
    """A product that an adapter may stand beside, in the order of `enum place`."""

    QKV = 0
    OUT = 1
    GATE_UP = 2
    DOWN = 3


class NativeAdapter:
    """Thin matrices beside the products of a decoder."""

    def __init__(self, num_layers: int) -> None:
        self._library = _declare()
        self.handle = self._library.ls_adapter_new(num_layers)
        if not self.handle:
            raise EngineError("there is no memory left for the adapter")

    def __del__(self) -> None:
        if getattr(self, "handle", None):
            self._library.ls_adapter_free(self.handle)

    def put(self, layer: int, place: Place, a_RI: Floats, b_OR: Floats) -> None:
        """Add y += b (a x) beside a product; R at most 1,024.

        Raises:
            EngineError: there is no memory, or R is too large.
        """
        a_RI, b_OR = (np.ascontiguousarray(each, np.float32) for each in (a_RI, b_OR))
        sizes = np.array([a_RI.shape[1], a_RI.shape[0], b_OR.shape[0]], np.int64)
        failed = self._library.ls_adapter_put(
            self.handle, layer, place, a_RI.ctypes.data, b_OR.ctypes.data, sizes.ctypes.data
        )
        if failed:
            raise EngineError(
                f"there is no memory left for an adapter of rank {a_RI.shape[0]}, or it is too high"
            )


class NativeDecoder:
    """Weights in C, the memory of the cache and passes over them; not for two threads at once."""

    def __init__(self, shape: Shape, *, kernels: str | None = None) -> None:
        """Lay out the memory.

        Args:
            shape: of the model and of the largest pass.
            kernels: `plain` or `avx2`, slower ones than the best there are, for tests.

        Raises:
            EngineError: there is no memory.
        """
        self.shape = shape
        self._library = _declare()
        self._kept: list[Floats] = []  # what C only borrows
        self._handle = self._library.ls_decoder_new(
            ctypes.byref(shape), None if kernels is None else kernels.encode()
        )
        if not self._handle:
            raise EngineError("there is no memory left for the model; use a smaller one")

    def __del__(self) -> None:
        if getattr(self, "_handle", None):
            self._library.ls_decoder_free(self._handle)
            self._handle = None

    @property
    def kernels(self) -> str:
        """Which registers it computes with."""
        return str(self._library.ls_decoder_kernels(self._handle).decode())

    def put(self, part: Part, weight: Floats, *, layer: int = 0) -> None:
        """Take a copy of a weight.

        Where no EMBEDDING is put, rows of the HEAD stand for it, as in models whose two are tied.
        """
        if part in _KEPT:
            weight = np.array(weight, np.float32)
            self._kept.append(weight)
        weight = np.ascontiguousarray(weight, np.float32)
        self._library.ls_decoder_put(self._handle, part, layer, weight.ctypes.data)

    def read_row(self, part: Part, row: int, *, layer: int = 0, size: int) -> Floats:
        """Return one row of a matrix as products see it, rounded as it is stored."""
        weights = np.empty(size, np.float32)
        self._library.ls_decoder_get(self._handle, part, layer, row, weights.ctypes.data)
        return weights

    def lend_memory(self, memory: Mapping[str, Floats]) -> None:
        """Take the arrays `keys`, `values`, `cosines` and `sines`, see `cache_floats`."""
        self._kept.extend(memory.values())
        self._library.ls_decoder_lend(
            self._handle, *(memory[name].ctypes.data for name in ("keys", "values", "cosines",
                                                                  "sines")),
        )  # fmt: skip

    def run(self, now: Pass) -> Floats:
        """Return the states_OD of the rows asked for, after the final norm."""
        num_out = len(now.out_rows_O)
        states_ODP = np.empty((num_out, padded(self.shape.hidden_size)), np.float32)
        adapters = None
        if any(now.adapters):
            handles = [
                each.handle if isinstance(each, NativeAdapter) else None for each in now.adapters
            ]
            adapters = (ctypes.c_void_p * len(handles))(*handles)
        call = _Pass(
            len(now.ids_R), len(now.starts_S) - 1, now.tables_SM.shape[1], num_out,
            *(
                array.ctypes.data
                for array in (now.ids_R, now.positions_R, now.starts_S, now.tables_SM,
                              now.out_rows_O, states_ODP)
            ),
            None if not adapters else ctypes.cast(adapters, ctypes.c_void_p),
        )  # fmt: skip
        self._library.ls_decoder_run(self._handle, ctypes.byref(call))
        return states_ODP[:, : self.shape.hidden_size]

    def logits(self, states_OD: Floats) -> tuple[Floats, Numbers]:
        """Return the logits_OV of states, and the best token of each."""
        count, size = states_OD.shape
        states_ODP = np.zeros((count + _SPARE_ROWS, padded(size)), np.float32)
        states_ODP[:count, :size] = states_OD
        logits_OVP = np.empty((count, padded(self.shape.vocab_size)), np.float32)
        best_O = np.empty(count, np.int32)
        self._library.ls_decoder_logits(
            self._handle, states_ODP.ctypes.data, count, logits_OVP.ctypes.data, best_O.ctypes.data
        )
        return logits_OVP[:, : self.shape.vocab_size], best_O


def padded(count: int) -> int:
    """Return a count rounded up to whole panels."""
    return -(-count // PANEL) * PANEL


def cache_floats(shape: Shape) -> tuple[int, int]:
    """Return how many floats the keys, and how many the values of all blocks take."""
    heads = shape.num_layers * shape.num_blocks * shape.num_key_value_heads
    return heads * shape.head_dim * PANEL, heads * padded(shape.head_dim) * PANEL


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, number = ctypes.c_void_p, ctypes.c_int64
    kernels.ls_decoder_new.argtypes = [pointer, ctypes.c_char_p]
    kernels.ls_decoder_new.restype = pointer
    kernels.ls_decoder_put.argtypes = [pointer, number, number, pointer]
    kernels.ls_decoder_put.restype = None
    kernels.ls_decoder_get.argtypes = [pointer, number, number, number, pointer]
    kernels.ls_decoder_get.restype = None
    kernels.ls_decoder_lend.argtypes = [pointer, pointer, pointer, pointer, pointer]
    kernels.ls_decoder_lend.restype = None
    kernels.ls_decoder_run.argtypes, kernels.ls_decoder_run.restype = [pointer, pointer], None
    kernels.ls_decoder_logits.argtypes = [pointer, pointer, number, pointer, pointer]
    kernels.ls_decoder_logits.restype = None
    kernels.ls_decoder_kernels.argtypes = [pointer]
    kernels.ls_decoder_kernels.restype = ctypes.c_char_p
    kernels.ls_adapter_new.argtypes, kernels.ls_adapter_new.restype = [number], pointer
    kernels.ls_adapter_put.argtypes = [pointer, number, number, pointer, pointer, pointer]
    kernels.ls_adapter_put.restype = number
    kernels.ls_adapter_free.argtypes, kernels.ls_adapter_free.restype = [pointer], None
    kernels.ls_decoder_free.argtypes, kernels.ls_decoder_free.restype = [pointer], None
    return kernels

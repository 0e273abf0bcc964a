"""Inflates archives and finds their records: typed calls of `warc_*.c`.

Source of the rows' meaning: the enum at the top of `warc_records.c`.
"""

import ctypes
import weakref
from collections.abc import Callable
from functools import cache

import numpy as np

from lodesmith.native.library import load_library

ROW_SIZE = 20
(
    MEMBER_START, ORDINAL, TYPE, TYPE_SIZE, URI, URI_SIZE, DATE, DATE_SIZE, RECORD_ID,
    RECORD_ID_SIZE, CONTENT_TYPE, CONTENT_TYPE_SIZE, BLOCK, BLOCK_SIZE, HTTP_STATUS, HTTP_TYPE,
    HTTP_TYPE_SIZE, BODY, IS_CODED, HEAD,
) = range(ROW_SIZE)  # fmt: skip

ALL_READ, NEEDS_INPUT, NEEDS_ROOM, IS_ODD = range(4)  # why no more rows come

GZIP, ZLIB, RAW = range(3)  # wrappers of a deflated stream
_DONE, _MORE_INPUT, _MORE_ROOM = range(3)
_FAULTS = {
    -1: "incorrect header check",
    -2: "invalid deflate data",
    -3: "incorrect data check",
    -4: "it is cut short",
}
_WINDOW_BYTES = 1 << 15  # RFC 1951: how far back a match may reach
_PIECE_BYTES = 1 << 16


class InflateError(ValueError):
    """Bytes that no deflated stream consists of."""


class BlockReader:
    """Reads records of blocks of archive bytes; owns the room that they are inflated into."""

    def __init__(self, *, output_bytes: int, max_rows: int, max_block_bytes: int) -> None:
        self._kernels = _declare()
        self._state = _own(
            self, self._kernels.ls_warc_reader_new, self._kernels.ls_warc_reader_free
        )
        self._output = np.empty(output_bytes, np.uint8)
        self._rows = np.empty((max_rows, ROW_SIZE), np.int64)
        self._max_block_bytes = max_block_bytes
        self._used, self._num_rows = ctypes.c_int64(), ctypes.c_int64()
        self.output = self._output.data
        self._addresses = (self._output.ctypes.data, self._rows.ctypes.data)
        self._ends = (ctypes.byref(self._used), ctypes.byref(self._num_rows))

    def start(self) -> None:
        """Begin elsewhere: what comes next does not go on where the last call ended."""
        self._kernels.ls_warc_reader_start(self._state)

    def read_members(self, address: int, size: int, *, is_all: bool) -> int:
        """Inflate gzip members at an address and read their records; the reason why it stopped.

        The next call's bytes go on where this one was done. A member that began in an earlier
        call's bytes has a start below zero.
        """
        output, rows = self._addresses
        return int(
            self._kernels.ls_warc_read_members(
                self._state, address, size, is_all, output, len(self._output),
                self._max_block_bytes, rows, len(self._rows), *self._ends,
            )
        )  # fmt: skip

    def read_plain(self, address: int, size: int, *, is_all: bool) -> int:
        """Read the records of uncompressed bytes at an address; the reason why it stopped."""
        _, rows = self._addresses
        return int(
            self._kernels.ls_warc_read_plain(
                address, size, is_all, self._max_block_bytes, rows, len(self._rows), *self._ends
            )
        )

    @property
    def num_used(self) -> int:
        """Bytes of the input that the last call is done with.

        At odd ones it leads to where their member begins, and may be below zero.
        """
        return self._used.value

    def rows(self) -> list[list[int]]:
        """Return the rows of the last call."""
        found: list[list[int]] = self._rows[: self._num_rows.value].tolist()
        return found


class Inflater:
    """Inflates one stream, piece by piece."""

    def __init__(self, wrapper: int) -> None:
        self._kernels = _declare()
        self._state = _own(
            self, self._kernels.ls_warc_inflater_new, self._kernels.ls_warc_inflater_free
        )
        self._wrapper = wrapper
        self._output = np.empty(_WINDOW_BYTES + _PIECE_BYTES, np.uint8)
        self._address = self._output.ctypes.data
        self._view = self._output.data
        self._at = 0  # where the next byte goes
        self.is_done = False
        self.start()

    def start(self) -> None:
        """Begin another stream."""
        self._kernels.ls_warc_inflater_start(self._state, self._wrapper)
        self._at = 0
        self.is_done = False

    def inflate(self, data: bytes, *, is_all: bool) -> tuple[bytes, int]:
        """Return some inflated bytes and how many of the data they took.

        Nothing of both means that more data are needed.

        Args:
            data: begins with what the last call left over.
            is_all: whether no data come after these.

        Raises:
            InflateError: the data are bad or end too early.
        """
        if self._at > _WINDOW_BYTES:
            self._view[:_WINDOW_BYTES] = self._view[self._at - _WINDOW_BYTES : self._at]
            self._at = _WINDOW_BYTES
        used, produced = ctypes.c_int64(), ctypes.c_int64()
        status = self._kernels.ls_warc_inflate(
            self._state, data, len(data), is_all, self._address, self._at, len(self._output),
            ctypes.byref(used), ctypes.byref(produced),
        )  # fmt: skip
        piece = bytes(self._view[self._at : self._at + produced.value])
        self._at += produced.value
        self.is_done = status == _DONE
        if status < 0 and not piece:
            raise InflateError(_FAULTS[status])
        return piece, used.value


def crc32(data: bytes, start: int = 0) -> int:
    """Return the CRC-32 of bytes, as zlib has it.

    >>> crc32(b"123456789") == 0xCBF43926
    True
    """
    return int(_declare().ls_warc_crc32(start, data, len(data)))


def _own(
    owner: object, make: Callable[[], int | None], free: Callable[[ctypes.c_void_p], None]
) -> ctypes.c_void_p:
    """Make a state of the kernels that goes when its owner does."""
    state = ctypes.c_void_p(make())
    if not state:
        raise MemoryError("no memory for inflating")
    weakref.finalize(owner, free, state)
    return state


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size, number = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
    kernels.ls_warc_read_members.argtypes = [
        pointer, pointer, size, number, pointer, size, size, pointer, size, pointer, pointer
    ]  # fmt: skip
    kernels.ls_warc_read_plain.argtypes = [
        pointer, size, number, size, pointer, size, pointer, pointer
    ]  # fmt: skip
    for make in (kernels.ls_warc_reader_new, kernels.ls_warc_inflater_new):
        make.restype, make.argtypes = pointer, []
    for free in (kernels.ls_warc_reader_free, kernels.ls_warc_inflater_free):
        free.restype, free.argtypes = None, [pointer]
    kernels.ls_warc_reader_start.argtypes = [pointer]
    kernels.ls_warc_reader_start.restype = None
    kernels.ls_warc_inflater_start.argtypes = [pointer, number]
    kernels.ls_warc_inflater_start.restype = None
    kernels.ls_warc_inflate.argtypes = [
        pointer, ctypes.c_char_p, size, number, pointer, size, size, pointer, pointer
    ]  # fmt: skip
    kernels.ls_warc_crc32.argtypes = [ctypes.c_uint32, ctypes.c_char_p, size]
    kernels.ls_warc_crc32.restype = ctypes.c_uint32
    return kernels

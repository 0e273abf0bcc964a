"""Arrays on disk that are longer than memory: written piece by piece, read through a map."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.storage import replace_file

_HEADER_BYTES = 128  # of a one-dimensional array of version 1.0, always enough for its length


class ArrayFile:
    """A .npy file of one dimension that is being written."""

    def __init__(self, file: IO[bytes], dtype: npt.DTypeLike) -> None:
        self._file, self._dtype = file, np.dtype(dtype)
        self.length = 0  # items so far
        file.write(b"\0" * _HEADER_BYTES)

    def append(self, values: npt.ArrayLike) -> None:
        """Write values behind those that are there."""
        array = np.ascontiguousarray(values, dtype=self._dtype)
        self._file.write(array.data.cast("B") if array.size else b"")
        self.length += array.size

    def _finish(self) -> None:
        """Write the header, which says how long the array has become.

        Source: numpy.lib.format, "Format Version 1.0".
        """
        described = np.lib.format.dtype_to_descr(self._dtype)
        header = {"descr": described, "fortran_order": False, "shape": (self.length,)}
        magic = b"\x93NUMPY\x01\x00"
        room = _HEADER_BYTES - len(magic) - 2
        text = repr(header).encode().ljust(room - 1) + b"\n"
        self._file.seek(0)
        self._file.write(magic + struct.pack("<H", room) + text)
        self._file.seek(0, 2)


@contextmanager
def replace_array(path: Path, dtype: npt.DTypeLike) -> Iterator[ArrayFile]:
    """Yield an array that becomes the .npy file `path` only if the block ends without an error."""
    with replace_file(path) as file:
        array = ArrayFile(file, dtype)
        yield array
        array._finish()


def map_array(path: Path) -> npt.NDArray[Any]:
    """Return the array of a .npy file, left on disk.

    Raises:
        ValueError: the file is torn or holds something else.
    """
    try:
        array: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except EOFError as error:
        raise ValueError(str(error)) from None
    return array

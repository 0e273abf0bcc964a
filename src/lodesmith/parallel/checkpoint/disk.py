"""Where checkpoints lie: a folder, or a prefix of an object store; large files go straight to it.

Small objects and the one atomic verb (put if absent) are those of `core/store.py`. Large files
are written past the page cache where the disk takes that: it is as quick as the disk itself, and a
checkpoint then pushes nothing that training reads out of memory.
"""

import errno
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.storage import sync_folder
from lodesmith.core.store import LocalStore, Store, open_store
from lodesmith.parallel.checkpoint.manifest import DamageError
from lodesmith.parallel.checkpoint.part_file import PAGE_BYTES

Bytes = NDArray[np.uint8]
Span = tuple[int, int]  # first byte, byte after the last

_CHUNK_BYTES = 16 << 20
_NUM_READERS = 4  # at once; one alone does not keep a disk busy
_UNREADABLE = {errno.EIO, errno.EISDIR, errno.ENOTDIR}  # the disk's word, not a lack of rights


class LargeFiles(Protocol):
    """Writes and reads files of pieces below one root."""

    def write(self, name: str, data: Bytes, num_bytes: int) -> None:
        """Write a new file, durable on return.

        Args:
            name: that no file has yet.
            data: the file's bytes and what fills its last page, aligned to pages.
            num_bytes: of the file.
        """

    def read_into(self, name: str, spans: Sequence[Span], window: Bytes) -> None:
        """Fill spans of a window as long as the file with the file's bytes.

        Raises:
            DamageError: the file is gone or too short.
        """


def open_place(place: str | Path) -> tuple[Store, LargeFiles]:
    """Return the stores of small and of large files of a folder or fsspec URL."""
    store = open_store(place)
    large = LocalFiles(store.root) if isinstance(store, LocalStore) else RemoteFiles(str(place))
    return store, large


class LocalFiles:
    """Large files of a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, data: Bytes, num_bytes: int) -> None:
        """Write a new file; nothing of it is left if that fails."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _create(path)
        try:
            if hasattr(os, "posix_fallocate"):  # a full disk says so before anything is written
                os.posix_fallocate(file, 0, num_bytes)
            for start in range(0, num_bytes, _CHUNK_BYTES):
                _write_all(file, data[start : start + _CHUNK_BYTES], start)
            os.ftruncate(file, num_bytes)
            os.fsync(file)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)
        sync_folder(path.parent)

    def read_into(self, name: str, spans: Sequence[Span], window: Bytes) -> None:
        """Fill spans of a window with the file's bytes."""
        try:
            file = os.open(self.root / name, os.O_RDONLY)
        except FileNotFoundError:
            raise DamageError(f"{name} is missing") from None
        try:
            if os.fstat(file).st_size != window.size:
                raise DamageError(f"{name} has not the length that it was written with")
            with ThreadPoolExecutor(_NUM_READERS) as readers:
                pieces = _cut(spans)
                for _ in readers.map(lambda span: _read_span(file, span, window), pieces):
                    pass
        except OSError as error:
            if error.errno not in _UNREADABLE:
                raise
            raise DamageError(f"{name} cannot be read ({error.strerror})") from None
        finally:
            os.close(file)


class RemoteFiles:
    """Large files of an object store, through fsspec."""

    def __init__(self, url: str) -> None:
        import fsspec

        self._system, root = fsspec.url_to_fs(url)
        self._root = root.rstrip("/")

    def write(self, name: str, data: Bytes, num_bytes: int) -> None:
        """Write a new object, in parts if it is large; it appears when all of it is there."""
        with self._system.open(f"{self._root}/{name}", "wb", block_size=_CHUNK_BYTES) as file:
            for start in range(0, num_bytes, _CHUNK_BYTES):
                file.write(data[start : min(start + _CHUNK_BYTES, num_bytes)].data)

    def read_into(self, name: str, spans: Sequence[Span], window: Bytes) -> None:
        """Fill spans of a window, all asked for side by side."""
        pieces = _cut(spans)
        path, starts = f"{self._root}/{name}", [start for start, _ in pieces]
        stops = [stop for _, stop in pieces]
        found = self._system.cat_ranges([path] * len(pieces), starts, stops, on_error="return")
        for (start, stop), part in zip(pieces, found, strict=True):
            if isinstance(part, FileNotFoundError):
                raise DamageError(f"{name} is missing")
            if isinstance(part, BaseException):
                raise part
            if len(part) != stop - start:
                raise DamageError(f"{name} is shorter than it was written")
            window[start:stop] = np.frombuffer(part, np.uint8)


def _create(path: Path) -> int:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    try:
        return os.open(path, flags | getattr(os, "O_DIRECT", 0), 0o644)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    path.unlink(missing_ok=True)
    return os.open(path, flags, 0o644)  # a file system that wants its page cache, such as tmpfs


def _write_all(file: int, data: Bytes, at: int) -> None:
    while data.size:
        written = os.pwrite(file, data.data, at)
        if written % PAGE_BYTES and written != data.size:
            written -= written % PAGE_BYTES  # a direct write goes on at a page
            if not written:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        at, data = at + written, data[written:]


def _cut(spans: Sequence[Span]) -> list[Span]:
    return [
        (at, min(at + _CHUNK_BYTES, stop))
        for start, stop in spans
        for at in range(start, stop, _CHUNK_BYTES)
    ]


def _read_span(file: int, span: Span, window: Bytes) -> None:
    start, stop = span
    while start < stop:
        count = os.preadv(file, [window[start:stop].data], start)
        if not count:
            raise DamageError("a file became shorter while it was read")
        start += count

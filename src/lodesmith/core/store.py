"""Named byte strings in a folder or below a prefix of an object store, for many writers at once.

Everything rests on `put_if_absent`: of several writers that put one name, exactly one succeeds,
and the others are told. On a local disk that is link(2), which is atomic on NFS too. On object
storage it is a conditional request: `If-None-Match: *` on S3 and Azure, `ifGenerationMatch=0` on
Google's. Other stores of fsspec only look whether the name is there and then write, so two writers
can both believe that they won; those are refused rather than trusted.
"""

import os
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from lodesmith.core.errors import EngineError, UserError, explain_os_error
from lodesmith.core.storage import sync_folder, write_bytes

Range = tuple[str, int, int]  # name, first byte, byte after the last

_ATOMIC_PROTOCOLS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "memory"}
_MAX_OPEN_FILES = 256


class Store(Protocol):
    """Named byte strings below one root; names hold `/` between folders."""

    def read(self, name: str) -> bytes | None:
        """Return a whole object, None where there is none."""

    def read_ranges(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return parts of objects, all asked for at once.

        Raises:
            FileNotFoundError: one of them is not there.
        """

    def write(self, name: str, data: bytes) -> None:
        """Write or replace an object; durable on return."""

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write an object if there is none of that name, and tell whether that was so."""

    def list_names(self, folder: str) -> list[str]:
        """Return the names right below a folder, without the folder's own."""

    def remove(self, name: str) -> None:
        """Remove an object or a folder with all in it; nothing happens if it is not there."""


def open_store(place: str | Path) -> Store:
    """Return the store of a path or of an fsspec URL as in `s3://bucket/catalog`.

    Raises:
        UserError: its protocol has no atomic put-if-absent, or its package is not installed.
    """
    protocol, separator, rest = str(place).partition("://")
    if not separator:
        return LocalStore(Path(place))
    if protocol in ("file", "local"):
        return LocalStore(Path(rest))
    if protocol not in _ATOMIC_PROTOCOLS:
        raise UserError(
            f"{place}: on {protocol}:// two writers could both believe that they wrote one name "
            "first; use a local or NFS folder, s3://, gs:// or abfs://"
        )
    return ObjectStore(str(place))


class LocalStore:
    """A folder; each object a file that is whole or absent."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._files: dict[str, int] = {}  # open descriptors, oldest use first
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes | None:
        """Return a whole file, None where there is none."""
        try:
            return (self.root / name).read_bytes()
        except FileNotFoundError:
            return None

    def read_ranges(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return parts of files."""
        with self._lock:  # a descriptor must not be closed between two threads' reads
            if len(ranges) > 1 and hasattr(os, "posix_fadvise"):  # the disk works on all at once
                for name, start, stop in ranges:
                    os.posix_fadvise(self._open(name), start, stop - start, os.POSIX_FADV_WILLNEED)
            return [os.pread(self._open(name), stop - start, start) for name, start, stop in ranges]

    def write(self, name: str, data: bytes) -> None:
        """Replace a file."""
        path = self.root / name
        try:
            write_bytes(path, data)
        except OSError as error:
            raise explain_os_error(error, doing=f"writing {path}") or error from None

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write a file if there is none, and tell whether that was so."""
        path = self.root / name
        beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
        self.write(str(beside.relative_to(self.root)), data)
        try:
            os.link(beside, path)
        except FileExistsError:
            return False
        finally:
            beside.unlink()
        sync_folder(path.parent)
        return True

    def list_names(self, folder: str) -> list[str]:
        """Return the names right below a folder."""
        try:
            names = (path.name for path in (self.root / folder).iterdir())
            return sorted(name for name in names if not name.startswith("."))
        except FileNotFoundError:
            return []

    def remove(self, name: str) -> None:
        """Remove a file or a folder of files."""
        path = self.root / name
        if path.is_dir():
            for child in path.iterdir():
                child.unlink(missing_ok=True)
            path.rmdir()
        else:
            path.unlink(missing_ok=True)

    def _open(self, name: str) -> int:
        file = self._files.pop(name, None)
        if file is None:
            file = os.open(self.root / name, os.O_RDONLY)
            if len(self._files) >= _MAX_OPEN_FILES:
                os.close(self._files.pop(next(iter(self._files))))
        self._files[name] = file
        return file

    def __del__(self) -> None:
        for file in self._files.values():
            os.close(file)


class ObjectStore:
    """A prefix of an object store, through fsspec."""

    _memory_lock = threading.Lock()  # fsspec's memory:// looks and then writes

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._system, root = fsspec.url_to_fs(url)
        except ImportError as error:
            raise UserError(f"{url} needs a package that is not installed: {error}") from None
        self._system.use_listings_cache = False
        self._root, self._url = root.rstrip("/"), url

    def read(self, name: str) -> bytes | None:
        """Return a whole object, None where there is none."""
        try:
            return bytes(self._system.cat_file(f"{self._root}/{name}"))
        except FileNotFoundError:
            return None

    def read_ranges(self, ranges: Sequence[Range]) -> list[bytes]:
        """Return parts of objects, asked for side by side."""
        paths = [f"{self._root}/{name}" for name, _, _ in ranges]
        starts, stops = [start for _, start, _ in ranges], [stop for _, _, stop in ranges]
        found: list[Any] = self._system.cat_ranges(paths, starts, stops, on_error="return")
        for path, part in zip(paths, found, strict=True):
            if isinstance(part, FileNotFoundError):
                raise part
            if isinstance(part, BaseException):
                raise EngineError(f"{path} cannot be read: {part}; try again") from part
        return [bytes(part) for part in found]

    def write(self, name: str, data: bytes) -> None:
        """Write or replace an object."""
        self._system.pipe_file(f"{self._root}/{name}", data)

    def put_if_absent(self, name: str, data: bytes) -> bool:
        """Write an object if there is none of that name, by a conditional request."""
        try:
            with self._memory_lock:
                self._system.pipe_file(f"{self._root}/{name}", data, mode="create")
        except FileExistsError:
            return False
        except OSError as error:  # what s3fs makes of 412 and 409
            if "PreconditionFailed" in str(error) or "ConditionalRequestConflict" in str(error):
                return False
            raise
        return True

    def list_names(self, folder: str) -> list[str]:
        """Return the names right below a folder."""
        try:
            self._system.invalidate_cache()
            found = self._system.ls(f"{self._root}/{folder}", detail=False)
        except FileNotFoundError:
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path in found)

    def remove(self, name: str) -> None:
        """Remove an object or all objects of a folder."""
        try:
            self._system.rm(f"{self._root}/{name}", recursive=True)
        except FileNotFoundError:
            return

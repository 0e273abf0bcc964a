"""Files inside a package or folder, listed in order and read one at a time, never unpacked.

Nothing from outside decides where a byte is written: members of archives go from the archive
straight into our own WARC. Links, devices and the like are no members.
"""

import datetime
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.errors import EngineError

_TAR_FAULTS = (tarfile.TarError, EOFError)
_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError)
_REGULAR_ZIP_TYPES = (0, stat.S_IFREG)  # 0: made where files have no Unix type


@dataclass(frozen=True, slots=True)
class Member:
    """A regular file of a package or folder."""

    path: str  # inside the package, with slashes, without a leading one
    size: int  # as the archive says; `read` trusts it no further than it must
    modified: int  # seconds since 1970, UTC
    read: Callable[[int], bytes]  # at most that many bytes from the start
    uri: str = ""  # its address, where it has one of its own


@dataclass(frozen=True, kw_only=True)
class Package:
    """What was fetched: the members of one source, and what the package says of itself."""

    version: str
    licence: str | None  # None where it does not say
    members: Mapping[str, Member]  # by path, sorted
    others: Sequence[str] = ()  # files that are there and no members, for messages
    notes: Sequence[str] = ()  # what was passed over, and why


@contextmanager
def open_tar(path: Path) -> Iterator[dict[str, Member]]:
    """Yield the regular files of an uncompressed tar archive, by path."""
    try:
        with tarfile.open(path, "r:") as tar:
            infos = {_clean(info.name): info for info in tar if info.isreg()}
            yield {
                name: Member(name, infos[name].size, int(infos[name].mtime), _tar_reader(tar, info))
                for name, info in sorted(infos.items())
            }
    except _TAR_FAULTS as error:
        raise _damaged(path, error) from None


@contextmanager
def open_zip(path: Path) -> Iterator[dict[str, Member]]:
    """Yield the regular files of a zip archive, by path; its local times are taken for UTC."""
    try:
        with zipfile.ZipFile(path) as archive:
            infos = {_clean(info.filename): info for info in archive.infolist()}
            yield {
                name: Member(name, info.file_size, _zip_time(info), _zip_reader(archive, info))
                for name, info in sorted(infos.items())
                if _is_regular(info)
            }
    except _ZIP_FAULTS as error:
        raise _damaged(path, error) from None


def _clean(path: str) -> str:
    return path.removeprefix("./").lstrip("/")


def _damaged(path: Path, error: Exception) -> EngineError:
    return EngineError(f"{path.name} is damaged ({error}); run the same command again to refetch")


def _tar_reader(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Callable[[int], bytes]:
    def read(limit: int) -> bytes:
        file = tar.extractfile(info)
        return file.read(limit) if file is not None else b""

    return read


def _zip_reader(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[int], bytes]:
    def read(limit: int) -> bytes:
        with archive.open(info) as file:
            return file.read(limit)

    return read


def _zip_time(info: zipfile.ZipInfo) -> int:
    try:
        moment = datetime.datetime(*info.date_time, tzinfo=datetime.UTC)
    except ValueError:  # a wheel may say month 0
        return 0
    return int(moment.timestamp())


def _is_regular(info: zipfile.ZipInfo) -> bool:
    is_encrypted = info.flag_bits & 1
    file_type = stat.S_IFMT(info.external_attr >> 16)
    return not info.is_dir() and not is_encrypted and file_type in _REGULAR_ZIP_TYPES

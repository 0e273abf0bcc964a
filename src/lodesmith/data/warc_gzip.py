"""Inflated bytes of a file of gzip members, and the way on after a member that is torn.

Source: RFC 1952 (gzip), section 2.2: members follow one another with nothing in between.
"""

import zlib
from typing import IO

MAGIC = b"\x1f\x8b\x08"  # RFC 1952, section 2.3.1: ID1, ID2, CM = deflate
CHUNK_BYTES = 1 << 16

_GZIP_WBITS = 31  # zlib: 15 bits of window + 16 for a gzip wrapper
_FIRST_BYTES = 4096  # of a member, given at once so that one sees what begins there
_TRIAL_BYTES = 256  # that must inflate before bytes after a fault pass for a gzip member


class GzipMembers:
    """The inflated bytes of one member after the other."""

    def __init__(self, file: IO[bytes]) -> None:
        """Read a seekable file from its present place on."""
        self.fault: str | None = None  # why nothing more comes; `resync` clears it
        self.member = file.tell()  # where the member of the last piece begins in the file
        self.starts_member = False  # the last piece begins its member
        self._file = file
        self._raw = b""  # read from the file, not inflated yet
        self._inflater: zlib._Decompress | None = None

    def next_piece(self) -> bytes:
        """Return more inflated bytes, never of two members; b"" at the file's end or at a fault."""
        piece, self.starts_member = b"", False
        while not piece and self.fault is None:
            if self._inflater is None:
                self.starts_member = True
                if not self._open_member():
                    break
            piece = self._inflate(CHUNK_BYTES)
        while self.starts_member and self._inflater is not None and len(piece) < _FIRST_BYTES:
            piece += self._inflate(_FIRST_BYTES)
        return piece

    def resync(self) -> bool:
        """Go on after a fault, at the next member that can be inflated; False if there is none."""
        self.fault = None
        start = self.member + 1
        while (found := self._find_magic(start)) is not None:
            self._file.seek(found)
            trial = self._file.read(_FIRST_BYTES)
            try:
                zlib.decompressobj(_GZIP_WBITS).decompress(trial, _TRIAL_BYTES)
            except zlib.error:
                start = found + 1
                continue
            self._file.seek(found)
            self._raw, self._inflater = b"", None
            return True
        return False

    def _open_member(self) -> bool:
        """Go to the member that follows, over zero padding; False at the file's end."""
        while not (raw := self._raw.lstrip(b"\0")):
            self._raw = self._file.read(CHUNK_BYTES)
            if not self._raw:
                return False
        self._raw = raw if len(raw) >= len(MAGIC) else raw + self._file.read(CHUNK_BYTES)
        self.member = self._file.tell() - len(self._raw)
        if not self._raw.startswith(MAGIC):
            self.fault = "no gzip member begins here"
            return False
        self._inflater = zlib.decompressobj(_GZIP_WBITS)
        return True

    def _inflate(self, max_bytes: int) -> bytes:
        data = self._raw or self._file.read(CHUNK_BYTES)
        inflater, self._inflater = self._inflater, None
        if inflater is None or not data:
            self.fault = "the file ends inside a gzip member"
            return b""
        try:
            piece = inflater.decompress(data, max_bytes)
        except zlib.error as error:
            self.fault = f"a gzip member cannot be inflated ({str(error).rpartition(': ')[2]})"
            return b""
        if inflater.eof:
            self._raw = inflater.unused_data
        else:
            self._raw, self._inflater = inflater.unconsumed_tail, inflater
        return piece

    def _find_magic(self, start: int) -> int | None:
        self._file.seek(start)
        overlap = b""
        while block := self._file.read(CHUNK_BYTES):
            found = (overlap + block).find(MAGIC)
            if found >= 0:
                return start - len(overlap) + found
            start += len(block)
            overlap = (overlap + block)[1 - len(MAGIC) :]
        return None

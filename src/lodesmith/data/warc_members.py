"""Unpacked bytes of a file of members, and the way on after a member that is torn.

After a fault reading goes on at the next place that looks like a member and can be shown to be
one: what it unpacks to begins with a record, or it is whole, checksum and all, and followed by
another member or the end. Bytes inside a page that happen to look alike pass neither test.

Source: RFC 1952 (gzip), section 2.2: members follow one another with nothing in between.
"""

import re
from typing import IO

from lodesmith.data.warc_codecs import Codec, TornMemberError, is_skippable, len_of_skippable

CHUNK_BYTES = 1 << 16

_WARC_LINE = rb"WARC/\d\.\d+[ \t]*\r?\n"
_ARC_LINE = rb"[a-z][a-z0-9+.-]*:[^\r\n]* \S+ \d{8,20} \S+ (?:-?\d+|(?:\S+ ){4}\d+)\r?\n"

RECORD_START = re.compile(rb"%s|%s" % (_WARC_LINE, _ARC_LINE))
"""The first line of a WARC record, or of an ARC record of version 1 or 2."""

_WARC_INSIDE = re.compile(rb"%s(?=\Z|[A-Za-z-]+:)" % _WARC_LINE)
_ARC_INSIDE = re.compile(rb"\n(?=%s)" % _ARC_LINE)

_FIRST_BYTES = 4096  # of a member, given at once so that one sees what begins there
_MAX_TRIAL_BYTES = 64 << 20  # of a member that is unpacked only to see whether it is one


def find_record_inside(data: bytes) -> int | None:
    """Return where a record begins in bytes whose beginning is lost, None where none does.

    Before a WARC line anything may stand, since the line's own beginning may be what was lost.

    >>> find_record_inside(b"torn textWARC/1.0\\r\\nWARC-Type: response\\r\\n")
    9
    """
    at = data.find(b"WARC/")  # a plain search is twenty times as fast as the pattern's
    while at >= 0 and _WARC_INSIDE.match(data, at) is None:
        at = data.find(b"WARC/", at + 1)
    arc = _ARC_INSIDE.search(data, 0, at if at >= 0 else len(data))
    if arc is not None:
        return arc.end()
    return at if at >= 0 else None


class Members:
    """The unpacked bytes of one member after the other."""

    def __init__(self, file: IO[bytes], codec: Codec, *, start: int) -> None:
        """Read a seekable file from a place on."""
        self.fault: str | None = None  # why nothing more comes; `resync` clears it
        self.member = start  # where the member of the last piece begins in the file
        self.starts_member = False  # the last piece begins its member
        self._file, self._codec = file, codec
        self._raw = b""  # read from the file, not unpacked yet
        self._is_open = self._is_all = False
        self._go_to(start)

    def next_piece(self) -> bytes:
        """Return more unpacked bytes, never of two members; b"" at the file's end or at a fault."""
        piece, self.starts_member = b"", False
        while not piece and self.fault is None:
            if not self._is_open:
                self.starts_member = True
                if not self._open_member():
                    break
            piece = self._unpack()
        while self.starts_member and self._is_open and len(piece) < _FIRST_BYTES:
            more = self._unpack()
            if not more and self.fault is not None:
                break
            piece += more
        return piece

    def resync(self) -> bool:
        """Go on after a fault, at the next place that is a member; False if there is none."""
        place = self.member + 1
        while (found := self._find_magic(place)) is not None:
            self.fault = None
            self._go_to(found)
            if self._is_member():
                self.fault, self.member = None, found
                self._go_to(found)
                return True
            place = found + 1
        self.fault = None
        return False

    def _is_member(self) -> bool:
        """Tell whether the place that was gone to passes for a member; leaves the reading there."""
        piece = self.next_piece()
        begins_record = RECORD_START.match(piece) is not None
        size = len(piece)
        while self._is_open and size < _MAX_TRIAL_BYTES:
            size += len(self._unpack())
        if self.fault is not None:
            return begins_record  # a record that is torn too, and will be told
        return size > 0 and (self._is_open or self._ends_or_goes_on())

    def _ends_or_goes_on(self) -> bool:
        """Tell whether the end of the file, padding or a member comes next."""
        self._raw = self._raw.lstrip(b"\0") or self._file.read(CHUNK_BYTES).lstrip(b"\0")
        self._raw += self._file.read(8) if len(self._raw) < 8 else b""
        return not self._raw or self._raw.startswith(self._codec.magic) or is_skippable(self._raw)

    def _go_to(self, place: int) -> None:
        self._file.seek(place)
        self._raw = b""
        self._is_open = False
        self._is_all = False  # the file has no more

    def _open_member(self) -> bool:
        """Go to the member that follows, over padding and empty frames; False at the end."""
        while self._fill(8) or self._raw:
            bare = self._raw.lstrip(b"\0")
            if len(bare) < len(self._raw):
                self._raw = bare
                continue
            if not is_skippable(self._raw):
                break
            size = 8 + len_of_skippable(self._raw)
            self._file.seek(max(0, size - len(self._raw)), 1)
            self._raw = self._raw[size:]
        self.member = self._file.tell() - len(self._raw)
        if not self._raw:
            return False
        if not self._raw.startswith(self._codec.magic):
            self.fault = f"no {self._codec.name} member begins here"
            return False
        self._codec.start()
        self._is_open = True
        return True

    def _fill(self, num_bytes: int) -> bool:
        """Read on until so many raw bytes are there; False where the file has less."""
        while len(self._raw) < num_bytes and not self._is_all:
            more = self._file.read(CHUNK_BYTES)
            self._raw += more
            self._is_all = not more
        return len(self._raw) >= num_bytes

    def _unpack(self) -> bytes:
        """Return a piece of the open member, b"" at its end or at a fault."""
        if not self._raw:
            self._fill(1)
        while True:
            try:
                piece, used, is_end = self._codec.unpack(self._raw, is_all=self._is_all)
            except TornMemberError as error:
                self._is_open = False
                self.fault = (
                    f"the file ends inside a {self._codec.name} member"
                    if str(error) == "it is cut short" or (self._is_all and not self._raw)
                    else f"a {self._codec.name} member cannot be inflated ({error})"
                )
                return b""
            self._raw = self._raw[used:]
            self._is_open = not is_end
            if piece or is_end:
                return piece
            if not used or not self._raw:
                self._fill(len(self._raw) + 1)

    def _find_magic(self, start: int) -> int | None:
        self._file.seek(start)
        overlap, magic = b"", self._codec.magic
        while block := self._file.read(CHUNK_BYTES):
            found = (overlap + block).find(magic)
            if found >= 0:
                return start - len(overlap) + found
            start += len(block)
            overlap = (overlap + block)[1 - len(magic) :]
        return None

"""The plain bytes of an archive, whether or not it is cut into compressed members.

A WARC should hold one member for each record, so that a record can be read alone; found in
the wild are also members with many records, records over many members, padding, torn members and
plain files. All of them are here a sequence of *runs*: stretches of bytes inside which records
follow each other. A run ends before a member that begins with a record (so a clipped record never
swallows the next one), at a fault, or with the file.

Source: ISO 28500:2017, annex D: one member per record.
"""

from typing import IO

from lodesmith.data.warc_codecs import Codec
from lodesmith.data.warc_members import CHUNK_BYTES, RECORD_START, Members


class ArchiveBytes:
    """Bytes of an archive, read forwards, in runs."""

    def __init__(self, file: IO[bytes], *, start: int, codec: Codec | None) -> None:
        """Read a seekable file from a place on, as members or as it is."""
        file.seek(start)
        self._file = file
        self._members = Members(file, codec, start=start) if codec is not None else None
        self._held: bytes | None = None  # the piece that begins the next run
        self._buffer, self._at = b"", 0
        self._position = start  # of _buffer[0]: counted in inflated bytes, from `start`
        self._edges = [(start, start)]  # position where a member begins -> its place in the file
        self._ordinal = 0

    @property
    def fault(self) -> str | None:
        """Why the present run ends early, once all its bytes before the fault were seen."""
        return self._members.fault if self._members is not None and self._held is None else None

    @property
    def is_torn_here(self) -> bool:
        """Whether the fault is in the member of the present byte, not in one behind it."""
        if self._members is None or self.fault is None:
            return False
        position = self._position + self._at
        here = next(member for edge, member in reversed(self._edges) if edge <= position)
        return here == self._members.member

    def start_run(self) -> bool:
        """Begin the run; False where there is none."""
        return self._fill(first=True) or self.fault is not None

    def find_next_run(self) -> int | None:
        """Return where in the file the next run begins; None where this was the last one."""
        if self._members is None:
            return None
        if self.fault is not None:
            return self._members.member if self._members.resync() else None
        return self._members.member if self._held is not None else None

    def read(self, num_bytes: int) -> bytes:
        """Return that many bytes, or what is left of the run."""
        parts: list[bytes] = []
        missing = num_bytes
        while missing > 0 and (self._at < len(self._buffer) or self._fill()):
            part = self._buffer[self._at : self._at + missing]
            self._at += len(part)
            missing -= len(part)
            parts.append(part)
        return b"".join(parts)

    def peek(self, num_bytes: int) -> bytes:
        """Return the bytes that `read` would, without going forwards."""
        while len(self._buffer) - self._at < num_bytes and self._fill():
            pass
        return self._buffer[self._at : self._at + num_bytes]

    def read_line(self, *, max_bytes: int) -> bytes:
        """Return the next line with its end; cut at `max_bytes`, and b"" when the run is over."""
        end = self._buffer.find(b"\n", self._at, self._at + max_bytes)
        while end < 0 and len(self._buffer) - self._at < max_bytes:
            searched = len(self._buffer) - self._at
            if not self._fill():
                break
            end = self._buffer.find(b"\n", self._at + searched, self._at + max_bytes)
        stop = len(self._buffer) if end < 0 else end + 1
        line = self._buffer[self._at : min(stop, self._at + max_bytes)]
        self._at += len(line)
        return line

    def unread(self, data: bytes) -> None:
        """Put back bytes that were read last."""
        self._position += self._at - len(data)
        self._buffer = data + self._buffer[self._at :]
        self._at = 0

    def place(self) -> int:
        """Return where the present byte is in the file; in a member, where that begins."""
        position = self._position + self._at
        if self._members is None:
            return position
        if self.fault is not None and self._at == len(self._buffer):
            return self._members.member
        return next(member for edge, member in reversed(self._edges) if edge <= position)

    def name_record(self) -> int:
        """Return the offset that names the record which begins here.

        It is `place()`; the n-th record that begins inside a member, not at its first byte,
        is named n bytes further, so that each record of a file has a name of its own.
        """
        position = self._position + self._at
        if self._members is None:
            return position
        while len(self._edges) > 1 and self._edges[1][0] <= position:
            self._edges.pop(0)
            self._ordinal = 0
        edge, member = self._edges[0]
        self._ordinal += position > edge
        return member + self._ordinal

    def _fill(self, *, first: bool = False) -> bool:
        """Add bytes of this run to the buffer; False when there are none."""
        piece = self._next_piece(first=first)
        self._position += self._at
        self._buffer = self._buffer[self._at :] + piece
        self._at = 0
        return bool(piece)

    def _next_piece(self, *, first: bool) -> bytes:
        if self._members is None:
            return self._file.read(CHUNK_BYTES)
        if self._held is not None and not first:
            return b""
        piece = self._held or self._members.next_piece()
        self._held = None
        if piece and self._members.starts_member:
            if not first and RECORD_START.match(piece):
                self._held = piece
                return b""
            end = self._position + len(self._buffer)
            self._edges.append((end, self._members.member))
        return piece

"""What came back for one request: the message as it is kept, and the body as it is read."""

import re
import zlib
from dataclasses import dataclass
from functools import cached_property

from lodesmith.data.warc_http import parse_headers, split_content_type

_GZIP_WBITS, _ZLIB_WBITS, _RAW_WBITS = 31, 15, -15
_STEP_BYTES = 1 << 16


class TooLargeError(Exception):
    """A body unpacks to more than is allowed."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer, whole or cut."""

    url: str
    request: bytes  # as sent
    head: bytes  # status line and header fields with the empty line, fit for the body beside it
    body: bytes  # content coding kept, transfer coding undone
    ip: str
    date: str  # when it was asked for, as WARC-Date
    protocol: str  # http/1.1 or h2
    truncated: str = ""  # WARC-Truncated: length, time, disconnect, unspecified; "" where whole
    seconds: float = 0.0

    @cached_property
    def status(self) -> int:
        """The HTTP status."""
        return int(self.head.split(b" ", 2)[1][:3])

    @cached_property
    def headers(self) -> dict[str, str]:
        """Header fields by lower-case name."""
        return parse_headers(self.head.partition(b"\r\n")[2])

    @property
    def media_type(self) -> str:
        """The media type that the server names, "" for none."""
        return split_content_type(self.headers.get("content-type", ""))[0]

    @property
    def charset(self) -> str:
        """The charset that the server names, "" for none."""
        return split_content_type(self.headers.get("content-type", ""))[1]

    def unpack(self, max_bytes: int) -> bytes:
        """Return the body without its content coding.

        Raises:
            TooLargeError: it is larger than that.
        """
        return Unpacker(self.headers.get("content-encoding", ""), max_bytes).feed(self.body)

    def unpack_some(self, max_bytes: int) -> bytes:
        """Return the beginning of the body without its content coding."""
        unpacker = Unpacker(self.headers.get("content-encoding", ""), max_bytes)
        inflater = unpacker.open(self.body)
        try:
            data = self.body if inflater is None else inflater.decompress(self.body, max_bytes)
        except zlib.error:
            data = self.body
        return data[:max_bytes]


class Unpacker:
    """Takes a body's content coding off, piece by piece, up to a size."""

    def __init__(self, coding: str, max_bytes: int) -> None:
        """Prepare for a Content-Encoding; of one that is not known, bytes stay as they are."""
        self._coding = re.split(r"[,\s]+", coding.strip().lower())[-1]
        self._left = max_bytes
        self._inflater: zlib._Decompress | None = None
        self._is_plain = self._coding not in ("gzip", "x-gzip", "deflate")

    def feed(self, data: bytes) -> bytes:
        """Return what the next piece unpacks to; of damaged data, what could be had.

        Raises:
            TooLargeError: all of it together is more than allowed.
        """
        if self._is_plain or not data:
            return self._count(data)
        if self._inflater is None:
            self._inflater = self.open(data)
            if self._inflater is None:
                self._is_plain = True
                return self._count(data)
        return self._inflate(self._inflater, data)

    def open(self, data: bytes) -> "zlib._Decompress | None":
        """Return what inflates a body that begins like this; None where it is not deflated."""
        if self._is_plain or not data:
            return None
        if self._coding != "deflate":
            return zlib.decompressobj(_GZIP_WBITS) if data[:1] == b"\x1f" else None
        return zlib.decompressobj(_ZLIB_WBITS if data[0] & 15 == 8 else _RAW_WBITS)

    def _inflate(self, inflater: "zlib._Decompress", data: bytes) -> bytes:
        pieces: list[bytes] = []
        while data and not inflater.eof:
            try:
                pieces.append(self._count(inflater.decompress(data, _STEP_BYTES)))
            except zlib.error:
                break
            data = inflater.unconsumed_tail
        return b"".join(pieces)

    def _count(self, data: bytes) -> bytes:
        self._left -= len(data)
        if self._left < 0:
            raise TooLargeError
        return data

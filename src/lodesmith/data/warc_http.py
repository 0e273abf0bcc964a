"""The body of a stored HTTP response, as the page's author wrote it.

Archives keep messages as they came over the wire: in chunks, compressed, and often with headers
that no longer fit the body. What a header says is undone where the body bears it out; where it
does not, the bytes stay as they are.

Source: RFC 9112 (HTTP/1.1), sections 2-7; RFC 9110, section 8.4 (content codings).
"""

import importlib
import importlib.util
import re
import zlib
from dataclasses import dataclass

from lodesmith.data.warc_record import MAX_PAYLOAD_BYTES

_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d+)?[ \t]+(\d{3})\b[^\n]*\n?")
_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_GZIP_WBITS, _ZLIB_WBITS, _RAW_WBITS = 31, 15, -15


class UndecodableBodyError(ValueError):
    """A body that cannot be had: too large, or in a coding that nobody here knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpResponse:
    """A stored response, decoded."""

    status: int
    content_type: str  # as in the header
    body: bytes


def parse_response(block: bytes) -> HttpResponse | None:
    """Return the response that a record's block holds, None where it holds none.

    Raises:
        UndecodableBodyError: the body is too large or in an unknown coding.
    """
    message = _split_message(block)
    if message is None:
        return None
    status, headers, body = message
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body = join_chunks(body)
    for coding in reversed(headers.get("content-encoding", "").lower().split(",")):
        body = _decode(body, coding.strip())
    return HttpResponse(status=status, content_type=headers.get("content-type", ""), body=body)


def holds_whole_body(block: bytes) -> bool:
    """Tell whether a block holds a response whose body is as long as its own header says.

    >>> holds_whole_body(b"HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\n\\r\\npage")
    True
    """
    message = _split_message(block)
    if message is None:
        return False
    _, headers, body = message
    length = headers.get("content-length", "")
    return length.isascii() and length.isdigit() and len(body) >= int(length)


def _split_message(block: bytes) -> tuple[int, dict[str, str], bytes] | None:
    start = _STATUS_LINE.match(block)
    if start is None:
        return None
    end = _HEADERS_END.search(block, max(0, start.end() - 2))
    head_stop, body_start = (end.start(), end.end()) if end else (len(block), len(block))
    return int(start[1]), parse_headers(block[start.end() : head_stop]), block[body_start:]


def parse_headers(head: bytes) -> dict[str, str]:
    """Return header fields by lower-case name; the first of a repeated name, folded lines joined.

    >>> parse_headers(b"Content-Type: text/html;\\r\\n charset=gbk\\r\\nX: 1\\r\\nX: 2\\r\\n")
    {'content-type': 'text/html; charset=gbk', 'x': '1'}
    """
    text = head.decode("utf-8", "replace").replace("\r\n", "\n")
    headers: dict[str, str] = {}
    for line in re.sub(r"\n[ \t]+", " ", text).split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            headers.setdefault(name.strip().lower(), value.strip())
    return headers


def split_content_type(value: str) -> tuple[str, str]:
    """Return the media type and the charset, both in lower case and "" where not given.

    >>> split_content_type('Text/HTML; Charset="GB2312"')
    ('text/html', 'gb2312')
    """
    media_type, _, parameters = value.partition(";")
    charset = re.search(r"charset\s*=\s*[\"']?([^\s\"';,]+)", parameters, re.IGNORECASE)
    return media_type.strip().lower(), charset[1].lower() if charset else ""


def join_chunks(body: bytes) -> bytes:
    """Return a chunked body in one piece; from the first wrong chunk on, the bytes as they are.

    >>> join_chunks(b"4\\r\\npage\\r\\n0\\r\\n\\r\\n"), join_chunks(b"<p>never chunked")
    (b'page', b'<p>never chunked')
    """
    parts: list[bytes] = []
    at = 0
    while size := _CHUNK_SIZE.match(body, at):
        length = int(size[1], 16)
        if length == 0:
            return b"".join(parts)
        parts.append(body[size.end() : size.end() + length])
        at = size.end() + length
        at += 2 if body[at : at + 2] == b"\r\n" else int(body[at : at + 1] == b"\n")
    return b"".join([*parts, body[at:]])


def _decode(body: bytes, coding: str) -> bytes:
    if coding in ("", "identity", "none") or not body:
        return body
    if coding in ("gzip", "x-gzip"):
        return _inflate(body, _GZIP_WBITS) if body[:2] == b"\x1f\x8b" else body
    if coding == "deflate":  # RFC 9110 means the zlib format; many servers send raw deflate
        is_zlib = body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
        return _inflate(body, _ZLIB_WBITS if is_zlib else _RAW_WBITS)
    if coding == "br":
        return _decode_brotli(body)
    if body.lstrip()[:1] == b"<":  # the archive undid the coding and kept the header
        return body
    raise UndecodableBodyError(f"its body is in the content coding {coding[:20]!r}, unknown here")


def _inflate(body: bytes, wbits: int) -> bytes:
    """Return the inflated body: of a torn one its beginning, of one never deflated itself."""
    inflater = zlib.decompressobj(wbits)
    parts: list[bytes] = []
    size, data = 0, body
    while data and not inflater.eof:
        try:
            piece = inflater.decompress(data, 1 << 20)
        except zlib.error:
            return b"".join(parts) or body
        size += len(piece)
        _check_size(size)
        parts.append(piece)
        data = inflater.unconsumed_tail
    return b"".join(parts)


def _decode_brotli(body: bytes) -> bytes:
    if importlib.util.find_spec("brotli") is None:
        if body.lstrip()[:1] == b"<":
            return body
        raise UndecodableBodyError("its body is compressed with br; install the package brotli")
    brotli = importlib.import_module("brotli")
    decoder = brotli.Decompressor()
    parts: list[bytes] = []
    size = 0
    try:
        for start in range(0, len(body), 4096):  # so that a bomb is noticed before memory is gone
            parts.append(decoder.process(body[start : start + 4096]))
            size += len(parts[-1])
            _check_size(size)
    except brotli.error:
        return b"".join(parts) or body
    return b"".join(parts)


def _check_size(size: int) -> None:
    if size > MAX_PAYLOAD_BYTES:
        raise UndecodableBodyError(f"its body unpacks to more than {MAX_PAYLOAD_BYTES >> 20} MiB")

"""The body of a stored HTTP response, as the page's author wrote it.

Archives keep messages as they came over the wire: in chunks, compressed, and often with headers
that no longer fit the body. What a header says is undone where the body bears it out; where it
does not, the bytes stay as they are.

Sources: RFC 9112 (HTTP/1.1), sections 2-7; RFC 9110, section 8.4 (content codings); RFC 7932 (br);
RFC 8878 (zstd).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from lodesmith.data.warc_record import MAX_PAYLOAD_BYTES, Damage, WarcRecord
from lodesmith.native.warc import GZIP, RAW, ZLIB, InflateError, Inflater

_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d+)?[ \t]+(\d{3})\b[^\n]*\n?")
_HEADERS_END = re.compile(rb"\r?\n\r?\n")
_CHUNK_SIZE = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_TORN = "its packed body is torn: what comes before that is kept"
_STEP_BYTES = 1024  # of input that may unpack to very much at once


class UndecodableBodyError(ValueError):
    """A body that cannot be had: too large, or in a coding that nobody here knows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpResponse:
    """A stored response, decoded."""

    status: int
    content_type: str  # as in the header
    body: bytes
    fault: str = ""  # what kept the body from being undone whole


def parse_response(block: bytes) -> HttpResponse | None:
    """Return the response that a record's block holds, None where it holds none.

    Raises:
        UndecodableBodyError: the body is too large or in an unknown coding.
    """
    message = _split_message(block)
    if message is None:
        return None
    status, headers, body = message
    faults: list[str] = []
    if "chunked" in headers.get("transfer-encoding", "").lower():
        body, fault = join_chunks(body)
        faults += [fault] if fault else []
    for coding in reversed(headers.get("content-encoding", "").lower().split(",")):
        body = _decode(body, coding.strip(), faults)
    return HttpResponse(
        status=status,
        content_type=headers.get("content-type", ""),
        body=body,
        fault="; ".join(faults),
    )


def unpack_http(record: WarcRecord, report: Callable[[Damage], None]) -> WarcRecord:
    """Return a record with the HTTP message of its block taken apart; as it is if there is none.

    Args:
        record: as it stands in the archive.
        report: told of a body that could be undone in part only.

    Raises:
        UndecodableBodyError: the body is too large or in an unknown coding.
    """
    response = parse_response(record.payload)
    if response is None:
        return record
    if response.fault:
        report(Damage(record.offset, response.fault, is_lost=False))
    content_type, charset = split_content_type(response.content_type)
    return record._replace(
        type="revisit" if record.type == "revisit" else "response",
        content_type=content_type,
        charset=charset,
        http_status=response.status,
        payload=response.body,
    )


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


def join_chunks(body: bytes) -> tuple[bytes, str]:
    """Return a chunked body in one piece, and what is wrong with it, "" for nothing.

    From the first wrong chunk on, the bytes are as they came.

    >>> join_chunks(b"4\\r\\npage\\r\\n0\\r\\n\\r\\n")
    (b'page', '')
    >>> join_chunks(b"4\\r\\npage\\r\\n9\\r\\nend")
    (b'pageend', 'its chunked body ends at byte 15, inside a chunk')
    >>> join_chunks(b"<p>page")
    (b'<p>page', 'its body is said to be in chunks and is not')
    """
    parts: list[bytes] = []
    at = 0
    while size := _CHUNK_SIZE.match(body, at):
        length = int(size[1], 16)
        if length == 0:
            return b"".join(parts), ""
        parts.append(body[size.end() : size.end() + length])
        at = size.end() + length
        if at > len(body):
            return b"".join(parts), f"its chunked body ends at byte {len(body)}, inside a chunk"
        at += 2 if body[at : at + 2] == b"\r\n" else int(body[at : at + 1] == b"\n")
    rest = body[at:]
    if not parts:
        return rest, "its body is said to be in chunks and is not" if rest else ""
    fault = f"its chunked body has no chunk at byte {at}" if rest else "its last chunk is missing"
    return b"".join([*parts, rest]), fault


def _decode(body: bytes, coding: str, faults: list[str]) -> bytes:
    if coding in ("", "identity", "none") or not body:
        return body
    if coding in ("gzip", "x-gzip"):
        return _inflate(body, GZIP, faults) if body[:2] == b"\x1f\x8b" else body
    if coding == "deflate":  # RFC 9110 means the zlib format; many servers send raw deflate
        is_zlib = body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
        return _inflate(body, ZLIB if is_zlib else RAW, faults)
    if coding == "br":
        return _unpack(body, _open_brotli(), faults)
    if coding == "zstd":
        return _unpack(body, _open_zstd(), faults) if body[:4] == b"\x28\xb5\x2f\xfd" else body
    if body.lstrip()[:1] == b"<":  # the archive undid the coding and kept the header
        return body
    raise UndecodableBodyError(f"its body is in the content coding {coding[:20]!r}, unknown here")


def _inflate(body: bytes, wrapper: int, faults: list[str]) -> bytes:
    return _join_or_keep(body, _inflated_pieces(body, wrapper, faults), faults)


def _inflated_pieces(body: bytes, wrapper: int, faults: list[str]) -> Iterator[bytes]:
    inflater = Inflater(wrapper)
    try:
        while not inflater.is_done:
            piece, used = inflater.inflate(body, is_all=True)
            yield piece
            body = body[used:]
    except InflateError:
        faults.append(_TORN)


def _unpack(body: bytes, decompress: Callable[[bytes], bytes], faults: list[str]) -> bytes:
    """Return the unpacked body; a small step at a time, so that a bomb is noticed early."""
    return _join_or_keep(body, _unpacked_pieces(body, decompress, faults), faults)


def _join_or_keep(body: bytes, pieces: Iterator[bytes], faults: list[str]) -> bytes:
    """Return what was unpacked, or a body that nothing was unpacked of: an archive undid it."""
    num_faults = len(faults)
    unpacked = _join_bounded(pieces)
    if not unpacked:
        del faults[num_faults:]
    return unpacked or body


def _unpacked_pieces(
    body: bytes, decompress: Callable[[bytes], bytes], faults: list[str]
) -> Iterator[bytes]:
    try:
        for start in range(0, len(body), _STEP_BYTES):
            yield decompress(body[start : start + _STEP_BYTES])
    except UndecodableBodyError:
        raise
    except Exception:  # noqa: BLE001 each library has an error of its own; the beginning is kept
        faults.append(_TORN)


def _open_brotli() -> Callable[[bytes], bytes]:
    import brotli

    decompress: Callable[[bytes], bytes] = brotli.Decompressor().process
    return decompress


def _open_zstd() -> Callable[[bytes], bytes]:
    import zstandard

    context = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    return context.decompressobj(read_across_frames=True).decompress


def _join_bounded(pieces: Iterator[bytes]) -> bytes:
    """Return the pieces in one: of a torn body its beginning, b"" of one never compressed."""
    kept: list[bytes] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > MAX_PAYLOAD_BYTES:
            raise UndecodableBodyError(
                f"its body unpacks to more than {MAX_PAYLOAD_BYTES >> 20} MiB"
            )
        kept.append(piece)
    return b"".join(kept)

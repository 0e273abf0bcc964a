"""The WARC records of an answer, and an answer out of its records again.

One fetch is three records, written in one go: `request`, `metadata` (what the crawl knew and
decided), then `response`. The response comes last, so that a whole one proves the two before it:
it is what makes a fetch count as done.

Source: ISO 28500:2017 (WARC 1.1), sections 5 and 6; truncation in 5.13, identified payload types in
5.17, revisits by payload digest in 6.7.2. Digests are SHA-256, in base 16.
"""

import hashlib
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

from lodesmith.acquire.crawl.answer import Answer
from lodesmith.data.warc import MAX_PAYLOAD_BYTES
from lodesmith.data.warc_http import parse_headers
from lodesmith.data.warc_writer import pack_record

_REVISIT_PROFILE = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
_GZIP_WBITS = 31
_READ_BYTES = 1 << 18
_MAX_MEMBER_BYTES = 2 * MAX_PAYLOAD_BYTES


@dataclass(frozen=True, slots=True)
class Packed:
    """The records of one fetch, as gzip members."""

    request: bytes
    metadata: bytes
    response: bytes

    def join(self) -> bytes:
        """Return them in the order in which they are kept."""
        return self.request + self.metadata + self.response


@dataclass(frozen=True, slots=True)
class Member:
    """One record of the log."""

    start: int
    stop: int
    fields: dict[str, str]  # by lower-case name
    block: bytes


def pack_answer(answer: Answer, *, notes: Mapping[str, str], media_type: str = "") -> Packed:
    """Return the records of an answer.

    Args:
        answer: what came back.
        notes: what the metadata record tells; see `crawler`.
        media_type: what the body was found to be, with its charset.
    """
    block = answer.head + answer.body
    response_id = _name("response", answer, block)
    shared = {
        "WARC-Target-URI": answer.url,
        "WARC-Date": answer.date,
    }
    response = {
        "WARC-Type": "response",
        "WARC-Record-ID": response_id,
        **shared,
        "WARC-IP-Address": answer.ip,
        "WARC-Protocol": answer.protocol,
        "WARC-Payload-Digest": f"sha256:{hashlib.sha256(answer.body).hexdigest()}",
        "WARC-Identified-Payload-Type": media_type,
        "WARC-Truncated": answer.truncated,
    }
    beside = {**shared, "WARC-Concurrent-To": response_id}
    request = {
        "WARC-Type": "request",
        "WARC-Record-ID": _name("request", answer, answer.request),
        **beside,
        "WARC-IP-Address": answer.ip,
    }
    told = "".join(f"{name}: {value}\r\n" for name, value in notes.items()).encode()
    metadata = {
        "WARC-Type": "metadata",
        "WARC-Record-ID": _name("metadata", answer, told),
        **beside,
    }
    return Packed(
        request=_pack(request, answer.request, "application/http;msgtype=request"),
        metadata=_pack(metadata, told, "application/warc-fields"),
        response=_pack(response, block, "application/http;msgtype=response"),
    )


def pack_revisit(response: Member, *, of_uri: str, of_date: str, of_id: str) -> bytes:
    """Return a record of an answer's own head that refers to another's equal payload."""
    names = {"warc-target-uri": "WARC-Target-URI", "warc-date": "WARC-Date",
             "warc-record-id": "WARC-Record-ID", "warc-ip-address": "WARC-IP-Address",
             "warc-payload-digest": "WARC-Payload-Digest"}  # fmt: skip
    fields = {
        "WARC-Type": "revisit",
        **{name: response.fields.get(key, "") for key, name in names.items()},
        "WARC-Profile": _REVISIT_PROFILE,
        "WARC-Refers-To": of_id,
        "WARC-Refers-To-Target-URI": of_uri,
        "WARC-Refers-To-Date": of_date,
    }
    head = response.block.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
    return _pack(fields, head, "application/http;msgtype=response")


def pack_info(fields: Mapping[str, str], *, date: str, file_name: str) -> bytes:
    """Return the record that begins a file."""
    block = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
    digest = hashlib.sha256(block).hexdigest()
    record_id = uuid.uuid5(uuid.NAMESPACE_URL, f"warcinfo {file_name} {date} {digest}")
    head = {
        "WARC-Type": "warcinfo",
        "WARC-Record-ID": f"<urn:uuid:{record_id}>",
        "WARC-Date": date,
        "WARC-Filename": file_name,
    }
    return _pack(head, block, "application/warc-fields")


def restore_answer(response: Member, request: bytes = b"") -> Answer:
    """Return the answer that a response record was made of."""
    head, separator, body = response.block.partition(b"\r\n\r\n")
    return Answer(
        url=response.fields["warc-target-uri"],
        request=request,
        head=head + separator,
        body=body,
        ip=response.fields.get("warc-ip-address", ""),
        date=response.fields["warc-date"],
        protocol=response.fields.get("warc-protocol", ""),
        truncated=response.fields.get("warc-truncated", ""),
    )


def read_members(file: IO[bytes], *, start: int, stop: int | None = None) -> Iterator[Member]:
    """Yield the whole records of a file of ours; a torn one ends it.

    Args:
        file: seekable.
        start: where a record begins.
        stop: where to end; None for the end of the file.
    """
    file.seek(start)
    pending = b""
    at = start
    while stop is None or at < stop:
        member = _inflate_one(file, pending)
        if member is None:
            return
        data, size, pending = member
        head, separator, rest = data.partition(b"\r\n\r\n")
        fields = parse_headers(head)
        length = int(fields.get("content-length", "-1"))
        if not separator or len(rest) != length + 4:
            return
        yield Member(at, at + size, fields, rest[:length])
        at += size


def _inflate_one(file: IO[bytes], data: bytes) -> tuple[bytes, int, bytes] | None:
    """Return a member's bytes, its size in the file and what was read behind it; None: torn."""
    inflater = zlib.decompressobj(_GZIP_WBITS)
    pieces: list[bytes] = []
    size = inflated = 0
    while not inflater.eof:
        data = data or file.read(_READ_BYTES)
        if not data or inflated > _MAX_MEMBER_BYTES:
            return None
        try:
            pieces.append(inflater.decompress(data))
        except zlib.error:
            return None
        inflated += len(pieces[-1])
        size += len(data) - len(inflater.unused_data)
        data = b""
    return b"".join(pieces), size, inflater.unused_data


def _pack(fields: dict[str, str], block: bytes, content_type: str) -> bytes:
    digest = hashlib.sha256(block).hexdigest()
    rest = {
        "WARC-Block-Digest": f"sha256:{digest}",
        "Content-Type": content_type,
        "Content-Length": str(len(block)),
    }
    return pack_record({**fields, **rest}, block)


def _name(kind: str, answer: Answer, block: bytes) -> str:
    digest = hashlib.sha256(block).hexdigest()
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {answer.url} {answer.date} {digest}")
    return f"<urn:uuid:{name}>"

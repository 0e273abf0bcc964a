"""WARC files whose bytes depend on nothing but the records: equal pages, equal file.

Each record is a gzip member of its own, so that its offset is enough to read it. Member headers
hold no time and no name, the level is fixed, and record ids are derived from content. (Equal bytes
need an equal zlib; what is inside is equal with any.)

Source: ISO 28500:2017, sections 5 (fields), 6.3 (resource) and annex D (gzip);
RFC 9562, section 5.5 (name-based UUIDs).
"""

import hashlib
import uuid
import zlib
from collections.abc import Mapping
from typing import IO

_LEVEL = 6
_GZIP_WBITS = 31


class WarcWriter:
    """Writes one .warc.gz file."""

    def __init__(self, file: IO[bytes], *, info: dict[str, str] | None = None) -> None:
        """Write to a binary file from its start.

        Args:
            file: stays open.
            info: fields of the `warcinfo` record, which is dated like the first page so that no
                clock is asked.
        """
        self._file = file
        self._offset = 0
        self._info = {"software": "Lodesmith", "format": "WARC File Format 1.1", **(info or {})}

    def write(
        self,
        *,
        uri: str,
        payload: bytes,
        content_type: str,
        date: str,
        record_type: str = "resource",
    ) -> int:
        """Append a record and return its offset.

        Args:
            uri: what the payload is a copy of.
            payload: the page's bytes, in the page's own encoding.
            content_type: as far as known, with its charset.
            date: when the page was written or fetched, UTC, as in 2024-05-31T01:16:46Z.
            record_type: WARC-Type.
        """
        if self._offset == 0:
            fields = "".join(f"{name}: {value}\r\n" for name, value in self._info.items())
            self._append("warcinfo", "", fields.encode(), "application/warc-fields", date)
        return self._append(record_type, uri, payload, content_type, date)

    def _append(
        self, record_type: str, uri: str, payload: bytes, content_type: str, date: str
    ) -> int:
        digest = hashlib.sha256(payload).hexdigest()
        record_id = uuid.uuid5(uuid.NAMESPACE_URL, f"{record_type} {uri} {digest}")
        fields = {
            "WARC-Type": record_type,
            "WARC-Target-URI": uri,
            "WARC-Date": date,
            "WARC-Record-ID": f"<urn:uuid:{record_id}>",
            "WARC-Block-Digest": f"sha256:{digest}",
            "Content-Type": content_type,
            "Content-Length": str(len(payload)),
        }
        start = self._offset
        self._offset += self._file.write(pack_record(fields, payload))
        return start


def pack_record(fields: Mapping[str, str], block: bytes) -> bytes:
    """Return a record as one gzip member; a field without a value is left out.

    Args:
        fields: named fields in order, Content-Length among them.
        block: the record's block.
    """
    lines = [f"{name}: {_one_line(value)}\r\n" for name, value in fields.items() if value]
    head = "".join(["WARC/1.1\r\n", *lines, "\r\n"]).encode()
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP_WBITS)
    pieces = [compressor.compress(piece) for piece in (head, block, b"\r\n\r\n")]
    return b"".join([*pieces, compressor.flush()])


def _one_line(value: str) -> str:
    """Return a header value that cannot begin another header."""
    return value.replace("\r", " ").replace("\n", " ")

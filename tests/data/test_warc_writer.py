"""Writing WARC: equal pages give equal bytes, and one record can be read alone."""

import gzip
import io
import re
import zlib

from lodesmith.data.warc import WarcWriter


def write_pages(*payloads: bytes) -> tuple[bytes, list[int]]:
    buffer = io.BytesIO()
    writer = WarcWriter(buffer, info={"source": "debian:pages"})
    offsets = [
        writer.write(
            uri="debian:pages/a.html", payload=payload, content_type="text/html; charset=utf-8",
            date="2023-11-27T17:16:00Z",
        )
        for payload in payloads
    ]  # fmt: skip
    return buffer.getvalue(), offsets


def test_equal_pages_give_equal_bytes() -> None:
    assert write_pages(b"one", b"two") == write_pages(b"one", b"two")


def test_a_record_is_a_gzip_member_of_its_own_without_a_time() -> None:
    data, (first, second) = write_pages(b"one", b"two")
    member = zlib.decompressobj(31)
    record = member.decompress(data[first:])
    assert member.unused_data == data[second:]
    assert record.startswith(b"WARC/1.1\r\nWARC-Type: resource\r\n")
    assert record.endswith(b"Content-Length: 3\r\n\r\none\r\n\r\n")
    assert data[first + 4 : first + 8] == bytes(4)  # RFC 1952: MTIME


def test_a_warcinfo_record_comes_first_and_asks_no_clock() -> None:
    text = gzip.decompress(write_pages(b"one")[0]).decode()
    info = text[: text.index("\r\n\r\n\r\n")]
    assert "WARC-Type: warcinfo" in info
    assert "source: debian:pages" in info
    assert re.findall(r"\d{4}-\d\d-\d\dT", text) == ["2023-11-27T", "2023-11-27T"]


def test_record_ids_differ_with_the_payload_and_only_with_it() -> None:
    text = gzip.decompress(write_pages(b"one", b"two", b"one")[0]).decode()
    _, first, second, third = re.findall(r"WARC-Record-ID: (<urn:uuid:[0-9a-f-]{36}>)", text)
    assert first == third != second


def test_an_address_cannot_smuggle_in_a_header() -> None:
    buffer = io.BytesIO()
    WarcWriter(buffer).write(
        uri="http://a/\r\nWARC-Type: warcinfo", payload=b"", content_type="text/html", date="2020"
    )
    lines = gzip.decompress(buffer.getvalue()).split(b"\r\n")
    assert lines.count(b"WARC-Type: warcinfo") == 1

"""The same records come out of every form of an archive, whole or harmed, by either reader."""

import gzip
import random
import struct
import zlib
from pathlib import Path

import brotli
import lz4.frame
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.data import warc_batches, warc_http, warc_reader
from lodesmith.data.warc import Damage, WarcRecord, read_record_at, read_warc

HTTP_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"


def make_record(number: int, *, kind: str = "response", body: bytes | None = None) -> bytes:
    page = body or f"<p>page {number} ".encode() * (1 + number % 7 * 50)
    block = HTTP_HEAD + b"Content-Length: %d\r\n\r\n" % len(page) + page
    head = (
        f"WARC/1.1\r\nWARC-Type: {kind}\r\nWARC-Target-URI: <http://a.cn/é/{number}>\r\n"
        f"WARC-Date: 2024-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:{number}>\r\n"
        f"Content-Type: application/http\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def read(path: Path, data: bytes) -> tuple[list[WarcRecord], list[Damage]]:
    path.write_bytes(data)
    damages: list[Damage] = []
    return list(read_warc(path, on_damage=damages.append)), damages


def numbers(records: list[WarcRecord]) -> list[int]:
    return [int(record.uri.split("/")[-1]) for record in records]


def read_slowly(path: Path, monkeypatch: pytest.MonkeyPatch) -> list[WarcRecord]:
    """Read without batches, by the reader that looks at each record with care."""

    def one_by_one(file, codec, report, start):
        place = start
        while place is not None:
            stream = warc_reader.ArchiveBytes(file, start=place, codec=codec)
            place = yield from warc_reader._read_run(stream, report)

    with monkeypatch.context() as patch:
        patch.setattr(warc_reader, "_read_quickly", one_by_one)
        return list(read_warc(path, on_damage=lambda _: None))


def zstd_with_dictionary(parts: list[bytes], *, packed: bool) -> bytes:
    words = zstandard.ZstdCompressionDict(b"".join(parts)[:4096])
    content = zstandard.compress(words.as_bytes()) if packed else words.as_bytes()
    frame = b"\x5d\x2a\x4d\x18" + struct.pack("<I", len(content)) + content
    compressor = zstandard.ZstdCompressor(dict_data=words)
    return frame + b"".join(compressor.compress(part) for part in parts)


FORMS = {
    "plain": b"".join,
    "gzip members": lambda parts: b"".join(gzip.compress(part) for part in parts),
    "stored gzip members": lambda parts: b"".join(gzip.compress(part, 0) for part in parts),
    "padded gzip members": lambda parts: b"\0\0\0".join(gzip.compress(part) for part in parts),
    "one gzip member": lambda parts: gzip.compress(b"".join(parts)),
    "three records a member": lambda parts: b"".join(
        gzip.compress(b"".join(parts[at : at + 3])) for at in range(0, len(parts), 3)
    ),
    "members that cut records": lambda parts: b"".join(
        gzip.compress(b"".join(parts)[at : at + 777]) for at in range(0, sum(map(len, parts)), 777)
    ),
    "zstd frames": lambda parts: b"".join(zstandard.compress(part) for part in parts),
    "one zstd frame": lambda parts: zstandard.compress(b"".join(parts)),
    "zstd with a dictionary": lambda parts: zstd_with_dictionary(parts, packed=False),
    "zstd with a packed dictionary": lambda parts: zstd_with_dictionary(parts, packed=True),
    "lz4 frames": lambda parts: b"".join(lz4.frame.compress(part) for part in parts),
    "one lz4 frame": lambda parts: lz4.frame.compress(b"".join(parts)),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_records(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [make_record(n, kind="request" if n % 5 == 4 else "response") for n in range(40)]
    path = tmp_path / "a.warc"
    records, damages = read(path, FORMS[form](parts))
    assert damages == []
    assert numbers(records) == list(range(40))
    assert records[3].payload == b"<p>page 3 " * 151
    assert len({record.offset for record in records}) == 40
    assert records == read_slowly(path, monkeypatch)
    assert all(read_record_at(path, record.offset) == record for record in records[::13])


@pytest.mark.parametrize("form", ["gzip members", "zstd frames", "lz4 frames"])
@pytest.mark.parametrize("harm", ["flip", "clip", "cut"])
def test_a_harmed_member_costs_its_record_only(tmp_path: Path, form: str, harm: str) -> None:
    parts = [FORMS[form]([make_record(n)]) for n in range(1, 12)]
    middle = len(parts[5]) // 2
    if harm == "flip":
        parts[5] = parts[5][: middle - 4] + bytes(8) + parts[5][middle + 4 :]
    elif harm == "clip":
        parts[5] = parts[5][:middle]
    else:
        parts[10] = parts[10][:middle]
    records, damages = read(tmp_path / "a.warc", b"".join(parts))
    lost = 11 if harm == "cut" else 6
    assert numbers(records) == [n for n in range(1, 12) if n != lost]
    assert [damage.offset for damage in damages] == [sum(map(len, parts[: lost - 1]))]


@pytest.mark.parametrize("harm", [None, "flip", "cut"])
@pytest.mark.parametrize("sizes", [(1, 1 << 20), (23, 1 << 14), (1000, 1 << 14), (4096, 5000)])
@pytest.mark.parametrize("form", [form for form in FORMS if "gzip" in form or "member" in form])
def test_where_a_block_ends_inside_a_member_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str, sizes: tuple[int, int], harm: str
) -> None:
    chance = random.Random(3)
    bodies = [chance.randbytes(300) + b"<p>text " * chance.randrange(900) for _ in range(12)]
    data = FORMS[form]([make_record(n, body=body) for n, body in enumerate(bodies)])
    if harm:
        middle = len(data) // 2
        data = data[:middle] + (bytes(9) + data[middle + 9 :] if harm == "flip" else b"")
    monkeypatch.setattr(warc_batches, "_INPUT_BYTES", sizes[0])
    monkeypatch.setattr(warc_batches, "_OUTPUT_BYTES", sizes[1])
    records, damages = read(tmp_path / "a.warc", data)
    monkeypatch.undo()
    assert (records, damages) == read(tmp_path / "a.warc", data)
    assert records == read_slowly(tmp_path / "a.warc", monkeypatch)
    assert harm or len(records) == len(bodies)


def test_what_looks_like_a_member_inside_a_torn_one_is_not_read(tmp_path: Path) -> None:
    inner = gzip.compress(b"<p>an image with a gzip stream in it" * 20)
    magic = b"\x1f\x8b\x08\x00" * 50
    torn = bytearray(gzip.compress(make_record(1, body=magic + inner + b"</p>"), 0))
    torn[20] ^= 255
    data = gzip.compress(make_record(0)) + bytes(torn) + gzip.compress(make_record(2))
    records, damages = read(tmp_path / "a.warc.gz", data)
    assert numbers(records) == [0, 2]
    assert len(damages) == 1


def test_a_bomb_of_an_archive_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"WARC/1.0\r\nWARC-Type: resource\r\nContent-Length: 99000000\r\n\r\n"
    for pack in (gzip.compress, zstandard.compress, lz4.frame.compress):
        bomb = pack(head + bytes(99_000_000))
        records, damages = read(tmp_path / "a.warc", bomb + pack(make_record(7)))
        assert numbers(records) == [7]
        assert "more than 64 MiB" in damages[0].reason


@pytest.mark.parametrize("coding", ["gzip", "x-gzip", "deflate", "raw deflate", "br", "zstd"])
def test_content_codings_are_undone(tmp_path: Path, coding: str) -> None:
    page = b"<p>" + random.Random(3).randbytes(200_000).hex().encode()
    raw = zlib.compressobj(wbits=-15)
    body = {
        "gzip": gzip.compress, "x-gzip": gzip.compress, "deflate": zlib.compress,
        "raw deflate": lambda data: raw.compress(data) + raw.flush(), "br": brotli.compress,
        "zstd": zstandard.compress,
    }[coding](page)  # fmt: skip
    name = coding.rsplit(maxsplit=1)[-1].encode()
    head = b"HTTP/2 200\r\nContent-Encoding: " + name + b"\r\n\r\n"
    for block, expected in ((head + body, page), (head + page, page)):
        response = warc_http.parse_response(block)
        assert response is not None
        assert (response.status, response.body) == (200, expected)
    torn = warc_http.parse_response(head + body[: len(body) // 2])
    assert torn is not None
    assert torn.body
    assert page.startswith(torn.body)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_a_body_that_is_a_bomb_is_refused(monkeypatch: pytest.MonkeyPatch, coding: str) -> None:
    monkeypatch.setattr(warc_http, "MAX_PAYLOAD_BYTES", 1 << 20)
    pack = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.compress}[coding]
    block = f"HTTP/1.1 200 OK\r\nContent-Encoding: {coding}\r\n\r\n".encode() + pack(bytes(1 << 24))
    with pytest.raises(warc_http.UndecodableBodyError, match="more than 1 MiB"):
        warc_http.parse_response(block)


HEADERS = st.lists(
    st.sampled_from([
        b"X: 1", b"Content-Type: text/html; charset=gbk", b"content-type:text/plain", b" folded",
        b"Content-Encoding: gzip", b"Transfer-Encoding: chunked", b"no colon", b": empty",
        b"\xff: \xfe",
        b"Content-Length: 3", b"Content-Encoding: identity",
    ]),
    max_size=5,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    warc=st.lists(
        st.tuples(
            st.sampled_from([b"\r\n", b"\n"]),
            st.sampled_from([
                b"WARC-Target-URI: http://x/\xc3\xa9", b"Warc-Date:  2020 ", b"WARC-Type: request",
                b"X-Odd", b"WARC-Record-ID: \xff", b"Content-Type: a/b", b"WARC-Target-URI: <http://y/>",
            ]),
        ),
        max_size=5,
    ),
    status=st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/2 404", b"HTTP/1.0  302\tx",
                            b"HTTP/1.1 20", b"GET /"]),
    headers=HEADERS,
    body=st.binary(max_size=40),
    tail=st.sampled_from([b"\r\n\r\n", b"\n\n", b"\r\n\r\n\r\n", b"\r\n", b"", b"junk\r\n"]),
    packed=st.booleans(),
)  # fmt: skip
def test_both_readers_agree_on_odd_headers(
    tmp_path_factory, warc, status, headers, body, tail, packed
) -> None:
    block = b"\r\n".join([status, *headers]) + b"\r\n\r\n" + body
    head = b"WARC/1.0\r\nWARC-Type: response\r\n" + b"".join(line + end for end, line in warc)
    odd = head + b"Content-Length: %d\r\n\r\n" % len(block) + block + tail
    parts = [make_record(0), odd, make_record(1)]
    path = tmp_path_factory.mktemp("agree") / "a.warc"
    data = b"".join(gzip.compress(part) for part in parts) if packed else b"".join(parts)
    records, _ = read(path, data)
    with pytest.MonkeyPatch.context() as patch:
        assert records == read_slowly(path, patch)


def test_records_larger_than_a_batch_are_read(tmp_path: Path) -> None:
    big = random.Random(1).randbytes(5 << 20)
    parts = [
        make_record(0),
        make_record(1, body=big),
        make_record(2),
        make_record(3, body=bytes(9 << 20)),
    ]
    for form in ("plain", "gzip members"):
        records, damages = read(tmp_path / "a.warc", FORMS[form](parts))
        assert numbers(records) == [0, 1, 2, 3]
        assert records[1].payload == big
        assert damages == []


def test_reading_may_start_at_any_record(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    records, _ = read(path, FORMS["gzip members"]([make_record(n) for n in range(9)]))
    assert list(read_warc(path, start=records[4].offset)) == records[4:]

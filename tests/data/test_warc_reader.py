"""Reading WARC and ARC: nothing whole is lost, nothing broken passes for whole."""

import gzip
import io
import zlib
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.data import warc_http
from lodesmith.data.warc import Damage, WarcRecord, WarcWriter, read_record_at, read_warc

HTTP_PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: Text/HTML; charset=GB2312\r\nContent-Length: 11\r\n\r\n"
    b"<p>page</p>"
)


ADDRESSES = st.text(st.characters(min_codepoint=33, max_codepoint=0x9FFF), min_size=1)


def warc_record(block: bytes, *, uri: str = "http://a.cn/", kind: str = "response") -> bytes:
    head = (
        f"WARC/1.0\r\nWARC-Type: {kind}\r\nWARC-Target-URI: {uri}\r\n"
        f"WARC-Date: 2020-01-02T03:04:05Z\r\nContent-Length: {len(block)}\r\n\r\n"
    )
    return head.encode() + block + b"\r\n\r\n"


def read_bytes(folder: Path, data: bytes) -> tuple[list[WarcRecord], list[Damage]]:
    path = folder / "sample.warc.gz"
    path.write_bytes(data)
    damages: list[Damage] = []
    return list(read_warc(path, on_damage=damages.append)), damages


def many_records(count: int) -> list[bytes]:
    return [
        warc_record(f"page {n} ".encode() * 50, uri=f"http://a.cn/{n}", kind="resource")
        for n in range(count)
    ]


def test_a_response_is_taken_apart(tmp_path: Path) -> None:
    records, damages = read_bytes(tmp_path, gzip.compress(warc_record(HTTP_PAGE)))
    assert damages == []
    assert records == [
        WarcRecord(
            offset=0, type="response", uri="http://a.cn/", date="2020-01-02T03:04:05Z",
            record_id="", content_type="text/html", charset="gb2312", http_status=200,
            payload=b"<p>page</p>",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    "pack",
    [
        b"".join,
        lambda parts: b"".join(gzip.compress(part) for part in parts),
        lambda parts: gzip.compress(b"".join(parts)),
        lambda parts: b"\0\0".join(gzip.compress(part) for part in parts) + bytes(512),
        lambda parts: b"".join(
            gzip.compress(b"".join(parts)[start : start + 700])
            for start in range(0, len(b"".join(parts)), 700)
        ),
    ],
    ids=["plain", "member a record", "one member", "padded members", "members across records"],
)
def test_each_packing_gives_the_same_records_and_each_can_be_found_again(tmp_path, pack) -> None:
    parts = many_records(7)
    records, damages = read_bytes(tmp_path, pack(parts))
    assert damages == []
    assert [record.uri for record in records] == [f"http://a.cn/{n}" for n in range(7)]
    assert [record.payload for record in records] == [f"page {n} ".encode() * 50 for n in range(7)]
    assert len({record.offset for record in records}) == 7
    for record in records:
        assert read_record_at(tmp_path / "sample.warc.gz", record.offset) == record


def test_a_record_that_is_not_there_is_a_users_error(tmp_path: Path) -> None:
    read_bytes(tmp_path, gzip.compress(many_records(1)[0]))
    with pytest.raises(UserError, match="no record at byte 5"):
        read_record_at(tmp_path / "sample.warc.gz", 5)


@pytest.mark.parametrize("at", [12, 60, -6])
def test_a_damaged_member_costs_one_record(tmp_path: Path, at: int) -> None:
    members = [bytearray(gzip.compress(part)) for part in many_records(9)]
    members[4][at] ^= 0xFF
    records, damages = read_bytes(tmp_path, b"".join(members))
    assert [record.uri[-1] for record in records] == list("01235678")
    assert [damage.offset for damage in damages] == [sum(map(len, members[:4]))]


def test_a_member_clipped_in_the_middle_of_the_file_costs_one_record(tmp_path: Path) -> None:
    members = [gzip.compress(part) for part in many_records(9)]
    members[3] = members[3][:40]
    records, damages = read_bytes(tmp_path, b"".join(members))
    assert [record.uri[-1] for record in records] == list("01245678")
    assert len(damages) == 1


def test_a_torn_beginning_does_not_hide_the_rest(tmp_path: Path) -> None:
    members = [gzip.compress(part) for part in many_records(3)]
    records, damages = read_bytes(tmp_path, b"".join(members)[7:])
    assert [record.uri[-1] for record in records] == ["1", "2"]
    assert len(damages) == 1


def test_a_clipped_block_does_not_swallow_the_next_record(tmp_path: Path) -> None:
    parts = many_records(4)
    clipped = parts[1][:-100]
    for data in (
        b"".join([parts[0], clipped, *parts[2:]]),
        gzip.compress(b"".join([parts[0], clipped + b"\n", *parts[2:]])),
        b"".join(gzip.compress(part) for part in [parts[0], clipped, *parts[2:]]),
    ):
        records, damages = read_bytes(tmp_path, data)
        assert [record.uri[-1] for record in records] == ["0", "2", "3"]
        assert "clipped" in damages[0].reason


def test_bytes_between_records_are_reported_and_skipped(tmp_path: Path) -> None:
    parts = many_records(2)
    records, damages = read_bytes(tmp_path, parts[0] + b"lost bytes\nmore\n" + parts[1])
    assert len(records) == 2
    assert damages == [Damage(len(parts[0]), "16 bytes that belong to no record")]


@pytest.mark.parametrize("length", [b"Content-Length: none", b"Content-Length: -5", b"X: 1"])
def test_a_record_without_a_length_is_damage(tmp_path: Path, length: bytes) -> None:
    bad = b"WARC/1.0\r\nWARC-Type: resource\r\n" + length + b"\r\n\r\ntext\r\n\r\n"
    records, damages = read_bytes(tmp_path, bad + many_records(1)[0])
    assert len(records) == 1
    assert [damage.reason for damage in damages] == ["its header has no valid Content-Length"]


def test_a_block_larger_than_a_page_is_never_held_in_memory(tmp_path: Path) -> None:
    huge = b"WARC/1.0\r\nWARC-Type: resource\r\nContent-Length: 99999999999\r\n\r\ntext\r\n\r\n"
    records, damages = read_bytes(tmp_path, huge + many_records(1)[0])
    assert len(records) == 1
    assert "99999999999 bytes, more than 64 MiB" in damages[0].reason


def test_a_body_that_is_a_bomb_is_damage(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(warc_http, "MAX_PAYLOAD_BYTES", 1 << 20)
    bomb = gzip.compress(bytes(3 << 20))
    block = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + bomb
    records, damages = read_bytes(tmp_path, warc_record(block) + many_records(1)[0])
    assert len(records) == 1
    assert "unpacks to more than 1 MiB" in damages[0].reason


def test_without_a_listener_damage_raises_and_names_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "torn.warc.gz"
    first = gzip.compress(many_records(1)[0])
    path.write_bytes(first + gzip.compress(many_records(1)[0])[:50])
    reading = read_warc(path)
    assert next(reading).uri == "http://a.cn/0"
    with pytest.raises(DamagedArtifactError, match=f"torn.warc.gz is damaged at byte {len(first)}"):
        next(reading)


def test_what_is_no_file_or_otherwise_compressed_is_a_users_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        list(read_warc(tmp_path / "none.warc"))
    (tmp_path / "a.warc.bz2").write_bytes(b"BZh9 and so on")
    with pytest.raises(UserError, match="compressed with bzip2"):
        list(read_warc(tmp_path / "a.warc.bz2"))


def test_an_arc_file_with_spaces_in_its_addresses_is_read(tmp_path: Path) -> None:
    lines = b"1 0 Live\nURL IP-address Archive-date Content-type Archive-length\n"
    data = b"filedesc://x.arc 1.2.3.4 20140216050221 text/plain %d\n%s\n" % (len(lines), lines)
    data += b"http://a.cn/?q=a b c 1.2.3.4 20140216050222 text/html %d\n%s\n" % (
        len(HTTP_PAGE), HTTP_PAGE,
    )  # fmt: skip
    records, damages = read_bytes(tmp_path, data)
    assert damages == []
    assert [(record.type, record.uri) for record in records] == [
        ("warcinfo", "filedesc://x.arc"),
        ("response", "http://a.cn/?q=a b c"),
    ]
    assert records[1].payload == b"<p>page</p>"


@pytest.mark.parametrize(
    ("headers", "body", "expected"),
    [
        (b"Transfer-Encoding: chunked", b"3\r\n<p>\r\n4;x\r\npage\r\n0\r\n\r\n", b"<p>page"),
        (b"Transfer-Encoding: chunked", b"<p>not chunked", b"<p>not chunked"),
        (b"Transfer-Encoding: chunked", b"3\r\n<p>\r\nzz\r\nrest", b"<p>zz\r\nrest"),
        (b"Content-Encoding: gzip", gzip.compress(b"<p>page"), b"<p>page"),
        (b"Content-Encoding: gzip", gzip.compress(b"<p>page" * 99)[:-9], b"<p>page" * 99),
        (b"Content-Encoding: gzip", b"<p>undone by the archive", b"<p>undone by the archive"),
        (b"Content-Encoding: deflate", zlib.compress(b"<p>page"), b"<p>page"),
        (b"Content-Encoding: deflate", zlib.compress(b"<p>page")[2:-4], b"<p>page"),
        (b"Content-Encoding: identity", b"<p>page", b"<p>page"),
        (b"X: y", b"", b""),
    ],
)
def test_a_body_comes_as_its_author_wrote_it(headers, body, expected) -> None:
    response = warc_http.parse_response(b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\n" + body)
    assert response is not None
    assert response.body == expected


@pytest.mark.parametrize(
    ("headers", "body", "kept", "reason"),
    [
        (b"Transfer-Encoding: chunked", b"<p>page", b"<p>page", "in chunks and is not"),
        (
            b"Transfer-Encoding: chunked",
            b"3\r\n<p>\r\nzz\r\nx",
            b"<p>zz\r\nx",
            "no chunk at byte 8",
        ),
        (b"Transfer-Encoding: chunked", b"3\r\n<p>\r\n9\r\npage", b"<p>page", "inside a chunk"),
        (b"Transfer-Encoding: chunked", b"3\r\n<p>\r\n", b"<p>", "last chunk is missing"),
        (b"Content-Encoding: gzip", gzip.compress(b"<p>page" * 99)[:-9], b"<p>page" * 99, "torn"),
        (b"Content-Encoding: deflate", zlib.compress(b"<p>page" * 99)[:-6], None, "torn"),
    ],
)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress])
def test_a_body_that_is_saved_in_part_is_told_and_its_record_comes(
    tmp_path: Path, pack, headers, body, kept, reason
) -> None:
    block = b"HTTP/1.1 200 OK\r\n" + headers + b"\r\n\r\n" + body
    parts = [pack(warc_record(each)) for each in (HTTP_PAGE, block, HTTP_PAGE)]
    records, damages = read_bytes(tmp_path, b"".join(parts))
    offset = len(parts[0])
    assert [record.offset for record in records] == [0, offset, offset + len(parts[1])]
    assert kept is None or records[1].payload == kept
    (damage,) = damages
    assert (damage.offset, damage.is_lost) == (offset, False)
    assert reason in damage.reason
    assert list(read_warc(tmp_path / "sample.warc.gz")) == records  # no reason to stop


def test_a_coding_nobody_knows_is_reported_not_passed_on(tmp_path: Path) -> None:
    block = b"HTTP/1.1 200 OK\r\nContent-Encoding: x-secret\r\n\r\n\x01\x02\x03"
    records, damages = read_bytes(tmp_path, warc_record(block))
    assert records == []
    assert "content coding 'x-secret'" in damages[0].reason


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_bytes_whatever_crash_the_reader(tmp_path_factory, data: st.DataObject) -> None:
    whole = bytearray(b"".join(gzip.compress(part) for part in many_records(4)))
    if data.draw(st.booleans()):
        whole = bytearray(b"".join(many_records(4)))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(whole)))
        stop = start + data.draw(st.integers(0, 90))
        whole[start:stop] = data.draw(st.binary(max_size=60))
    folder = tmp_path_factory.mktemp("any")
    records, damages = read_bytes(folder, bytes(whole))
    wanted = {f"http://a.cn/{n}": f"page {n} ".encode() * 50 for n in range(4)}
    if not damages and len(records) == 4 and whole[:2] == b"\x1f\x8b":
        assert {record.uri: record.payload for record in records} == wanted


@settings(max_examples=40, deadline=None)
@given(
    pages=st.lists(
        st.tuples(st.binary(max_size=400), ADDRESSES),
        min_size=1, max_size=6,
    )
)  # fmt: skip
def test_what_is_written_is_read_back(tmp_path_factory, pages) -> None:
    path = tmp_path_factory.mktemp("round") / "pages.warc.gz"
    buffer = io.BytesIO()
    writer = WarcWriter(buffer)
    offsets = [
        writer.write(uri=f"file:///{uri}", payload=payload, content_type="text/html",
                     date="2024-05-31T01:16:46Z")
        for payload, uri in pages
    ]  # fmt: skip
    path.write_bytes(buffer.getvalue())
    info, *records = read_warc(path)
    assert info.type == "warcinfo"
    assert [record.payload for record in records] == [payload for payload, _ in pages]
    assert [record.offset for record in records] == offsets

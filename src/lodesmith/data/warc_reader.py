"""Records out of WARC and ARC files, odd and broken ones included.

One idea: a damaged record costs that record. Reading goes on at the next gzip member or the next
line that begins a record, and every stretch that gave none is reported.

Source: ISO 28500:2017 (WARC 1.1), section 4: version line, header fields, an empty line, a block
of Content-Length bytes, two line ends; and the ARC format of 1996,
https://archive.org/web/researcher/ArcFileFormat.php: one line of fields, the block, a line end.
"""

import re
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import IO

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.data.warc_batches import RecordBatches
from lodesmith.data.warc_bytes import ArchiveBytes
from lodesmith.data.warc_codecs import Codec, GzipCodec, find_codec
from lodesmith.data.warc_http import (
    UndecodableBodyError,
    holds_whole_body,
    parse_headers,
    split_content_type,
    unpack_http,
)
from lodesmith.data.warc_members import RECORD_START, find_record_inside
from lodesmith.data.warc_record import MAX_PAYLOAD_BYTES, Damage, WarcRecord

OnDamage = Callable[[Damage], None]

_MAX_PATIENCE = 1024  # records read the slower way before the quick one is tried again
_FIRST_BYTES = 4096  # enough to see what kind of file it is
_MAX_LINE_BYTES = 1 << 16
_MAX_HEADER_BYTES = 1 << 18
_ARC_LINE = re.compile(
    rb"(?P<uri>\S.*) (?P<ip>\S+) (?P<date>\d{8,20}) (?P<type>\S+) (?:\S+ \S+ \S+ \S+ )?"
    rb"(?P<length>-?\d+)\s*"
)
_OTHER_FORMATS = {
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
}


class _DamagedRecordError(Exception):
    """What is wrong with the record that is being read."""


def read_warc(
    path: Path, *, on_damage: OnDamage | None = None, start: int = 0
) -> Iterator[WarcRecord]:
    """Yield the records of a WARC or ARC file in order, also of a .gz, .zst or .lz4 one.

    Args:
        path: the file; how it is compressed is told by its content, not by its name.
        on_damage: called for each stretch that gives no record, which raises without it, and before
            a record of whose body only a part could be undone.
        start: byte to begin at: 0, or where a record begins (in a gzip file, a member with it).

    Raises:
        UserError: the file cannot be opened, or is compressed otherwise.
        DamagedArtifactError: it is damaged and `on_damage` is None.
    """
    yield from _read_file(path, on_damage or _refuse_damage(path), start=start)


def read_record_at(path: Path, offset: int) -> WarcRecord:
    """Return the record of a file that `read_warc` gave this offset.

    At once where the file is plain or holds one gzip member a record; else the file is read up to
    there.

    Raises:
        UserError: no record has that offset.
    """
    for start in (offset, 0):
        for record in _read_file(path, lambda _: None, start=start, batches=start != offset):
            if record.offset == offset:
                return record
            if start == offset != 0:
                break
    raise UserError(f"{path} has no record at byte {offset}; `lodesmith trace` shows the offsets")


def _refuse_damage(path: Path) -> OnDamage:
    def refuse(damage: Damage) -> None:
        if not damage.is_lost:
            return
        raise DamagedArtifactError(
            f"{path} is damaged at byte {damage.offset}: {damage.reason}; fetch or make it again"
        )

    return refuse


def _read_file(
    path: Path, report: OnDamage, *, start: int = 0, batches: bool = True
) -> Iterator[WarcRecord]:
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    with file:
        first = file.read(_FIRST_BYTES)
        for magic, name in _OTHER_FORMATS.items():
            if first.startswith(magic):
                raise UserError(f"{path} is compressed with {name}; unpack it or use gzip")
        codec = find_codec(file)
        if codec is None and path.suffix == ".gz" and not RECORD_START.match(first):
            codec = GzipCodec()  # its beginning is damaged
        if batches and (codec is None or isinstance(codec, GzipCodec)):
            yield from _read_quickly(file, codec, report, start)
            return
        place: int | None = start
        while place is not None:
            place = yield from _read_run(ArchiveBytes(file, start=place, codec=codec), report)


def _read_quickly(
    file: IO[bytes], codec: Codec | None, report: OnDamage, start: int
) -> Iterator[WarcRecord]:
    """Yield records in batches, and those that a batch stops at one by one."""
    batches = RecordBatches(file, compressed=codec is not None)
    place: int | None = start
    patience = 1
    while place is not None:
        yield from batches.read_from(place, report)
        place = batches.stopped_at
        patience = 1 if batches.num_read else min(2 * patience, _MAX_PATIENCE)
        for _ in range(patience):
            if place is not None:
                stream = ArchiveBytes(file, start=place, codec=codec)
                limit = patience if codec is None else None
                place = yield from _read_run(stream, report, limit=limit)
            if codec is None:
                break


def _read_run(
    stream: ArchiveBytes, report: OnDamage, *, limit: int | None = None
) -> Generator[WarcRecord, None, int | None]:
    """Yield the records of one run and return where the next one begins, None at the end.

    Args:
        stream: at the run's beginning.
        report: called for each stretch without a record.
        limit: of an uncompressed file, how many records or gaps to read of the run.
    """
    if not stream.start_run():
        return None
    reported, number = False, 0
    while _skip_blank(stream) or stream.peek(1):
        if number == limit:
            return stream.place()
        number += 1
        offset = stream.name_record()
        try:
            yield from _read_record(stream, offset, report)
        except _DamagedRecordError as damage:
            report(Damage(offset, str(damage)))
            reported = True
    if stream.fault is not None and not reported:
        report(Damage(stream.place(), stream.fault))
    return stream.find_next_run()


def _read_record(stream: ArchiveBytes, offset: int, report: OnDamage) -> Iterator[WarcRecord]:
    line = stream.read_line(max_bytes=_MAX_LINE_BYTES)
    if line.startswith(b"WARC/") and RECORD_START.match(line):
        yield _unpack_http(_read_warc_record(stream, offset), report)
    elif arc := _ARC_LINE.fullmatch(line) if RECORD_START.match(line) else None:
        yield _unpack_http(_read_arc_record(stream, offset, arc), report, is_arc=True)
    else:
        skipped = len(line) + _skip_to_record(stream)
        raise _DamagedRecordError(stream.fault or f"{skipped} bytes that belong to no record")


def _read_warc_record(stream: ArchiveBytes, offset: int) -> WarcRecord:
    fields = _read_fields(stream)
    length = fields.get("content-length", "")
    if not (length.isascii() and length.isdigit()):
        _skip_to_record(stream)
        raise _DamagedRecordError(stream.fault or "its header has no valid Content-Length")
    block = _read_block(stream, int(length), num_line_ends=2)
    content_type, charset = split_content_type(fields.get("content-type", ""))
    return WarcRecord(
        offset=offset,
        type=fields.get("warc-type", "").lower(),
        uri=fields.get("warc-target-uri", "").removeprefix("<").removesuffix(">"),
        date=fields.get("warc-date", ""),
        record_id=fields.get("warc-record-id", ""),
        content_type=content_type,
        charset=charset,
        http_status=None,
        payload=block,
    )


def _read_arc_record(stream: ArchiveBytes, offset: int, arc: re.Match[bytes]) -> WarcRecord:
    length = int(arc["length"])
    if length < 0:
        _skip_to_record(stream)
        raise _DamagedRecordError("its length is negative")
    block = _read_block(stream, length, num_line_ends=1)
    uri = arc["uri"].decode("utf-8", "replace")
    content_type, charset = split_content_type(arc["type"].decode("latin-1"))
    return WarcRecord(
        offset=offset,
        type="warcinfo" if uri.startswith("filedesc:") else "resource",
        uri=uri,
        date=arc["date"].decode(),
        record_id="",
        content_type=content_type,
        charset=charset,
        http_status=None,
        payload=block,
    )


def _unpack_http(record: WarcRecord, report: OnDamage, *, is_arc: bool = False) -> WarcRecord:
    """Return a record with its HTTP message taken apart, where its type says that it holds one."""
    if record.type not in ("response", "revisit", *(["resource"] if is_arc else [])):
        return record
    try:
        return unpack_http(record, report)
    except UndecodableBodyError as error:
        raise _DamagedRecordError(str(error)) from None


def _read_fields(stream: ArchiveBytes) -> dict[str, str]:
    """Return the header fields up to the empty line."""
    lines: list[bytes] = []
    size = 0
    while (line := stream.read_line(max_bytes=_MAX_LINE_BYTES)).strip(b"\r\n"):
        if RECORD_START.match(line) and line.startswith(b"WARC/"):
            stream.unread(line)
            raise _DamagedRecordError("its header is clipped: another record begins inside it")
        lines.append(line)
        size += len(line)
        if size > _MAX_HEADER_BYTES:
            _skip_to_record(stream)
            raise _DamagedRecordError(f"its header is longer than {_MAX_HEADER_BYTES} bytes")
    if not line:
        raise _DamagedRecordError(stream.fault or "its header is clipped")
    return parse_headers(b"".join(lines))


def _read_block(stream: ArchiveBytes, length: int, *, num_line_ends: int) -> bytes:
    if length > MAX_PAYLOAD_BYTES:
        _skip_to_record(stream)
        raise _DamagedRecordError(
            f"its block is said to hold {length} bytes, more than {MAX_PAYLOAD_BYTES >> 20} MiB"
        )
    block = stream.read(length)
    if len(block) == length and _is_followed_well(stream, num_line_ends):
        if stream.is_torn_here and not stream.peek(_MAX_LINE_BYTES).strip(b"\r\n"):
            raise _DamagedRecordError(str(stream.fault))
        return block
    inner = find_record_inside(block)
    if inner is not None:
        stream.unread(block[inner:])
        raise _DamagedRecordError(
            f"its block is clipped: it should hold {length} bytes, another record begins after "
            f"{inner}"
        )
    if len(block) < length and not holds_whole_body(block):
        fault = stream.fault or f"its block is clipped: {len(block)} of {length} bytes"
        raise _DamagedRecordError(fault)
    return block


def _is_followed_well(stream: ArchiveBytes, num_line_ends: int) -> bool:
    """Tell whether the line ends that close a block stand here, and a record or the end after."""
    tail = stream.peek(_MAX_LINE_BYTES)
    rest = tail.lstrip(b"\r\n")
    if not rest:
        return True
    return tail[: len(tail) - len(rest)].count(b"\n") >= num_line_ends and bool(
        RECORD_START.match(rest)
    )


def _skip_blank(stream: ArchiveBytes) -> bool:
    """Skip line ends between records; tell whether bytes of this run are left."""
    while byte := stream.peek(1):
        if byte not in b"\r\n":
            return True
        stream.read(1)
    return False


def _skip_to_record(stream: ArchiveBytes) -> int:
    """Skip to the next line that begins a record and return how many bytes were skipped."""
    skipped = 0
    while line := stream.read_line(max_bytes=_MAX_LINE_BYTES):
        found = 0 if RECORD_START.match(line) else find_record_inside(line)
        if found is not None:
            stream.unread(line[found:])
            return skipped + found
        skipped += len(line)
    return skipped

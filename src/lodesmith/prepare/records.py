"""Input records: pages out of archives, single files, JSON lines and Parquet tables.

Each reader yields every record of its file once, as a page or as a page with the reason why it
cannot be read. A file that ends badly gives what it holds until there, and one line that says so.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import zstandard

from lodesmith.core.errors import LodesmithError
from lodesmith.data.warc import MAX_PAYLOAD_BYTES, Damage, WarcRecord, read_warc
from lodesmith.prepare.pages import UNKNOWN_LANGUAGE, Drop, Page

Record = tuple[Page, Drop | None]  # the second says why the first cannot be read

_PAGE_TYPES = {"response", "resource", "conversion"}  # WARC records that hold a page
_TEXT_FIELDS = {"text": "text/plain", "html": "text/html", "raw": ""}  # of a JSON or Parquet record


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file of records, or a stretch of one."""

    path: Path
    kind: str  # a key of READERS
    name: str  # how a document's `source` begins
    corpus: str = ""
    num_bytes: int = 0  # of its records, about: decides how they are cut into shards
    start: int = 0  # byte (in Parquet: row group) where a record begins, the first that is meant
    end: int | None = None  # where the first begins that is not meant any more; None: to the end
    number: int = 0  # lines or rows before `start`
    skip: frozenset[str] = frozenset()  # WARC record types that are no records to the caller


def read_source(source: Source) -> Iterator[Record]:
    """Yield the records of a source in order."""
    yield from READERS[source.kind](source)


def _read_archive(source: Source) -> Iterator[Record]:
    damages: list[Damage] = []
    for record in read_warc(source.path, on_damage=damages.append, start=source.start):
        is_meant = source.end is None or record.offset < source.end
        yield from _damaged(damages, source)
        damages.clear()
        if not is_meant:
            return
        if record.type not in source.skip:
            yield _archive_page(record, source)
    yield from _damaged(damages, source)


def _damaged(damages: list[Damage], source: Source) -> Iterator[Record]:
    for damage in damages:
        if source.end is not None and damage.offset >= source.end:
            continue  # the stretch that has it reports it
        page = Page(
            source=f"{source.name}#{damage.offset}", url="", payload=b"", corpus=source.corpus
        )
        yield page, Drop("damaged record", damage.reason)


def _archive_page(record: WarcRecord, source: Source) -> Record:
    page = Page(
        source=f"{source.name}#{record.offset}",
        url=record.uri,
        payload=record.payload,
        content_type=record.content_type,
        charset=record.charset,
        corpus=source.corpus,
    )
    if record.type not in _PAGE_TYPES:
        return page, Drop("record is no page", record.type)
    if record.http_status is not None and not 200 <= record.http_status < 300:
        return page, Drop("answer is no page (HTTP status)", record.http_status)
    return page, None


def _read_file(source: Source, content_type: str) -> Iterator[Record]:
    with source.path.open("rb") as file:
        payload = file.read(MAX_PAYLOAD_BYTES + 1)
    is_whole = len(payload) <= MAX_PAYLOAD_BYTES
    page = Page(
        source=source.name,
        url=source.path.absolute().as_uri(),
        payload=payload if is_whole else b"",
        content_type=content_type,
        corpus=source.corpus,
    )
    yield page, None if is_whole else Drop("file is no page: too large", None, MAX_PAYLOAD_BYTES)


def _read_html(source: Source) -> Iterator[Record]:
    yield from _read_file(source, "text/html")


def _read_text(source: Source) -> Iterator[Record]:
    yield from _read_file(source, "text/plain")


def _read_json_lines(source: Source) -> Iterator[Record]:
    number, left = source.number, (source.end or 0) - source.start
    with _open_plain(source.path) as file:
        if source.start:
            file.seek(source.start)
        while (source.end is None or left > 0) and (line := file.readline(MAX_PAYLOAD_BYTES)):
            number += 1
            left -= len(line)
            if len(line) == MAX_PAYLOAD_BYTES:
                raise ValueError(f"line {number} is longer than {MAX_PAYLOAD_BYTES} bytes")
            if line.strip():
                yield _json_record(line, number, source)


def _json_record(line: bytes, number: int, source: Source) -> Record:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return _row_page({}, number, source)[0], Drop("line is no JSON", number)
    if not isinstance(data, dict):
        return _row_page({}, number, source)[0], Drop("line is no JSON object", number)
    return _row_page(data, number, source)


def _row_page(data: dict[str, Any], number: int, source: Source) -> Record:
    """Return the page of a JSON or Parquet record that holds text, html or raw."""
    key = _plain(data.get("id"))
    name = next((name for name in _TEXT_FIELDS if isinstance(data.get(name), str | bytes)), None)
    content: str | bytes = data[name] if name else b""
    page = Page(
        source=f"{source.name}#{key or number}",
        url=_plain(data.get("url")),
        payload=content if isinstance(content, bytes) else content.encode("utf-8", "replace"),
        content_type=_TEXT_FIELDS[name] if name else "",
        corpus=source.corpus,
        language=_plain(data.get("language")) or UNKNOWN_LANGUAGE,
    )
    return page, None if name else Drop("record has no field text, html or raw", number)


def _plain(value: Any) -> str:
    """Return a field as text that can be written: half surrogate pairs cannot."""
    return "" if value is None else str(value).encode("utf-8", "replace").decode()


def _read_parquet(source: Source) -> Iterator[Record]:
    import pyarrow.parquet

    with pyarrow.parquet.ParquetFile(source.path) as table:
        known = ("id", "url", "language", *_TEXT_FIELDS)
        columns = [name for name in known if name in table.schema_arrow.names]
        number = source.number
        groups = range(source.start, source.end or table.metadata.num_row_groups)
        for batch in table.iter_batches(batch_size=1024, columns=columns, row_groups=groups):
            rows = batch.to_pylist() if columns else [{}] * batch.num_rows
            for row in rows:
                number += 1
                yield _row_page(row, number, source)


def is_plain(path: Path) -> bool:
    """Tell whether lines of a file can be read without those before them."""
    return path.suffix not in (".gz", ".zst")


def _open_plain(path: Path) -> IO[bytes]:
    if path.suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"), 1 << 20)
    if path.suffix == ".zst":
        reader = zstandard.ZstdDecompressor().stream_reader(
            path.open("rb"), read_across_frames=True, closefd=True
        )
        return io.BufferedReader(reader, 1 << 20)
    return path.open("rb", buffering=1 << 20)


READERS: dict[str, Callable[[Source], Iterator[Record]]] = {
    "archive": _read_archive,
    "html": _read_html,
    "text": _read_text,
    "json": _read_json_lines,
    "parquet": _read_parquet,
}

# What a reader of ours raises on a file that is torn, unreadable or something else than its name.
READ_FAULTS = (OSError, EOFError, ValueError, zlib.error, zstandard.ZstdError, LodesmithError)


def explain_fault(source: Source, error: BaseException) -> str:
    """Return one line on why a file could not be read to its end."""
    what = getattr(error, "strerror", None) or str(error).split("\n")[0] or type(error).__name__
    return f"{source.name} could not be read to its end: {what}"

"""Input records: pages out of archives, single files, JSON lines and Parquet tables.

Each reader yields every record of its file once, as a page or as a page with the reason why it
cannot be read. A file that ends badly gives what it holds until there, and one line that says so.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import zstandard

from lodesmith.core.errors import LodesmithError
from lodesmith.data.warc import MAX_PAYLOAD_BYTES, Damage, WarcRecord, read_warc
from lodesmith.prepare.pages import UNKNOWN_LANGUAGE, Drop, Page

Record = tuple[Page, Drop | None]  # the second says why the first cannot be read

_PAGE_TYPES = {"response", "resource", "conversion"}  # WARC records that hold a page
_BATCH_ROWS = 256  # of a table, held at a time
_SKIP_BYTES = 1 << 20  # read at once of a line that is too long
_ZSTD_STEP_BYTES = 4096  # of input: a bomb of that size unpacks to 128 MiB at most
_MAX_WINDOW_BYTES = 1 << 27  # what a Zstandard decoder should bear (RFC 8878, section 3.1.1.1.2)
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
    with open_lines(source.path) as file:
        if source.start:
            file.seek(source.start)
        while (source.end is None or left > 0) and (line := file.readline(MAX_PAYLOAD_BYTES)):
            number += 1
            left -= len(line)
            if len(line) == MAX_PAYLOAD_BYTES and not line.endswith(b"\n"):
                rest = _skip_line(file)
                left -= rest
                reason = Drop("line is too long", len(line) + rest, MAX_PAYLOAD_BYTES)
                yield _row_page({}, number, source)[0], reason
            elif line.strip():
                yield _json_record(line, number, source)


def _skip_line(file: IO[bytes]) -> int:
    """Read to the end of a line without holding it, and return how many bytes that were."""
    size = 0
    while piece := file.readline(_SKIP_BYTES):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


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
    if len(page.payload) > MAX_PAYLOAD_BYTES:
        return replace(page, payload=b""), Drop(
            "record is too large", len(page.payload), MAX_PAYLOAD_BYTES
        )
    return page, None if name else Drop("record has no field text, html or raw", number)


def _plain(value: Any) -> str:
    """Return a field as text that can be written: half surrogate pairs cannot."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value).encode("utf-8", "replace").decode()


def _read_parquet(source: Source) -> Iterator[Record]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(source.path) as table:
            known = ("id", "url", "language", *_TEXT_FIELDS)
            columns = [name for name in known if name in table.schema_arrow.names]
            number = source.number
            groups = range(source.start, source.end or table.metadata.num_row_groups)
            for batch in table.iter_batches(_BATCH_ROWS, columns=columns, row_groups=groups):
                rows = _list_rows(batch) if columns else [{}] * batch.num_rows
                for row in rows:
                    number += 1
                    yield _row_page(row, number, source)
    except pyarrow.ArrowException as error:  # some are no ValueError
        raise ValueError(str(error)) from None


def _list_rows(batch: Any) -> list[dict[str, Any]]:
    """Return the rows of a batch with texts as bytes: one that is no UTF-8 must not cost others."""
    import pyarrow

    columns: dict[str, list[Any]] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pyarrow.types.is_dictionary(column.type):
            column = column.dictionary_decode()  # noqa: PLW2901 what it stands for
        if pyarrow.types.is_string(column.type):
            column = column.cast(pyarrow.binary())  # noqa: PLW2901
        elif pyarrow.types.is_large_string(column.type):
            column = column.cast(pyarrow.large_binary())  # noqa: PLW2901
        columns[name] = column.to_pylist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def is_plain(path: Path) -> bool:
    """Tell whether lines of a file can be read without those before them."""
    return path.suffix.lower() not in (".gz", ".zst")


def open_lines(path: Path) -> IO[bytes]:
    """Open a file of lines that may be compressed with gzip or Zstandard, as its name says.

    Reading raises one of `READ_FAULTS` where the file is torn or cut short.
    """
    suffix = path.suffix.lower()
    if suffix == ".gz":
        return io.BufferedReader(gzip.open(path, "rb"), 1 << 20)
    if suffix == ".zst":
        return io.BufferedReader(_ZstdFile(path), 1 << 20)
    return path.open("rb", buffering=1 << 20)


class _ZstdFile(io.RawIOBase):
    """Unpacked bytes of Zstandard frames; the library's own reader takes a torn end for the end."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._context = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES)
        self._frame: Any = None  # the open one
        self._raw = self._pending = b""

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._pending:
            self._raw = self._raw or self._file.read(_ZSTD_STEP_BYTES)
            if not self._raw:
                if self._frame is not None:
                    raise EOFError("the file is cut short")
                return 0
            self._frame = self._frame or self._context.decompressobj()
            self._pending, self._raw = self._frame.decompress(self._raw), b""
            if self._frame.eof:
                self._raw, self._frame = self._frame.unused_data, None
        count = min(len(buffer), len(self._pending))
        buffer[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count


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

"""Input records: pages out of archives, single files, JSON lines and Parquet tables.

Each reader yields every record of its file once, as a page or as a page with the reason why it
cannot be read. A file that ends badly gives what it holds until there, and one line that says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from lodesmith.core.errors import LodesmithError
from lodesmith.data.rows import (
    ROW_FAULTS,
    list_columns,
    open_lines,
    read_json_rows,
    read_table_rows,
)
from lodesmith.data.warc import MAX_PAYLOAD_BYTES, Damage, WarcRecord, read_warc
from lodesmith.prepare.input.pages import UNKNOWN_LANGUAGE, Drop, Page
from lodesmith.prepare.input.sources import Source

Record = tuple[Page, Drop | None]  # the second says why the first cannot be read

_PAGE_TYPES = {"response", "resource", "conversion"}  # WARC records that hold a page
_SHOWN_FIELDS = 5  # of a record that has none of those wanted
_CHAT_FIELDS = ("messages", "conversations", "question", "prompt", "instruction", "chosen")
_TEXT_FIELDS = {"text": "text/plain", "html": "text/html", "raw": ""}  # of a JSON or Parquet record


def read_source(source: Source) -> Iterator[Record]:
    """Yield the records of a source in order."""
    yield from READERS[source.kind](source)


def _read_archive(source: Source) -> Iterator[Record]:
    damages: list[Damage] = []
    for record in read_warc(source.path, on_damage=damages.append, start=source.start):
        is_meant = source.end is None or record.offset < source.end
        torn = {damage.offset: damage.reason for damage in damages if not damage.is_lost}
        yield from _damaged(damages, source, record.offset)
        damages.clear()
        if not is_meant:
            return
        if record.type not in source.skip:
            yield _archive_page(record, source, torn.pop(record.offset, ""))
    yield from _damaged(damages, source, source.path.stat().st_size)


def _damaged(damages: list[Damage], source: Source, end: int) -> Iterator[Record]:
    """Yield what stands in the place of damaged records, before the next whole one or the end."""
    lost = [damage for damage in damages if damage.is_lost]
    offsets = [*(damage.offset for damage in lost), end]
    for damage, next_offset in zip(lost, offsets[1:], strict=True):
        if source.end is not None and damage.offset >= source.end:
            continue  # the stretch that has it reports it
        page = Page(
            source=f"{source.name}#{damage.offset}",
            url="",
            payload=b"",
            corpus=source.corpus,
            unread_bytes=max(0, next_offset - damage.offset),
        )
        yield page, Drop("damaged record", damage.reason)


def _archive_page(record: WarcRecord, source: Source, damage: str) -> Record:
    page = Page(
        source=f"{source.name}#{record.offset}",
        url=record.uri,
        payload=record.payload,
        content_type=record.content_type,
        charset=record.charset,
        corpus=source.corpus,
        damage=damage,
    )
    if record.type not in _PAGE_TYPES:
        return page, Drop("record is no page", record.type)
    if record.http_status is not None and not 200 <= record.http_status < 300:
        return page, Drop("answer is no page (HTTP status)", record.http_status)
    return page, None


def _read_file(source: Source, content_type: str) -> Iterator[Record]:
    with open_lines(source.path) as file:  # unpacked where the name says so
        payload = file.read(MAX_PAYLOAD_BYTES + 1)
    is_whole = len(payload) <= MAX_PAYLOAD_BYTES
    page = Page(
        source=source.name,
        url=source.path.absolute().as_uri(),
        payload=payload if is_whole else b"",
        content_type=content_type,
        corpus=source.corpus,
        unread_bytes=0 if is_whole else max(len(payload), source.path.stat().st_size),
    )
    yield page, None if is_whole else Drop("file is no page: too large", None, MAX_PAYLOAD_BYTES)


def _read_html(source: Source) -> Iterator[Record]:
    yield from _read_file(source, "text/html")


def _read_text(source: Source) -> Iterator[Record]:
    yield from _read_file(source, "text/plain")


def _read_json_lines(source: Source) -> Iterator[Record]:
    limit = MAX_PAYLOAD_BYTES
    for row in read_json_rows(
        source.path, max_bytes=limit, start=source.start, end=source.end, number=source.number
    ):
        page, drop = _row_page(row.values, row.number, source)
        if row.fault is not None:
            is_long = "too long" in row.fault
            drop = Drop(row.fault, row.value, limit if is_long else None)
            page = replace(page, unread_bytes=row.num_bytes)
        yield page, drop


def _read_parquet(source: Source) -> Iterator[Record]:
    columns = ("id", "url", "language", *_TEXT_FIELDS)
    if _TEXT_FIELDS.keys().isdisjoint(there := list_columns(source.path)):
        columns = (*columns, *there[:_SHOWN_FIELDS], *_CHAT_FIELDS)  # to say what there is instead
    for row in read_table_rows(
        source.path, columns=columns, start=source.start, end=source.end, number=source.number
    ):
        yield _row_page(row.values, row.number, source)


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
        size = len(page.payload)
        drop = Drop("record is too large", size, MAX_PAYLOAD_BYTES)
        return replace(page, payload=b"", unread_bytes=size), drop
    if name:
        return page, None
    others = ", ".join(_plain(field) for field in [*data][:_SHOWN_FIELDS])
    reason = "record has no field text, html or raw"
    if not data.keys().isdisjoint(_CHAT_FIELDS):
        reason = "record is a chat or a question: name its file in a domain of the section tune"
    return page, Drop(reason, f"it has {others or 'none'}")


def _plain(value: Any) -> str:
    """Return a field as text that can be written: half surrogate pairs cannot."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if value is None else str(value).encode("utf-8", "replace").decode()


__all__ = ["READERS", "READ_FAULTS", "Record", "Source", "explain_fault", "read_source"]

READERS: dict[str, Callable[[Source], Iterator[Record]]] = {
    "archive": _read_archive,
    "html": _read_html,
    "text": _read_text,
    "json": _read_json_lines,
    "parquet": _read_parquet,
}

# What a reader of ours raises on a file that is torn, unreadable or something else than its name.
READ_FAULTS = (*ROW_FAULTS, LodesmithError)


def explain_fault(source: Source, error: BaseException) -> str:
    """Return one line on why a file could not be read to its end."""
    what = getattr(error, "strerror", None) or str(error).split("\n")[0] or type(error).__name__
    return f"{source.name} could not be read to its end: {what}"

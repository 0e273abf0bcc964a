"""Pages out of archives that someone else wrote, copied with their addresses and dates."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from lodesmith.acquire.pages.pages import Page, Tally
from lodesmith.data.warc import Damage, WarcRecord, read_warc

_PAGE_RECORDS = ("response", "resource", "conversion")
_PAGE_TYPES = ("text/html", "application/xhtml+xml", "text/plain", "text/markdown")
_UNSURE_TYPES = ("", "application/octet-stream", "text/xml", "application/xml", "no-type", "unk")
_HTML_START = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body)\b",
    re.IGNORECASE | re.DOTALL,
)
_SNIFFED_BYTES = 1024


def copy_pages(archives: Mapping[str, Path], tally: Tally) -> Iterator[Page]:
    """Yield the HTML and text pages of archives, in order; the tally counts the rest.

    Args:
        archives: name for messages -> file.
        tally: damaged stretches are counted and noted with file and byte.
    """
    for name, path in archives.items():

        def note_damage(damage: Damage, name: str = name) -> None:
            tally.dropped["damaged record"] += damage.is_lost
            tally.note(f"{name}: byte {damage.offset}: {damage.reason}")

        for record in read_warc(path, on_damage=note_damage):
            if record.type not in _PAGE_RECORDS:
                continue
            reason = _why_no_page(record)
            if reason is None:
                yield _copy(record)
            else:
                tally.dropped[reason] += 1


def _why_no_page(record: WarcRecord) -> str | None:
    if record.http_status is not None and not 200 <= record.http_status < 300:
        return "HTTP status is not 2xx"
    if not record.payload.strip():
        return "empty page"
    if record.content_type in _PAGE_TYPES:
        return None
    is_html = _HTML_START.match(record.payload[:_SNIFFED_BYTES]) is not None
    return None if record.content_type in _UNSURE_TYPES and is_html else "not HTML or text"


def _copy(record: WarcRecord) -> Page:
    content_type = "text/html" if record.content_type in _UNSURE_TYPES else record.content_type
    charset = f"; charset={record.charset}" if record.charset else ""
    return Page(
        uri=record.uri,
        date=_full_date(record.date),
        content_type=content_type + charset,
        payload=record.payload,
    )


def _full_date(date: str) -> str:
    """Return an ARC's 14 digits as WARC writes them; a WARC's date stays.

    >>> _full_date("20140216050221"), _full_date("2020-01-02T03:04:05Z")
    ('2014-02-16T05:02:21Z', '2020-01-02T03:04:05Z')
    """
    digits = re.fullmatch(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\d*", date)
    if digits is None:
        return date
    year, month, day, hour, minute, second = digits.groups()
    return f"{year}-{month}-{day}T{hour}:{minute}:{second}Z"

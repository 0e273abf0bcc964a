"""Pages out of members: address, date, type and bytes, as they go into the WARC."""

import datetime
import json
import posixpath
import urllib.parse
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lodesmith.acquire.pages.members import Member
from lodesmith.core.units import format_counted
from lodesmith.data.warc import MAX_PAYLOAD_BYTES

_MAX_NOTES = 20
_LAST_SECOND = 253_402_300_799  # of the year 9999, the last that WARC-Date can say
_SAFE_IN_URI = "/+@:,;=~!$&'()*"  # RFC 3986, section 3.3: pchar

# A table of our own: what the system's says differs from machine to machine.
CONTENT_TYPES = {
    ".html": "text/html", ".htm": "text/html", ".xhtml": "application/xhtml+xml",
    ".txt": "text/plain", ".text": "text/plain", ".md": "text/markdown",
    ".rst": "text/plain", ".py": "text/plain",
    ".json": "application/json", ".jsonl": "application/jsonl",
    ".yml": "application/yaml", ".yaml": "application/yaml",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Page:
    """One record to be written."""

    uri: str
    date: str
    content_type: str
    payload: bytes


@dataclass
class Tally:
    """What was left out of a source, by reason, and what a person should know."""

    dropped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    num_notes: int = 0

    def note(self, line: str) -> None:
        """Keep a line; of many only the first, and how many there were."""
        self.num_notes += 1
        if self.num_notes <= _MAX_NOTES:
            self.notes.append(line)

    def take(self, lines: Iterable[str]) -> None:
        """Keep several lines."""
        for line in lines:
            self.note(line)

    def all_notes(self) -> list[str]:
        """Return the kept lines and how many more there were."""
        more = self.num_notes - len(self.notes)
        return (
            [*self.notes, f"{format_counted(more, 'more such line')}"] if more > 0 else self.notes
        )


def make_pages(
    members: Iterable[Member], *, address: str, split_lists: bool, tally: Tally
) -> Iterator[Page]:
    """Yield a page for each member that holds one.

    Args:
        members: in the order to write them.
        address: what comes before a member's path in its URI, as in "debian:dpkg/".
        split_lists: whether a JSON list of texts stands for as many pages.
        tally: counts the rest.
    """
    for member in members:
        try:
            payload = member.read(MAX_PAYLOAD_BYTES + 1)
        except OSError as error:
            tally.dropped["unreadable"] += 1
            tally.note(f"{member.path} was passed over: {error.strerror}")
            continue
        if len(payload) > MAX_PAYLOAD_BYTES:
            tally.dropped["larger than 64 MiB"] += 1
        elif not payload:
            tally.dropped["empty file"] += 1
        else:
            page = Page(
                uri=member.uri or address + _quote(member.path),
                date=format_date(member.modified),
                content_type=guess_content_type(member.path),
                payload=payload,
            )
            texts = _split_list(page) if split_lists else None
            yield from [page] if texts is None else texts


def _quote(path: str) -> str:
    return urllib.parse.quote(path.encode("utf-8", "surrogateescape"), safe=_SAFE_IN_URI)


def guess_content_type(path: str) -> str:
    """Return the media type that a file's name promises.

    >>> guess_content_type("a/Index.HTM"), guess_content_type("a/b")
    ('text/html', 'application/octet-stream')
    """
    return CONTENT_TYPES.get(posixpath.splitext(path)[1].lower(), "application/octet-stream")


def format_date(seconds: int) -> str:
    """Return a time as WARC-Date wants it.

    >>> format_date(1701105360)
    '2023-11-27T17:16:00Z'
    """
    moment = datetime.datetime.fromtimestamp(min(max(seconds, 0), _LAST_SECOND), datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _split_list(page: Page) -> list[Page] | None:
    """Return the texts that a JSON list holds, numbered from 1; None for any other page."""
    if page.content_type != "application/json" or not page.payload.lstrip().startswith(b"["):
        return None
    try:
        texts = json.loads(page.payload)
    except (ValueError, RecursionError):
        return None
    if not all(isinstance(text, str) for text in texts):
        return None
    return [
        Page(f"{page.uri}#{number}", page.date, "text/plain; charset=utf-8",
             text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode())
        for number, text in enumerate(texts, start=1)
        if text.strip()
    ]  # fmt: skip

"""Data sets as hubs lay them out: folders of Parquet tables or JSON lines, with a card.

    README.md                            the card: its header names the licence
    data/train-00000-of-00010.parquet    the split is a part of the name, or a folder
    data/test.jsonl.zst

Each row becomes one page. Which column is the text is said by the recipe, or found.

Source: https://huggingface.co/docs/hub/datasets-file-names-and-splits
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lodesmith.acquire.pages.pages import Page, Tally, format_date
from lodesmith.core.errors import UserError
from lodesmith.data.rows import ROW_FAULTS, Row, read_json_rows, read_table_rows
from lodesmith.data.warc import MAX_PAYLOAD_BYTES

_CARD = "README.md"
_TEXT_NAMES = ("text", "content", "html", "raw", "raw_content", "document", "article", "body")
_URL_NAMES = ("url", "uri", "link")
_MAX_CARD_BYTES = 1 << 20
_SPLIT_WORDS = ("train", "training", "validation", "valid", "dev", "val", "test", "testing", "eval")


@dataclass(frozen=True, slots=True)
class Table:
    """One file of a data set."""

    path: str  # inside the data set
    place: Path
    modified: int = 0


def choose_split(paths: Iterable[str], split: str | None) -> list[str]:
    """Return the tables of one split; all where no name speaks of a split, or none is asked for.

    >>> choose_split(["data/train-00000-of-00002.parquet", "data/test.parquet"], "train")
    ['data/train-00000-of-00002.parquet']
    >>> choose_split(["part-0.jsonl", "part-1.jsonl"], "train")
    ['part-0.jsonl', 'part-1.jsonl']
    """
    tables = [path for path in paths if path.rpartition("/")[2] != _CARD]
    if split is None:
        return tables
    named = [path for path in tables if _names_split(path, (*_SPLIT_WORDS, split))]
    return [path for path in tables if _names_split(path, (split,))] if named else tables


def _names_split(path: str, words: Sequence[str]) -> bool:
    pattern = "|".join(re.escape(word) for word in words)
    return re.search(rf"(?:^|[/._-])(?:{pattern})(?=[/._-])", path) is not None


def read_licence(cards: Iterable[Path]) -> str | None:
    """Return what the header of a data set's card says of its licence, None where nothing."""
    for card in cards:
        text = card.read_bytes()[:_MAX_CARD_BYTES].decode("utf-8", "replace")
        header = re.match(r"---\r?\n(.*?)\r?\n---", text, re.DOTALL)
        try:
            facts = yaml.safe_load(header[1]) if header else None
        except yaml.YAMLError:
            continue
        licence = facts.get("license") if isinstance(facts, dict) else None
        if isinstance(licence, list):
            licence = " AND ".join(map(str, licence))
        if licence:
            return str(licence)[:200]
    return None


def read_pages(
    tables: Iterable[Table], *, address: str, text_field: str | None, tally: Tally
) -> Iterator[Page]:
    """Yield a page for each row that holds a text; the tally counts the rest.

    Args:
        tables: in the order to read them.
        address: what comes before a table's path in the URI of a row without a URL.
        text_field: the column that is the text; found if None.
        tally: a torn table is noted once, and ends its own rows only.

    Raises:
        UserError: no column looks like a text, or the one that was named is not there.
    """
    for table in tables:
        field = text_field
        try:
            for row in _read_rows(table.place):
                field = field or _find_field(row, table.path)
                page = _make_page(row, table, field, address, tally)
                if page is not None:
                    yield page
        except ROW_FAULTS as error:
            tally.dropped["table cannot be read further"] += 1
            what = (str(error) or type(error).__name__).split("\n", 1)[0]
            tally.note(f"{table.path} could not be read to its end: {what}")


def _read_rows(place: Path) -> Iterator[Row]:
    if place.name.lower().endswith(".parquet"):
        return read_table_rows(place, columns=None)
    return read_json_rows(place, max_bytes=MAX_PAYLOAD_BYTES)


def _find_field(row: Row, path: str) -> str | None:
    if row.fault is not None:
        return None
    texts = [name for name, value in row.values.items() if isinstance(value, str | bytes)]
    known = next((name for name in _TEXT_NAMES if name in texts), None)
    if known is None:
        raise UserError(
            f"{path} has no column called {', '.join(_TEXT_NAMES)}; name the one that is the text "
            f"as text_field: there are {', '.join(texts[:8]) or 'no texts'}; chats, and questions "
            "with answers, belong into the section tune, as files of a domain"
        )
    return known


def _make_page(
    row: Row, table: Table, field: str | None, address: str, tally: Tally
) -> Page | None:
    if row.fault is not None:
        tally.dropped[row.fault] += 1
        return None
    payload = _as_bytes(row.values.get(field)) if field else None
    if payload is None or not payload.strip():
        tally.dropped["row has no text"] += 1
        return None
    if len(payload) > MAX_PAYLOAD_BYTES:
        tally.dropped["larger than 64 MiB"] += 1
        return None
    return Page(
        uri=_find_url(row.values) or f"{address}{table.path}#{row.number}",
        date=format_date(table.modified),
        content_type="text/html" if field == "html" else "text/plain; charset=utf-8",
        payload=payload,
    )


def _find_url(values: Mapping[str, Any]) -> str | None:
    for name in _URL_NAMES:
        url = (_as_bytes(values.get(name)) or b"").decode("utf-8", "replace")
        if re.fullmatch(r"https?://[^\s\x00-\x1f]{1,4000}", url):
            return url
    return None


def _as_bytes(value: Any) -> bytes | None:
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return value if isinstance(value, bytes) else None

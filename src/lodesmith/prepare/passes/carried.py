"""What is carried from pass to pass: documents on their way, and rejected ones in their places.

Rejected records stay in the stream, so that the last pass finds them in source order.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import zstandard

from lodesmith.core.storage import JSON, replace_file
from lodesmith.data.documents import Document, read_lines
from lodesmith.prepare.input.pages import Drop

_FIELDS = tuple(field.name for field in fields(Document))


@dataclass(frozen=True, slots=True)
class Carried:
    """A document on its way."""

    document: Document
    code_lines: frozenset[str] = frozenset()  # stripped lines of <pre>

    def with_document(self, document: Document) -> "Carried":
        """Return the same with another state of the document."""
        return replace(self, document=document)

    def to_json(self) -> JSON:
        """Return JSON data that `read_carried` understands."""
        code = sorted(self.code_lines.intersection(map(str.strip, self.document.text.split("\n"))))
        return {"document": _as_dict(self.document), "code": code}


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that a step has dropped."""

    record: dict[str, Any]  # as it will be written

    def to_json(self) -> JSON:
        """Return JSON data that `read_carried` understands."""
        return {"rejected": self.record}


def reject(document: Document, step: str, drop: Drop) -> Rejected:
    """Return the record of a dropped document: its fields, and step, reason and value."""
    return Rejected(
        {
            **_as_dict(document),
            "step": step,
            "reason": f"{step}: {drop.text}",
            "value": drop.value,
        }
    )


def _as_dict(document: Document) -> dict[str, Any]:
    return {name: getattr(document, name) for name in _FIELDS}  # asdict would copy every text


def write_carried(path: Path, items: Iterable[Carried | Rejected]) -> None:
    """Write a shard's stream, whole or not at all."""
    with open_json_lines(path) as write:
        for item in items:
            write(item.to_json())


def read_carried(path: Path) -> Iterator[Carried | Rejected]:
    """Yield what `write_carried` wrote."""
    for data in read_json_lines(path):
        if "rejected" in data:
            yield Rejected(data["rejected"])
        else:
            yield Carried(Document(**data["document"]), frozenset(data["code"]))


@contextmanager
def open_json_lines(path: Path) -> Iterator[Callable[[JSON], object]]:
    """Yield what writes a record as a line; the file is there only if the block ends well."""
    with replace_file(path) as file, zstandard.ZstdCompressor(level=1).stream_writer(
        file, closefd=False
    ) as writer:  # fmt: skip
        yield lambda record: writer.write(to_line(record))


def to_line(record: JSON) -> bytes:
    """Return a record as one line of JSON."""
    text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace") + b"\n"


def read_json_lines(path: Path) -> Iterator[JSON]:
    """Yield the records of a file that `open_json_lines` wrote."""
    for line in read_lines(path):
        yield json.loads(line)

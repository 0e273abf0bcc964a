"""Clean documents on disk: one JSON a line, zstd-compressed, one shard a file.

The same fields stand in the lines that `lodesmith clean` writes.
"""

import dataclasses
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import zstandard

from lodesmith.core.errors import DamagedArtifactError
from lodesmith.core.seal import MAGIC, reveal
from lodesmith.core.storage import replace_file

SHARD_PATTERN = "documents-*.jsonl.zst"

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """One page's text."""

    id: str  # 16 hex digits, from the record's URL and bytes
    source: str  # where the raw record is: path, or path#offset in an archive
    url: str
    language: str  # ISO 639-1 code, "zh", "en", ...; "und" where nothing is known
    text: str  # lines are blocks of the page (paragraph, heading, cell, ...)
    title: str = ""
    headings: list[str] = field(default_factory=list)  # lines of `text` that were headings
    corpus: str = ""  # name of the recipe's source that it came from
    measures: dict[str, Any] = field(default_factory=dict)  # what steps found: key, JSON value

    def to_json(self) -> str:
        """Return the document as one line of JSON, without the line's end."""
        return json.dumps(
            {name: getattr(self, name) for name in _FIELDS},
            ensure_ascii=False,
            separators=(",", ":"),
        )


_FIELDS = tuple(field.name for field in dataclasses.fields(Document))


def parse_document(line: str | bytes) -> Document:
    """Return the document of one JSON line; keys that a document does not have are left out."""
    data: dict[str, Any] = json.loads(line)
    return Document(**{name: data[name] for name in _FIELDS if name in data})


def write_documents(path: Path, documents: Iterable[Document]) -> int:
    """Write a shard, whole or not at all, and return how many documents it holds."""
    count = 0
    with replace_file(path) as file, zstandard.ZstdCompressor(level=3).stream_writer(
        file, closefd=False
    ) as writer:  # fmt: skip
        for document in documents:
            writer.write(document.to_json().encode() + b"\n")
            count += 1
    return count


def read_documents(path: Path) -> Iterator[Document]:
    """Yield the documents of a shard in order.

    Raises:
        DamagedArtifactError: the file is torn or holds something else.
    """
    for line in read_lines(path):
        try:
            yield parse_document(line)
        except (ValueError, TypeError) as error:
            raise DamagedArtifactError(
                f"{path} holds no documents ({error}); remove its artifact and run again"
            ) from None


def read_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a zstd-compressed file, without their ends.

    Raises:
        DamagedArtifactError: the file is torn.
        UserError: the file is sealed, and its key is not granted.
    """
    reader, rest = zstandard.ZstdDecompressor().decompressobj(), b""
    try:
        with _open_plain(path) as file:
            while block := file.read(_BLOCK_BYTES):
                *lines, rest = (rest + reader.decompress(block)).split(b"\n")
                yield from lines
    except zstandard.ZstdError as error:
        raise DamagedArtifactError(
            f"{path} is torn ({error}); remove its artifact and run again"
        ) from None
    if rest or not reader.eof:  # the decompressor takes a file that is cut short without a word
        raise DamagedArtifactError(f"{path} is cut short; remove its artifact and run again")


def _open_plain(path: Path) -> IO[bytes]:
    """Return a file to be read; a sealed one whole from memory, if its key is granted."""
    file = path.open("rb")
    if file.read(len(MAGIC)) != MAGIC:
        file.seek(0)
        return file
    with file:
        file.seek(0)
        return io.BytesIO(reveal(file.read(), name=str(path)))


def read_folder(folder: Path) -> Iterator[Document]:
    """Yield the documents of all shards of a folder, in the order of their names."""
    for path in sorted(folder.glob(SHARD_PATTERN)):
        yield from read_documents(path)

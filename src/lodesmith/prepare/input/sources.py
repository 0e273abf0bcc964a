"""A file of records, or a stretch of one, as shards are given it."""

from dataclasses import dataclass
from pathlib import Path

Place = tuple[int, int]  # where a reader may begin, and how many records or lines are before it


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """A file of records, or a stretch of one."""

    path: Path
    kind: str  # a key of records.READERS
    name: str  # how a document's `source` begins
    corpus: str = ""
    num_bytes: int = 0  # of its records, about: decides how they are cut into shards
    start: int = 0  # byte (in Parquet: row group) where a record begins, the first that is meant
    end: int | None = None  # where the first begins that is not meant any more; None: to the end
    number: int = 0  # lines or rows before `start`
    skip: frozenset[str] = frozenset()  # WARC record types that are no records to the caller

"""Sources into one run, a file at a time: memory stays that of one file, whatever the size.

A source is a run, or a batch of rows that a writer holds in memory: so adding rows and compacting
runs are one thing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lodesmith.core.store import Store
from lodesmith.lineage.catalog.metadata import pack_tables
from lodesmith.lineage.catalog.pages import PAGE_BYTES, count_homes, first_of, pack_pages
from lodesmith.lineage.catalog.rows import (
    TABLES,
    Rows,
    join_rows,
    select_rows,
    sort_rows,
    words_of,
)
from lodesmith.lineage.catalog.runs import PART_PAGES, Run, RunInfo, file_of
from lodesmith.lineage.catalog.sealed import seal


@dataclass(frozen=True)
class Batch:
    """Rows in memory, in any order."""

    tables: Mapping[str, Rows]
    names: Mapping[str, Sequence[str]]  # what rows name by number: each `archive`, each `language`
    metadata: Sequence[Any]  # Arrow tables

    def num_rows(self, table: str) -> int:
        """Return how many rows a table has."""
        return len(self.tables[table])

    def read_between(self, table: str, bounds: Sequence[tuple[int, int]]) -> list[Rows]:
        """Return the rows of which the first 64 bits of the key lie in each of the bounds."""
        return [select_rows(self.tables[table], *each) for each in bounds]

    def read_metadata(self) -> Iterator[Any]:
        """Yield the documents' metadata."""
        yield from self.metadata


class RunWriter:
    """Writes one run that says what several sources say; readers see it when a commit names it."""

    def __init__(
        self, store: Store, sources: Sequence[Run | Batch], *, tags: Sequence[str]
    ) -> None:
        """Get ready to write a run.

        Args:
            store: where it comes to lie.
            sources: oldest first.
            tags: what the run holds: names of artifacts.
        """
        self._store, self._sources = store, sources
        self._info = RunInfo(tags=sorted(set(tags)))
        self._names: dict[str, dict[str, int]] = {"archive": {}, "language": {}}
        self._numbers = [  # of each source's names in the new run
            {kind: np.array([known.setdefault(name, len(known)) for name in source.names[kind]])
             for kind, known in self._names.items()}
            for source in sources
        ]  # fmt: skip

    def write(self) -> RunInfo:
        """Write all that the run holds, and last what that is."""
        for table in TABLES:
            self._write_table(table)
        tables = (table for source in self._sources for table in source.read_metadata())
        for number, data in enumerate(pack_tables(tables)):
            self._info.metadata.append(f"metadata-{number:06d}.parquet")
            self._write(self._info.metadata[-1], data)
        self._write("names.json", seal({kind: list(known) for kind, known in self._names.items()}))
        self._write("run.json", seal(vars(self._info)))
        return self._info

    def _write_table(self, table: str) -> None:
        num_rows = sum(source.num_rows(table) for source in self._sources)
        homes = count_homes(num_rows, TABLES[table])
        rows, count, first = np.empty(0, TABLES[table]), 0, 0
        while first < homes or len(rows):
            if first < homes:
                end = min(homes, first + PART_PAGES)
                more = self._merge(table, first_of(first, homes), first_of(end, homes) - 1)
                rows, count = join_rows([rows, more]), count + len(more)
            data, rows = pack_pages(rows, first=first, limit=PART_PAGES, homes=homes)
            self._write(file_of(table, first), data)
            first += len(data) // PAGE_BYTES
        self._info.tables[table] = (count, homes, first)

    def _merge(self, table: str, low: int, high: int) -> Rows:
        """Return all sources' rows between two keys, sorted; those that say the same only once."""
        pieces = []
        for source, numbers in zip(self._sources, self._numbers, strict=True):
            (rows,) = source.read_between(table, [(low, high)])
            for kind in numbers if table == "places" else ():
                rows[kind] = numbers[kind][rows[kind]]
            pieces.append(rows)
        rows = sort_rows(join_rows(pieces))
        new = np.ones(len(rows), bool)
        new[1:] = (words_of(rows)[1:] != words_of(rows)[:-1]).any(axis=1)
        once: Rows = rows[new]
        return once

    def _write(self, name: str, data: bytes) -> None:
        self._store.write(f"runs/{self._info.id}/{name}", data)
        self._info.num_bytes += len(data)

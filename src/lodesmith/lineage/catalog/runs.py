"""A run: one immutable, hash-sorted set of rows, written once and searched with one read.

runs/<id>/run.json                 what there is
runs/<id>/names.json               archives and languages that rows name by number
runs/<id>/places-000000.rows ...   pages of rows, `PART_PAGES` a file
runs/<id>/links-000000.rows ...
runs/<id>/metadata-000000.parquet  the same documents for scans: id, url, language, place
"""

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice, pairwise
from typing import Any

import numpy as np

from lodesmith.core.store import Store
from lodesmith.lineage.catalog.metadata import unpack_tables
from lodesmith.lineage.catalog.pages import PAGE_BYTES, unpack_pages
from lodesmith.lineage.catalog.rows import TABLES, Rows, join_rows, select_rows
from lodesmith.lineage.catalog.sealed import damaged, unseal

PART_PAGES = 8192  # 32 MiB a file
_NUM_WINDOW = 2  # pages of a first read


@dataclass(kw_only=True)
class RunInfo:
    """What `run.json` holds."""

    id: str = field(default_factory=lambda: f"{time.time_ns():020d}-{secrets.token_hex(8)}")
    tags: list[str] = field(default_factory=list)  # what was added: names of artifacts
    tables: dict[str, tuple[int, int, int]] = field(default_factory=dict)  # rows, homes, pages
    metadata: list[str] = field(default_factory=list)  # Parquet files
    num_bytes: int = 0


class Run:
    """A run that is read."""

    def __init__(self, store: Store, run_id: str) -> None:
        """Read what the run holds.

        Raises:
            DamagedArtifactError: it is missing, torn or of another version.
        """
        self._store, self._folder = store, f"runs/{run_id}"
        self.info = RunInfo(**self._unseal("run.json"))
        self.num_reads = 0  # range reads of rows since it was opened

    @cached_property
    def names(self) -> dict[str, list[str]]:
        """What rows name by number, each `archive` and `language`; read when first asked for."""
        return self._unseal("names.json")

    def num_rows(self, table: str) -> int:
        """Return how many rows a table has."""
        return self.info.tables[table][0]

    def find(self, table: str, keys: Sequence[bytes]) -> list[Rows]:
        """Return for each key its rows, in the order in which they were added."""
        highs = [int.from_bytes(key[:8], "big") for key in keys]
        found = self.read_between(table, [(high, high) for high in highs])
        lows = (int.from_bytes(key[8:], "big") for key in keys)
        return [rows[rows["low"] == low] for rows, low in zip(found, lows, strict=True)]

    def read_between(self, table: str, bounds: Sequence[tuple[int, int]]) -> list[Rows]:
        """Return the rows of which the first 64 bits of the key lie from a number to another.

        Both are included, and all bounds are asked for at once.
        """
        _, homes, pages = self.info.tables[table]
        if not pages:
            return [np.empty(0, TABLES[table]) for _ in bounds]
        spans = [(low * homes >> 64, min(pages, (high * homes >> 64) + _NUM_WINDOW))
                 for low, high in bounds]  # fmt: skip
        found = zip(bounds, spans, self._read(table, spans), strict=True)
        return [self._read_on(table, each, span, data) for each, span, data in found]

    def read_metadata(self) -> Iterator[Any]:
        """Yield the documents' metadata as Arrow tables."""
        for file in self.info.metadata:
            name = f"{self._folder}/{file}"
            yield from unpack_tables(self._store.read(name), name)

    def _read_on(
        self, table: str, bounds: tuple[int, int], span: tuple[int, int], data: bytes
    ) -> Rows:
        """Return the rows within bounds from pages, and from those behind where they spill over."""
        (start, stop), pages = span, self.info.tables[table][2]
        rows, num_skipped = unpack_pages(data, TABLES[table], f"{self._folder}/{table}")
        pieces, behind = [select_rows(rows, *bounds)], max(stop, start + num_skipped)
        while behind < pages and not (len(rows) and rows["high"][-1] > bounds[1]):
            step = 2 * (stop - start)  # so that even a million equal keys are found
            start, stop = behind, min(pages, behind + step)
            (data,) = self._read(table, [(start, stop)])
            rows, _ = unpack_pages(data, TABLES[table], f"{self._folder}/{table}")
            pieces.append(select_rows(rows, *bounds))
            behind = stop
        return join_rows(pieces)

    def _read(self, table: str, spans: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return spans of pages, all asked for at once."""
        asked, counts = [], []
        for start, stop in spans:
            borders = range(start - start % PART_PAGES + PART_PAGES, stop, PART_PAGES)
            for first, end in pairwise([start, *borders, stop]):
                name, place = f"{self._folder}/{file_of(table, first)}", first % PART_PAGES
                asked.append((name, place * PAGE_BYTES, (place + end - first) * PAGE_BYTES))
            counts.append(len(borders) + 1)
        self.num_reads += len(asked)
        try:
            found = self._store.read_ranges(asked)
        except FileNotFoundError as error:
            raise damaged(
                f"the catalog has lost {error.filename or error} (perhaps a vacuum took it from an "
                "old snapshot: open a newer one)"
            ) from None
        for (name, first, end), data in zip(asked, found, strict=True):
            if len(data) != end - first:
                raise damaged(f"{name} is torn: it ends too soon")
        parts = iter(found)
        return [b"".join(islice(parts, count)) for count in counts]

    def _unseal(self, name: str) -> dict[str, Any]:
        where = f"{self._folder}/{name}"
        return unseal(self._store.read(where), where)


def file_of(table: str, page: int) -> str:
    """Return which file of a run holds a page of a table."""
    return f"{table}-{page // PART_PAGES:06d}.rows"

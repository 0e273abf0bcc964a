"""A run: one immutable, hash-sorted set of rows, cut into files, searched with one read.

Keys are hashes, so where a key stands among n sorted rows is known but for a few standard
deviations of a binomial: the search reads that window and looks in it. Each file (at most about a
million rows) has its rows counted in eighths, so the window is some 30 KB whatever the run's size.

runs/<id>/run.json                 what there is, and the counts
runs/<id>/names.json               archives and languages that rows name by number
runs/<id>/places-000000.rows ...   pages of rows, by the first bits of their keys
runs/<id>/links-000000.rows ...
runs/<id>/metadata-000000.parquet  the same documents for scans: id, url, language, place

Source of interpolation search: W. W. Peterson, IBM J. Res. Dev. 1(2), 1957.
"""

import bisect
import itertools
import json
import math
import secrets
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from lodesmith.core.store import Store
from lodesmith.lineage.catalog.rows import (
    PAGE_BYTES,
    REMOVED,
    TABLES,
    Rows,
    check_page,
    damaged,
    high_of,
    num_pages,
    pack_pages,
    rows_per_page,
    unpack_pages,
)

FORMAT = 1
MAX_PART_ROWS = 800_000  # on average; a part of hashes stays below 1e6
_CELLS_PER_PART = 8
_DEVIATIONS = 3.0  # half a window; 0.3 % of searches need a second read, rounding saves most


_Span = tuple[int, int, int]  # part, first page, page after the last


@dataclass(kw_only=True)
class RunInfo:
    """What `run.json` holds."""

    id: str = field(default_factory=lambda: f"{time.time_ns():020d}-{secrets.token_hex(8)}")
    tags: list[str] = field(default_factory=list)  # what was added: names of artifacts
    cells: dict[str, list[int]] = field(default_factory=dict)  # table -> rows in each eighth
    metadata: list[str] = field(default_factory=list)  # Parquet files
    num_removals: int = 0  # rows among the places that take documents back
    num_bytes: int = 0

    def num_rows(self, table: str) -> int:
        """Return how many rows a table of the run has."""
        return sum(self.cells.get(table, []))


@dataclass
class Names:
    """What rows name by number."""

    archives: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)


def seal(content: dict[str, Any]) -> bytes:
    """Return JSON with a checksum of itself."""
    content = {"format": FORMAT, **content}
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def unseal(data: bytes | None, where: str) -> dict[str, Any]:
    """Return what was sealed.

    Raises:
        DamagedArtifactError: it is missing, torn, or written by a newer version.
    """
    if data is None:
        raise damaged(f"the catalog has lost {where}")
    if data[:8] != b"%08x" % zlib.crc32(data[9:-1]):
        raise damaged(f"{where} is torn")
    content: dict[str, Any] = json.loads(data[9:])
    if (version := content.pop("format", None)) != FORMAT:
        raise damaged(
            f"{where} has format {version}, this version reads {FORMAT}; install the version that "
            "wrote it"
        )
    return content


def part_bits(num_rows: int) -> int:
    """Return by how many first bits of their keys so many rows are cut into files."""
    return max(0, math.ceil(math.log2(max(1, num_rows) / MAX_PART_ROWS)))


def cut_rows(rows: Rows, count: int, shift: int) -> Iterator[Rows]:
    """Yield sorted rows in `count` pieces, each of one value of the bits from `shift` up."""
    first = int(high_of(rows[:1])[0]) >> shift if len(rows) else 0
    first -= first % count
    edges = [(first + number) << shift for number in range(1, count)]
    starts = np.searchsorted(high_of(rows), np.array(edges, np.uint64)).tolist()
    return (rows[start:stop] for start, stop in itertools.pairwise([0, *starts, len(rows)]))


class RunWriter:
    """Writes one run; readers see it when a commit names it."""

    def __init__(self, store: Store, *, tags: Sequence[str] = ()) -> None:
        self.info = RunInfo(tags=list(tags))
        self._store = store

    def write_table(self, table: str, parts: Iterable[Rows], *, bits: int) -> None:
        """Write a table: its sorted rows, one array for each value of the first `bits` bits."""
        cells = self.info.cells[table] = []
        shift = np.uint64(64 - bits - 3)
        for number, rows in enumerate(parts):
            inside = (high_of(rows) >> shift) & np.uint64(_CELLS_PER_PART - 1)
            cells += np.bincount(inside.astype(np.int64), minlength=_CELLS_PER_PART).tolist()
            if table == "places":
                self.info.num_removals += int((rows["archive"] == REMOVED).sum())
            if len(rows):
                self._write(f"{table}-{number:06d}.rows", pack_pages(rows))

    def write_rows(self, table: str, rows: Rows) -> None:
        """Write a table of sorted rows."""
        bits = part_bits(len(rows))
        self.write_table(table, cut_rows(rows, 1 << bits, 64 - bits), bits=bits)

    def write_metadata(self, data: bytes) -> None:
        """Add a Parquet file."""
        name = f"metadata-{len(self.info.metadata):06d}.parquet"
        self._write(name, data)
        self.info.metadata.append(name)

    def finish(self, names: Names) -> RunInfo:
        """Write what the rows name by number, and last what the run holds."""
        self._write("names.json", seal(vars(names)))
        self._store.write(f"runs/{self.info.id}/run.json", seal(vars(self.info)))
        return self.info

    def _write(self, name: str, data: bytes) -> None:
        self._store.write(f"runs/{self.info.id}/{name}", data)
        self.info.num_bytes += len(data)


class _Window:
    """Pages of a part, as a sequence of rows; a page is checked when it is first looked at."""

    def __init__(self, data: bytes, dtype: np.dtype[Any], num_rows: int, where: str) -> None:
        self._data, self._row_bytes, self._where = data, dtype.itemsize, where
        self._num_rows, self._num_in_page = num_rows, rows_per_page(dtype)
        self._checked: set[int] = set()

    def __len__(self) -> int:
        return self._num_rows

    def __getitem__(self, number: int) -> bytes:
        page, place = divmod(number, self._num_in_page)
        start = page * PAGE_BYTES
        if page not in self._checked:
            check_page(self._data[start : start + PAGE_BYTES], self._where)
            self._checked.add(page)
        start += place * self._row_bytes
        return self._data[start : start + self._row_bytes]


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
        self._edges = {}  # table -> for each part the rows before each of its cells, and all
        for table, cells in self.info.cells.items():
            counts = np.array(cells, np.int64).reshape(-1, _CELLS_PER_PART)
            self._edges[table] = np.pad(counts.cumsum(axis=1), ((0, 0), (1, 0)))

    @cached_property
    def names(self) -> Names:
        """What rows name by number; read when first asked for."""
        return Names(**self._unseal("names.json"))

    def find(self, table: str, keys: Sequence[bytes]) -> list[list[bytes]]:
        """Return for each key its rows, as bytes, in the order they were added."""
        if table not in self._edges:
            return [[] for _ in keys]
        spans = [self._guess(table, key) for key in keys]
        found = zip(keys, spans, self._read(table, spans), strict=True)
        return [self._search(table, key, span, data) for key, span, data in found]

    def read_parts(self, table: str, bits: int) -> Iterator[Rows]:
        """Yield the sorted rows of each value of the first `bits` bits of a key."""
        cells = self._edges[table][:, 1:].size if table in self._edges else 0
        if not cells:
            yield from itertools.repeat(np.empty(0, TABLES[table]), 1 << bits)
            return
        each = max(1, cells >> bits)  # cells of a piece; a cell may have to be cut once more
        for first in range(0, cells, each):
            rows = self._read_cells(table, first, first + each)
            yield from cut_rows(rows, max(1, (1 << bits) // cells), 64 - bits)

    def _read_cells(self, table: str, first: int, stop: int) -> Rows:
        """Return the rows of cells: some of one part, or all of several."""
        pieces = []
        per_page = rows_per_page(TABLES[table])
        for part in range(first // _CELLS_PER_PART, -(-stop // _CELLS_PER_PART)):
            here = part * _CELLS_PER_PART
            edges = self._edges[table][part]
            start, end = edges[max(0, first - here)], edges[min(_CELLS_PER_PART, stop - here)]
            page = int(start) // per_page
            data = self._read(table, [(part, page, num_pages(int(end), TABLES[table]))])[0]
            rows = unpack_pages(data, TABLES[table], self._name(table, part))
            pieces.append(rows[start - page * per_page : end - page * per_page])
        return np.concatenate(pieces)

    def _guess(self, table: str, key: bytes) -> _Span:
        """Return the window where a key's rows should be."""
        edges = self._edges[table]
        shift = 64 - int(math.log2(len(edges) * _CELLS_PER_PART))
        cell, rest = divmod(int.from_bytes(key[:8], "big"), 1 << shift)
        part, place = divmod(cell, _CELLS_PER_PART)
        start, stop, total = edges[part, [place, place + 1, -1]].tolist()
        fraction = rest / 2.0**shift
        middle = start + fraction * (stop - start)
        half = _DEVIATIONS * math.sqrt((stop - start) * fraction * (1 - fraction)) + 2
        each, pages = rows_per_page(TABLES[table]), num_pages(total, TABLES[table])
        first = min(max(0, int((middle - half) // each)), max(0, pages - 1))
        return part, first, min(pages, int((middle + half) // each) + 1)

    def _search(self, table: str, key: bytes, span: _Span, data: bytes) -> list[bytes]:
        """Return the rows of a key from a window, which is widened until it holds them all."""
        part, first, stop = span
        dtype, total = TABLES[table], int(self._edges[table][part, -1])
        each, pages = rows_per_page(dtype), num_pages(total, dtype)
        while True:
            num_rows = min(stop * each, total) - first * each
            window = _Window(data, dtype, num_rows, self._name(table, part))
            step = stop - first  # doubles what is read, so even a million equal keys are found
            if first > 0 and window[0] >= key:
                before = max(0, first - step)
                data = self._read(table, [(part, before, first)])[0] + data
                first = before
            elif stop < pages and window[num_rows - 1][: len(key)] <= key:
                after = min(pages, stop + step)
                data += self._read(table, [(part, stop, after)])[0]
                stop = after
            else:
                start = bisect.bisect_left(window, key)  # a row is above the key it begins with
                rows = (window[number] for number in range(start, num_rows))
                return list(itertools.takewhile(lambda row: row.startswith(key), rows))

    def _read(self, table: str, spans: Sequence[_Span]) -> list[bytes]:
        """Return windows' pages, all asked for at once."""
        asked = [
            (self._name(table, part), first * PAGE_BYTES, stop * PAGE_BYTES)
            for part, first, stop in spans
            if first < stop
        ]
        self.num_reads += len(asked)
        try:
            found = iter(self._store.read_ranges(asked))
        except FileNotFoundError as error:
            raise damaged(
                f"the catalog has lost {error.filename or error} (perhaps a vacuum took it from an "
                "old snapshot: open a newer one)"
            ) from None
        return [next(found) if first < stop else b"" for _, first, stop in spans]

    def _unseal(self, name: str) -> dict[str, Any]:
        where = f"{self._folder}/{name}"
        return unseal(self._store.read(where), where)

    def _name(self, table: str, part: int) -> str:
        return f"{self._folder}/{table}-{part:06d}.rows"

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
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lodesmith.core.errors import DamagedArtifactError
from lodesmith.lineage.catalog.rows import (
    PAGE_BYTES,
    TABLES,
    Rows,
    check_page,
    high_of,
    num_pages,
    pack_pages,
    rows_per_page,
    unpack_pages,
)
from lodesmith.lineage.catalog.store import Store

FORMAT = 1
MAX_PART_ROWS = 800_000  # on average; a part of hashes stays below 1e6
_CELLS_PER_PART = 8
_DEVIATIONS = 3.0  # half a window; 0.3 % of searches need a second read, rounding saves most


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
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    return f"{zlib.crc32(text.encode()):08x} {text}\n".encode()


def unseal(data: bytes | None, where: str) -> dict[str, Any]:
    """Return what was sealed.

    Raises:
        DamagedArtifactError: it is missing, torn, or written by a newer version.
    """
    advice = "rebuild the catalog from the artifacts (`lodesmith catalog --rebuild`)"
    if data is None:
        raise DamagedArtifactError(f"the catalog has lost {where}; {advice}")
    if data[:8] != b"%08x" % zlib.crc32(data[9:-1]):
        raise DamagedArtifactError(f"{where} is torn; {advice}")
    content: dict[str, Any] = json.loads(data[9:])
    if content.get("format") != FORMAT:
        raise DamagedArtifactError(
            f"{where} has format {content.get('format')}, this version reads {FORMAT}; install "
            f"the version that wrote it, or {advice}"
        )
    return content


def part_bits(num_rows: int) -> int:
    """Return by how many first bits of their keys so many rows are cut into files."""
    return max(0, math.ceil(math.log2(max(1, num_rows) / MAX_PART_ROWS)))


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
            if len(rows):
                self._write(f"{table}-{number:06d}.rows", pack_pages(rows))

    def write_rows(self, table: str, rows: Rows) -> None:
        """Write a table of sorted rows."""
        bits = part_bits(len(rows))
        starts = np.arange(1 << bits, dtype=np.uint64) << np.uint64(64 - bits if bits else 0)
        edges = np.searchsorted(high_of(rows), starts).tolist()
        edges.append(len(rows))
        parts = (rows[first:stop] for first, stop in itertools.pairwise(edges))
        self.write_table(table, parts, bits=bits)

    def write_metadata(self, data: bytes) -> None:
        """Add a Parquet file."""
        name = f"metadata-{len(self.info.metadata):06d}.parquet"
        self._write(name, data)
        self.info.metadata.append(name)

    def finish(self, names: Names) -> RunInfo:
        """Write what the rows name by number, and last what the run holds."""
        self._write("names.json", seal({"format": FORMAT, **vars(names)}))
        self._store.write(
            f"runs/{self.info.id}/run.json", seal({"format": FORMAT, **vars(self.info)})
        )
        return self.info

    def _write(self, name: str, data: bytes) -> None:
        self._store.write(f"runs/{self.info.id}/{name}", data)
        self.info.num_bytes += len(data)


class _Window:
    """Pages of a part, as a sequence of keys; a page is checked when it is first looked at."""

    def __init__(self, data: bytes, dtype: np.dtype[Any], num_rows: int, where: str) -> None:
        self._data, self._dtype, self._where = memoryview(data), dtype, where
        self._num_rows = num_rows
        self._checked: set[int] = set()

    def __len__(self) -> int:
        return self._num_rows

    def __getitem__(self, number: int) -> bytes:
        return self.row(number)[:12]

    def row(self, number: int) -> bytes:
        page, place = divmod(number, rows_per_page(self._dtype))
        if page not in self._checked:
            check_page(self._data[page * PAGE_BYTES : (page + 1) * PAGE_BYTES], self._where)
            self._checked.add(page)
        start = page * PAGE_BYTES + place * self._dtype.itemsize
        return bytes(self._data[start : start + self._dtype.itemsize])


class Run:
    """A run that is read."""

    def __init__(self, store: Store, run_id: str) -> None:
        """Read what the run holds.

        Raises:
            DamagedArtifactError: it is missing, torn or of another version.
        """
        where = f"runs/{run_id}/run.json"
        content = unseal(store.read(where), where)
        del content["format"]
        self.info = RunInfo(**content)
        self.num_reads = 0  # range reads of rows since it was opened
        self._store = store
        self._names: Names | None = None
        self._cells = {
            table: np.array(cells, np.int64).reshape(-1, _CELLS_PER_PART)
            for table, cells in self.info.cells.items()
        }

    @property
    def names(self) -> Names:
        """What rows name by number; read when first asked for."""
        if self._names is None:
            where = f"runs/{self.info.id}/names.json"
            content = unseal(self._store.read(where), where)
            self._names = Names(content["archives"], content["languages"])
        return self._names

    def find(self, table: str, keys: Sequence[bytes]) -> list[list[bytes]]:
        """Return for each key its rows, as bytes, in the order they were added."""
        found: list[list[bytes]] = [[] for _ in keys]
        cells = self._cells.get(table)
        if cells is None or not cells.size:
            return found
        spans = [(number, *self._guess(table, key)) for number, key in enumerate(keys)]
        spans = [span for span in spans if span[3] > span[2]]
        ranges = [(part, first, stop) for _, part, first, stop in spans]
        for (number, part, first, stop), data in zip(spans, self._read(table, ranges), strict=True):
            window, start, _ = self._widen(table, keys[number], (part, first, stop), data)
            while start < len(window) and window[start] == keys[number]:
                found[number].append(window.row(start))
                start += 1
        return found

    def read_part(self, table: str, number: int, bits: int) -> Rows:
        """Return the sorted rows whose keys begin with the `bits` bits of a number."""
        cells = self._cells.get(table)
        if cells is None or not cells.size:
            return np.empty(0, TABLES[table])
        own_bits = int(math.log2(len(cells)))
        if own_bits >= bits:
            more = 1 << (own_bits - bits)
            parts = [self._read_rows(table, part, 0, int(cells[part].sum()))
                     for part in range(number * more, (number + 1) * more)]  # fmt: skip
            return np.concatenate(parts)
        part = number >> (bits - own_bits)
        edges = (number << (64 - bits), (number + 1) << (64 - bits))
        first, stop = (self._count_below(table, part, edge) for edge in edges)
        return self._read_rows(table, part, first, stop)

    def _guess(self, table: str, key: bytes) -> tuple[int, int, int]:
        """Return part, first page and stop page of the window where a key's rows should be."""
        cells = self._cells[table]
        high = int.from_bytes(key[:8], "big")
        cell_bits = int(math.log2(cells.size))
        cell = high >> (64 - cell_bits)
        part, place = divmod(cell, _CELLS_PER_PART)
        count = int(cells[part, place])
        fraction = (high & ((1 << (64 - cell_bits)) - 1)) / 2.0 ** (64 - cell_bits)
        middle = int(cells[part, :place].sum()) + fraction * count
        half = _DEVIATIONS * math.sqrt(count * fraction * (1 - fraction)) + 2
        each = rows_per_page(TABLES[table])
        pages = num_pages(int(cells[part].sum()), TABLES[table])
        first = min(max(0, int((middle - half) // each)), max(0, pages - 1))
        return part, first, min(pages, int((middle + half) // each) + 1)

    def _widen(
        self, table: str, key: bytes, span: tuple[int, int, int], data: bytes
    ) -> tuple[_Window, int, int]:
        """Return a window with all rows of a key, the place of the first, and rows before it."""
        part, first, stop = span
        dtype, each = TABLES[table], rows_per_page(TABLES[table])
        total = int(self._cells[table][part].sum())
        pages, where = num_pages(total, dtype), self._name(table, part)
        while True:
            window = _Window(data, dtype, min(stop * each, total) - first * each, where)
            step = stop - first  # doubles what is read, so even a million equal keys are found
            if first > 0 and window[0] >= key:
                before = max(0, first - step)
                data = self._read(table, [(part, before, first)])[0] + data
                first = before
            elif stop < pages and window[len(window) - 1] <= key:
                after = min(pages, stop + step)
                data += self._read(table, [(part, stop, after)])[0]
                stop = after
            else:
                return window, bisect.bisect_left(window, key), first * each

    def _count_below(self, table: str, part: int, edge: int) -> int:
        """Return how many rows of a part have keys whose first 64 bits are below `edge`."""
        cells = self._cells[table]
        if edge >> (64 - int(math.log2(len(cells)))) != part:  # the part's own upper end
            return int(cells[part].sum())
        key = edge.to_bytes(8, "big") + bytes(4)
        span = self._guess(table, key)
        if span[2] <= span[1]:
            return 0
        _, start, before = self._widen(table, key, span, self._read(table, [span])[0])
        return before + start

    def _read_rows(self, table: str, part: int, first: int, stop: int) -> Rows:
        """Return rows `first` to `stop` of a part."""
        if stop <= first:
            return np.empty(0, TABLES[table])
        each = rows_per_page(TABLES[table])
        start, end = first // each, -(-stop // each)
        data = self._read(table, [(part, start, end)])[0]
        rows = unpack_pages(data, TABLES[table], self._name(table, part))
        return rows[first - start * each : stop - start * each]

    def _read(self, table: str, spans: Sequence[tuple[int, int, int]]) -> list[bytes]:
        """Return runs of pages: part, first page, stop page."""
        self.num_reads += len(spans)
        return self._store.read_ranges(
            [
                (self._name(table, part), first * PAGE_BYTES, stop * PAGE_BYTES)
                for part, first, stop in spans
            ]
        )

    def _name(self, table: str, part: int) -> str:
        return f"runs/{self.info.id}/{table}-{part:06d}.rows"

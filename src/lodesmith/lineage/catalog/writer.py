"""How rows come into a catalog: batches of columns, made into runs, published by one commit."""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import UserError
from lodesmith.lineage.catalog.commits import Commit
from lodesmith.lineage.catalog.metadata import MetadataFiles
from lodesmith.lineage.catalog.rows import (
    LINK,
    OFFSET_BITS,
    PLACE,
    Rows,
    keys_of,
    rows_with_keys,
    sort_rows,
)
from lodesmith.lineage.catalog.run_files import Names, RunInfo, RunWriter
from lodesmith.lineage.catalog.store import Store

FLUSH_ROWS = 1 << 21  # held in memory before they become a run

Publish = Callable[[Sequence[RunInfo]], Commit | None]


class Writer:
    """Collects rows and writes them as runs; leaving its block publishes all of them at once."""

    def __init__(self, store: Store, publish: Publish, *, tag: str | None) -> None:
        self.commit: Commit | None = None  # after the block; None if the tag was there already
        self._store, self._publish, self._tags = store, publish, [tag] if tag else []
        self._finished: list[RunInfo] = []
        self._start_run()

    def add(
        self,
        *,
        ids: Any,
        archives: Any,
        offsets: Any,
        lengths: Any,
        languages: Any = "",
        urls: Any = None,
        content_hashes: Any = None,
    ) -> None:
        """Add a batch of rows, column by column: lists, numpy or Arrow arrays of equal length.

        Args:
            ids: of the documents, text or bytes.
            archives: which file each is in; one text for all rows, or a column.
            offsets: where each begins, in the unit that the archive's reader wants, below 2^48.
            lengths: below 2^32; 0 where it is not known.
            languages: one text for all rows, or a column.
            urls: makes the documents known by URL too, and writes metadata.
            content_hashes: makes them known by content too, and fills `Place.digest`.

        Raises:
            UserError: the columns differ in length, or a number is out of range.
        """
        keys = keys_of("document", ids)
        if not len(keys):
            return
        rows = rows_with_keys(keys, PLACE)
        offsets = _numbers("offsets", offsets, len(rows), bits=OFFSET_BITS)
        lengths = _numbers("lengths", lengths, len(rows), bits=32)
        language = _number_names(languages, self._languages, len(rows))
        rows["offset"] = offsets | language << np.uint64(OFFSET_BITS)
        rows["length"] = lengths
        rows["archive"] = _number_names(archives, self._archives, len(rows))
        if content_hashes is not None:
            digests = self._link("content", content_hashes, keys)
            rows["digest"] = np.ascontiguousarray(digests[:, :8]).view("V8").reshape(-1)
        if urls is not None:
            self._link("url", urls, keys)
            columns = {"id": ids, "url": urls, "language": languages, "archive": archives}
            self._metadata.add(_metadata_table(columns, offsets, lengths))
        self._places.append(rows)
        self._num_rows += len(rows)
        if self._num_rows >= FLUSH_ROWS:
            self._finish_run()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Publish, unless the block failed: then nothing of it will ever be seen."""
        if kind is None:
            self._finish_run(even_if_empty=bool(self._tags) and not self._finished)
            self.commit = self._publish(self._finished)

    def _start_run(self) -> None:
        self._run = RunWriter(self._store, tags=self._tags)
        self._metadata = MetadataFiles(self._run)
        self._places: list[Rows] = []
        self._links: list[Rows] = []
        self._archives: dict[str, int] = {}
        self._languages: dict[str, int] = {}
        self._num_rows = 0

    def _finish_run(self, *, even_if_empty: bool = False) -> None:
        if not self._num_rows and not even_if_empty:
            return
        for table, pieces in (("places", self._places), ("links", self._links)):
            if pieces:
                rows = np.concatenate(pieces)
                pieces.clear()  # before the sort takes its room
                self._run.write_rows(table, sort_rows(rows))
        self._metadata.close()
        names = Names(list(self._archives), list(self._languages))
        self._finished.append(self._run.finish(names))
        self._start_run()

    def _link(self, kind: str, names: Any, keys: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Add links from names to documents and return the names' keys."""
        link_keys = keys_of(kind, names)
        if len(link_keys) != len(keys):
            raise UserError(f"{len(link_keys)} {kind} names for {len(keys)} documents")
        rows = np.hstack([link_keys, keys]).view(LINK).reshape(-1)
        self._links.append(rows)
        return link_keys


def _numbers(name: str, values: Any, count: int, *, bits: int) -> npt.NDArray[np.uint64]:
    """Return a column of whole numbers, checked."""
    column = np.asarray(values)
    if column.shape != (count,):
        raise UserError(f"{name} have shape {column.shape} for {count} documents")
    if column.dtype.kind not in "iu" or int(column.min()) < 0 or int(column.max()) >> bits:
        raise UserError(f"{name} must be whole numbers from 0 to 2^{bits} - 1")
    return column.astype(np.uint64)


def _number_names(values: Any, known: dict[str, int], count: int) -> npt.NDArray[np.uint64]:
    """Return the numbers of names, giving new names the next ones."""
    import pyarrow as pa

    if isinstance(values, str):
        return np.full(count, known.setdefault(values, len(known)), np.uint64)
    column = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    if len(column) != count or column.null_count:
        raise UserError(f"{len(column)} names, {column.null_count} empty, for {count} documents")
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    own = [known.setdefault(name, len(known)) for name in column.dictionary.to_pylist()]
    indices: npt.NDArray[np.int64] = column.indices.to_numpy(zero_copy_only=False)
    return np.array(own, np.uint64)[indices]


def _metadata_table(columns: dict[str, Any], offsets: Any, lengths: Any) -> Any:
    import pyarrow as pa

    table = {}
    for name, values in columns.items():
        kind = pa.dictionary(pa.int32(), pa.string()) if name in ("archive", "language") else None
        if isinstance(values, str):
            column = pa.array([values], pa.string()).dictionary_encode()
            indices = pa.array(np.zeros(len(offsets), np.int32))
            column = pa.DictionaryArray.from_arrays(indices, column.dictionary)
        else:
            column = values if isinstance(values, pa.Array) else pa.array(_as_bytes(values))
            column = column.cast(kind or pa.binary())
        table[name] = column
    table["offset"] = pa.array(offsets.astype(np.int64))
    table["length"] = pa.array(lengths.astype(np.int64))
    return pa.table(table)


def _as_bytes(values: Any) -> list[bytes]:
    return [v.encode("utf-8", "surrogatepass") if isinstance(v, str) else v for v in values]

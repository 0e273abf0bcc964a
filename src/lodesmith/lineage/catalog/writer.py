"""How rows come into a catalog: batches of columns, made into runs, published by one commit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import UserError
from lodesmith.core.store import Store
from lodesmith.lineage.catalog.commits import Commit
from lodesmith.lineage.catalog.metadata import write_metadata
from lodesmith.lineage.catalog.rows import (
    LINK,
    OFFSET_BITS,
    PLACE,
    Rows,
    as_binary,
    keys_of,
    rows_with_keys,
    sort_rows,
)
from lodesmith.lineage.catalog.run_files import Names, RunInfo, RunWriter

FLUSH_ROWS = 1 << 21  # held in memory before they become a run


class Writer:
    """Collects rows and writes them as runs; they count when a commit names them."""

    def __init__(self, store: Store, *, tag: str | None) -> None:
        self.commit: Commit | None = None  # after the block; None if the tag was there already
        self._store, self._tags = store, [tag] if tag else []
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
        archive, language = (_name_column(names, len(rows)) for names in (archives, languages))
        rows["offset"] = offsets | _number(language, self._languages) << np.uint64(OFFSET_BITS)
        rows["length"] = lengths
        rows["archive"] = _number(archive, self._archives)
        if content_hashes is not None:
            digests = self._link("content", content_hashes, keys)
            rows["digest"] = np.ascontiguousarray(digests[:, :8]).view("V8").reshape(-1)
        if urls is not None:
            self._link("url", urls, keys)
            columns = {"id": ids, "url": urls, "language": language, "archive": archive}
            self._metadata.append(_metadata_table(columns, offsets, lengths))
        self._places.append(rows)
        self._num_rows += len(rows)
        if self._num_rows >= FLUSH_ROWS:
            self._finish_run()

    def finish(self) -> list[RunInfo]:
        """Write what is left and return all runs."""
        self._finish_run(even_if_empty=bool(self._tags) and not self._finished)
        return self._finished

    def _start_run(self) -> None:
        self._run = RunWriter(self._store, tags=self._tags)
        self._metadata: list[Any] = []
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
        write_metadata(self._run, self._metadata)
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


def _name_column(values: Any, count: int) -> Any:
    """Return one text for all rows, or a column of them, as an Arrow array of numbered texts."""
    import pyarrow as pa

    if isinstance(values, str):
        zeros = pa.array(np.zeros(count, np.int32))
        return pa.DictionaryArray.from_arrays(zeros, pa.array([values]))
    column = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    if len(column) != count or column.null_count:
        raise UserError(f"{len(column)} names, {column.null_count} empty, for {count} documents")
    return column.cast(pa.string()).dictionary_encode()


def _number(column: Any, known: dict[str, int]) -> npt.NDArray[np.uint64]:
    """Return the numbers of names, giving new names the next ones."""
    own = [known.setdefault(name, len(known)) for name in column.dictionary.to_pylist()]
    indices: npt.NDArray[np.int32] = column.indices.to_numpy()
    return np.array(own, np.uint64)[indices]


def _metadata_table(columns: dict[str, Any], offsets: Any, lengths: Any) -> Any:
    import pyarrow as pa

    for name in ("id", "url"):
        columns[name] = as_binary(columns[name]).cast(pa.binary())
    return pa.table(
        {**columns, "offset": offsets.astype(np.int64), "length": lengths.astype(np.int64)}
    )

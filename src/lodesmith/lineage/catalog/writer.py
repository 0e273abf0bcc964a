"""How rows come into a catalog: batches of columns, made into runs, published by one commit."""

from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import UserError
from lodesmith.core.store import Store
from lodesmith.lineage.catalog.commits import Commit
from lodesmith.lineage.catalog.rows import LINK, OFFSET_BITS, PLACE, as_binary, keys_of
from lodesmith.lineage.catalog.run_writer import Batch, RunWriter
from lodesmith.lineage.catalog.runs import RunInfo

FLUSH_ROWS = 1 << 21  # held in memory before they become a run


class Writer:
    """Collects rows and writes them as runs; they count when a commit names them."""

    def __init__(self, store: Store, *, tag: str | None) -> None:
        self.commit: Commit | None = None  # after the block; None if the tag was there already
        self._store, self._tags = store, [tag] if tag else []
        self._finished: list[RunInfo] = []
        self._batches: list[Batch] = []
        self._num_rows = 0

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
        given = {"archives": archives, "offsets": offsets, "lengths": lengths, "urls": urls,
                 "languages": languages, "content_hashes": content_hashes}  # fmt: skip
        for name, column in given.items():
            if not (column is None or isinstance(column, str)) and len(column) != len(keys):
                raise UserError(f"{len(column)} {name} for {len(keys)} documents")
        if not len(keys):
            return
        named = {"archive": _names(archives, len(keys)), "language": _names(languages, len(keys))}
        places = np.zeros(len(keys), PLACE)
        places["key"] = keys.view(PLACE["key"]).reshape(-1)
        places["offset"] = _numbers("offsets", offsets, bits=OFFSET_BITS)
        places["length"] = _numbers("lengths", lengths, bits=32)
        for kind, column in named.items():
            places[kind] = column.indices.to_numpy()
        links, metadata = [np.empty((0, LINK.itemsize), np.uint8)], []
        if content_hashes is not None:
            digests = keys_of("content", content_hashes)
            places["digest"] = np.ascontiguousarray(digests[:, :8]).view("V8").reshape(-1)
            links.append(np.hstack([digests, keys]))
        if urls is not None:
            links.append(np.hstack([keys_of("url", urls), keys]))
            metadata.append(_metadata(ids, urls, named, offsets, lengths))
        tables = {"places": places, "links": np.concatenate(links).view(LINK).reshape(-1)}
        names = {kind: column.dictionary.to_pylist() for kind, column in named.items()}
        self._batches.append(Batch(tables, names, metadata))
        self._num_rows += len(keys)
        if self._num_rows >= FLUSH_ROWS:
            self._flush()

    def finish(self) -> list[RunInfo]:
        """Write what is left and return all runs."""
        if self._batches or (self._tags and not self._finished):
            self._flush()
        return self._finished

    def _flush(self) -> None:
        self._finished.append(RunWriter(self._store, self._batches, tags=self._tags).write())
        self._batches, self._num_rows = [], 0


def _numbers(name: str, values: Any, *, bits: int) -> npt.NDArray[np.uint64]:
    """Return a column of whole numbers, checked."""
    column = np.asarray(values)
    if column.dtype.kind not in "iu" or int(column.min()) < 0 or int(column.max()) >> bits:
        raise UserError(f"{name} must be whole numbers from 0 to 2^{bits} - 1")
    return column.astype(np.uint64)


def _names(values: Any, count: int) -> Any:
    """Return one text for all rows, or a column of them, as an Arrow array of numbered texts."""
    import pyarrow as pa

    if isinstance(values, str):
        return pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [values])
    column = values if isinstance(values, pa.Array) else pa.array(values, pa.string())
    if column.null_count:
        raise UserError(f"{column.null_count} of {count} documents have no archive or language")
    return column.cast(pa.string()).dictionary_encode()


def _metadata(ids: Any, urls: Any, named: dict[str, Any], offsets: Any, lengths: Any) -> Any:
    import pyarrow as pa

    texts = {"id": as_binary(ids).cast(pa.binary()), "url": as_binary(urls).cast(pa.binary())}
    numbers = {"offset": np.asarray(offsets, np.int64), "length": np.asarray(lengths, np.int64)}
    return pa.table(
        {**texts, "language": named["language"], "archive": named["archive"], **numbers}
    )

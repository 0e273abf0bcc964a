"""What scans read: the same documents as Parquet, for DuckDB, pyarrow and anything else.

Columns `id url language archive offset length`. Numbers are delta-coded and addresses share what
they begin with, so that an address costs little more than what is new in it.
"""

import io
from collections.abc import Iterator
from typing import Any

from lodesmith.core.errors import DamagedArtifactError
from lodesmith.lineage.catalog.run_files import RunWriter
from lodesmith.lineage.catalog.store import Store

_FILE_ROWS = 1 << 21
_GROUP_ROWS = 1 << 18
_ENCODINGS = {
    "id": "DELTA_LENGTH_BYTE_ARRAY",
    "url": "DELTA_BYTE_ARRAY",
    "offset": "DELTA_BINARY_PACKED",
    "length": "DELTA_BINARY_PACKED",
}


class MetadataFiles:
    """Writes batches into files of at most two million rows."""

    def __init__(self, run: RunWriter) -> None:
        self._run = run
        self._pieces: list[Any] = []  # less than a row group
        self._num_pieces_rows = self._num_file_rows = 0
        self._writer: Any = None
        self._file = io.BytesIO()

    def add(self, batch: Any) -> None:
        """Add an Arrow table or record batch."""
        import pyarrow as pa

        table = batch if isinstance(batch, pa.Table) else pa.Table.from_batches([batch])
        self._pieces.append(table)
        self._num_pieces_rows += len(table)
        if self._num_pieces_rows >= _GROUP_ROWS:
            self._flush()

    def close(self) -> None:
        """Write what is left."""
        self._flush()
        self._close_file()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if not self._num_pieces_rows:
            return
        table = pa.concat_tables(self._pieces)
        if self._writer is None:
            self._writer = pq.ParquetWriter(
                self._file, table.schema, compression="zstd", write_page_checksum=True,
                use_dictionary=["archive", "language"], column_encoding=_ENCODINGS,
            )  # fmt: skip
        self._writer.write_table(table, row_group_size=_GROUP_ROWS)
        self._num_file_rows += len(table)
        self._pieces, self._num_pieces_rows = [], 0
        if self._num_file_rows >= _FILE_ROWS:
            self._close_file()

    def _close_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._run.write_metadata(self._file.getvalue())
        self._writer, self._file, self._num_file_rows = None, io.BytesIO(), 0


def read_batches(store: Store, name: str) -> Iterator[Any]:
    """Yield the record batches of a metadata file.

    Raises:
        DamagedArtifactError: it is missing or torn.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    advice = "rebuild the catalog from the artifacts (`lodesmith catalog --rebuild`)"
    data = store.read(name)
    if data is None:
        raise DamagedArtifactError(f"the catalog has lost {name}; {advice}")
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        yield from file.iter_batches(_GROUP_ROWS)
    except (pa.ArrowException, OSError) as error:
        raise DamagedArtifactError(f"{name} is torn ({error}); {advice}") from None

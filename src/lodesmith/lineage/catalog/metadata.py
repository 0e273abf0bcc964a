"""What scans read: the same documents as Parquet, for DuckDB, pyarrow and anything else.

Columns `id url language archive offset length`. Numbers are delta-coded and addresses share what
they begin with, so that an address costs little more than what is new in it.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from lodesmith.core.store import Store
from lodesmith.lineage.catalog.rows import damaged
from lodesmith.lineage.catalog.run_files import RunWriter

_FILE_ROWS = 1 << 21
_GROUP_ROWS = 1 << 18
_ENCODINGS = {
    "id": "DELTA_LENGTH_BYTE_ARRAY",
    "url": "DELTA_BYTE_ARRAY",
    "offset": "DELTA_BINARY_PACKED",
    "length": "DELTA_BINARY_PACKED",
}


def write_metadata(run: RunWriter, tables: Iterable[Any]) -> None:
    """Write Arrow tables into files of about two million rows."""
    waiting: list[Any] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= _FILE_ROWS:
            _write_file(run, waiting)
            waiting = []
    if waiting:
        _write_file(run, waiting)


def _write_file(run: RunWriter, tables: list[Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(
        pa.concat_tables(tables), file, row_group_size=_GROUP_ROWS, compression="zstd",
        use_dictionary=["archive", "language"], column_encoding=_ENCODINGS,
        write_page_checksum=True,
    )  # fmt: skip
    run.write_metadata(file.getvalue())


def read_metadata(store: Store, name: str) -> Iterator[Any]:
    """Yield the Arrow tables of a metadata file.

    Raises:
        DamagedArtifactError: it is missing or torn.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = store.read(name)
    if data is None:
        raise damaged(f"the catalog has lost {name}")
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        for batch in file.iter_batches(_GROUP_ROWS):
            yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise damaged(f"{name} is torn ({error})") from None

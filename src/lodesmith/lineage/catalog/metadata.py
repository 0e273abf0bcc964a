"""What scans read: the same documents as Parquet, for DuckDB, pyarrow and anything else.

Columns `id url language archive offset length`. Numbers are delta-coded and addresses share what
they begin with, so that an address costs little more than what is new in it.
"""

import io
from collections.abc import Iterable, Iterator
from typing import Any

from lodesmith.lineage.catalog.sealed import damaged

_FILE_ROWS = 1 << 21
_GROUP_ROWS = 1 << 18
_ENCODINGS = {
    "id": "DELTA_LENGTH_BYTE_ARRAY",
    "url": "DELTA_BYTE_ARRAY",
    "offset": "DELTA_BINARY_PACKED",
    "length": "DELTA_BINARY_PACKED",
}


def pack_tables(tables: Iterable[Any]) -> Iterator[bytes]:
    """Yield Arrow tables as Parquet files of about two million rows."""
    waiting: list[Any] = []
    for table in tables:
        waiting.append(table)
        if sum(map(len, waiting)) >= _FILE_ROWS:
            yield _pack(waiting)
            waiting = []
    if waiting:
        yield _pack(waiting)


def _pack(tables: list[Any]) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = io.BytesIO()
    pq.write_table(
        pa.concat_tables(tables), file, row_group_size=_GROUP_ROWS, compression="zstd",
        use_dictionary=["archive", "language"], column_encoding=_ENCODINGS,
        write_page_checksum=True,
    )  # fmt: skip
    return file.getvalue()


def unpack_tables(data: bytes | None, where: str) -> Iterator[Any]:
    """Yield the Arrow tables of a Parquet file.

    Raises:
        DamagedArtifactError: it is missing or torn.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if data is None:
        raise damaged(f"the catalog has lost {where}")
    try:
        file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
        for batch in file.iter_batches(_GROUP_ROWS):
            yield pa.Table.from_batches([batch])
    except (pa.ArrowException, OSError) as error:
        raise damaged(f"{where} is torn ({error})") from None

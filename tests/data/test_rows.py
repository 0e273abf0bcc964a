"""Rows of tables that others made, whatever their size."""

import os

import pyarrow
import pyarrow.parquet
import pytest

from lodesmith.data.rows import read_table_rows


@pytest.mark.parametrize(("count", "size"), [(30_000, 1_000), (30, 1_000_000)])
def test_a_table_is_read_in_small_parts_however_large_its_row_groups_are(tmp_path, count, size):
    path = tmp_path / "one-group.parquet"
    texts = [os.urandom(size) for _ in range(count)]
    table = pyarrow.table({"text": texts})
    pyarrow.parquet.write_table(
        table, path, compression="none", use_dictionary=False, data_page_size=1 << 16,
        write_batch_size=1,
    )  # fmt: skip
    del table
    before = pyarrow.total_allocated_bytes()
    rows = read_table_rows(path, columns=("text",))
    assert next(rows).values["text"] == texts[0]
    assert pyarrow.total_allocated_bytes() - before < 16 << 20  # of thirty million bytes
    assert sum(1 for _ in rows) == len(texts) - 1

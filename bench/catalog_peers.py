"""The peers of `catalog.py`: run by it in a python that has duckdb, with nothing of ours."""

import json
import os
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.compute as pc
import pyarrow.parquet as pq

SOURCE, FOLDER, NUM_ROWS = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
TABLE = pq.read_table(SOURCE)
NAMES = TABLE["id"].take(random.Random(3).sample(range(NUM_ROWS), 1_000)).to_pylist()
COLUMNS = "id varchar {key}, archive varchar, o bigint, l bigint, language varchar"

Look = Callable[[Any, str], Any]


def drop_cache() -> None:
    os.sync()
    for path in FOLDER.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def measure(file: str, ingest: Callable[[Path], Any], one: Look, many: Any) -> list[float]:
    """Return rows a CPU-second, bytes a row, cold and warm milliseconds, those of a thousand."""
    start = time.process_time()
    handle = ingest(FOLDER / file)
    rate = NUM_ROWS / (time.process_time() - start)
    cold = [clock(one, handle, name, is_cold=True) for name in NAMES[:15]]
    warm = [clock(one, handle, name) for name in NAMES[15:45]]
    start = time.perf_counter()
    assert many(handle, NAMES) == 1_000
    batch = time.perf_counter() - start
    size = sum(path.stat().st_size for path in FOLDER.glob(file + "*")) / NUM_ROWS
    return [rate, size, statistics.median(cold) * 1e3, statistics.median(warm) * 1e3, batch * 1e3]


def clock(one: Look, handle: Any, name: str, *, is_cold: bool = False) -> float:
    if is_cold:
        drop_cache()
    start = time.perf_counter()
    assert one(handle, name)
    return time.perf_counter() - start


def duck(path: Path) -> Any:
    key = "primary key" if "key" in path.name else ""
    connection = duckdb.connect(str(path))
    connection.execute("set threads=1")
    connection.register("source", TABLE)
    connection.execute(f"create table d({COLUMNS.format(key=key)})")
    connection.execute("insert into d select * from source")
    connection.execute("checkpoint")
    return connection


def duck_one(connection: Any, name: str) -> Any:
    return connection.execute("select * from d where id = ?", [name]).fetchall()


def duck_many(connection: Any, names: list[str]) -> int:
    query = "select * from d where id in (select unnest(?))"
    return len(connection.execute(query, [names]).fetchall())


def lite(path: Path) -> Any:
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode=off")
    columns = COLUMNS.format(key="primary key")
    connection.execute(f"create table d({columns}) without rowid")
    for batch in TABLE.to_batches(1 << 17):
        rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        connection.executemany("insert into d values (?, ?, ?, ?, ?)", rows)
    connection.commit()
    return connection


def lite_one(connection: Any, name: str) -> Any:
    return connection.execute("select * from d where id = ?", (name,)).fetchall()


def lite_many(connection: Any, names: list[str]) -> int:
    return sum(len(lite_one(connection, name)) for name in names)


def parquet(path: Path) -> Path:
    table = TABLE.take(pc.sort_indices(TABLE["id"]))
    pq.write_table(table, path, row_group_size=1 << 15, write_page_index=True, compression="zstd")
    return path


def parquet_one(path: Path, name: str) -> bool:
    return bool(len(pq.read_table(path, filters=[("id", "=", name)])))


def parquet_many(path: Path, names: list[str]) -> int:
    return len(pq.read_table(path, filters=[("id", "in", names)]))


if __name__ == "__main__":
    found = {
        "DuckDB": measure("duck.db", duck, duck_one, duck_many),
        "DuckDB, primary key": measure("key-duck.db", duck, duck_one, duck_many),
        "SQLite": measure("lite.db", lite, lite_one, lite_many),
        "Parquet, sorted": measure("sorted.parquet", parquet, parquet_one, parquet_many),
    }
    print(json.dumps(found))

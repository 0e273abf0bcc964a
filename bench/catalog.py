"""The catalog: ingest, size, cold and warm lookups, kills; beside DuckDB, Parquet and SQLite.

    .venv/bin/python bench/catalog.py --rows 1e5 1e7              what the table in README shows
    .venv/bin/python bench/catalog.py --rows 1e5 1e8 --no-peers   4 GB of disk, minutes
    .venv/bin/python bench/catalog.py --kills 100                 only the kills
    .venv/bin/python bench/catalog.py --cold 1e5 1e8              cold lookups of two sizes in turn

What is measured, and how:

ingest     from Arrow arrays of ids (16 hex digits), offsets, lengths and archives, made before the
           clock starts, to a published commit: hashing, sorting, pages, checksums, fsync. CPU-s of
           the process, system time counted. `compact` is the merge into one run, on top.
cold       each lookup after every file was dropped from the page cache (POSIX_FADV_DONTNEED), the
           catalog open: what a server pays that was idle. `open` is a new process's first answer,
           cold too, with the interpreter's start left out.
reads      range reads of rows a lookup, counted by the catalog.
1,000      as many random ids in one call, right after the cold lookups: mostly from the disk.
bytes/row  of all that lies below the catalog's folder.

Peers get the same columns (DuckDB with a primary key and without, SQLite without rowids, Parquet
sorted by id with a page index, read by pyarrow): pip install duckdb pyarrow into a venv of its own
and name its python with --peer-python, or it is this one.
"""

import argparse
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from lodesmith.lineage.catalog import Catalog

BATCH = 1 << 17
PEERS = Path(__file__).with_name("catalog_peers.py")  # run by the peers' own python
HOSTS = [f"www.{name}{n}.{tld}" for n in range(500) for name, tld in
         (("news", "com"), ("blog", "org"), ("shop", "cn"), ("wiki", "net"))]  # fmt: skip
WORDS = [
    "article", "product", "category", "archive", "2024", "2025", "news", "story", "page", "item",
    "review", "guide", "world", "tech", "health", "sport", "culture", "travel", "food", "science",
]  # fmt: skip

HEADER = (
    f"{'store':22} {'rows':>11} {'rows/CPU-s':>10} {'+compact':>9} {'B/row':>6} {'cold ms':>8} "
    f"{'warm ms':>8} {'1,000 ms':>9} {'reads':>6} {'open ms':>8} {'GiB':>5}"
)


def make_batch(first: int, count: int, *, with_urls: bool) -> dict[str, Any]:
    """Return columns of documents `first` to `first + count`."""
    mixed = scramble(np.arange(first, first + count, dtype=np.uint64))
    ids = pa.array(id_texts(mixed))
    rng = np.random.default_rng(first)
    batch = {
        "ids": ids,
        "archives": f"acquire-0123456789ab/segment-{first // 1_000_000:05d}.warc.gz",
        "offsets": np.cumsum(rng.integers(2_000, 60_000, count)),
        "lengths": rng.integers(2_000, 60_000, count),
        "languages": pa.array(np.array(["en", "zh", "de", "ru"])[rng.integers(0, 4, count)]),
    }
    if with_urls:
        pick = random.Random(first)
        batch["urls"] = pa.array(
            [
                f"https://{pick.choice(HOSTS)}/{pick.choice(WORDS)}/{pick.choice(WORDS)}-"
                f"{pick.choice(WORDS)}-{int(value) & 0xFFFFFFF}.html"
                for value in mixed
            ]
        )
    return batch


def id_texts(mixed: np.ndarray) -> np.ndarray:
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    nibbles = mixed.astype(">u8").view(np.uint8).reshape(-1, 8)
    text = np.stack([digits[nibbles >> 4], digits[nibbles & 15]], axis=2).reshape(-1, 16)
    return np.ascontiguousarray(text).view("S16").reshape(-1).astype("U16")


def scramble(numbers: np.ndarray) -> np.ndarray:
    """Return 64 bits for each number that look like chance: SplitMix64."""
    value = (numbers + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def id_of(number: int) -> str:
    return f"{int(scramble(np.array([number], np.uint64))[0]):016x}"


def folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def drop_cache(folder: Path) -> None:
    os.sync()
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def fill(folder: Path, num_rows: int, *, with_urls: bool) -> dict[str, float]:
    """Ingest rows and merge them; return rates."""
    catalog = Catalog(folder)
    spent = 0.0
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(catalog.writer(tag="bench"))
        for first in range(0, num_rows, BATCH):
            batch = make_batch(first, min(BATCH, num_rows - first), with_urls=with_urls)
            start = time.process_time()
            writer.add(**batch)
            spent += time.process_time() - start
        start = time.process_time()
        stack.close()
        spent += time.process_time() - start
    start = time.process_time()
    catalog.compact(whole=True)
    merged = time.process_time() - start
    catalog.vacuum(grace_seconds=0)
    return {
        "ingest": num_rows / spent,
        "with_compact": num_rows / (spent + merged),
        "bytes": folder_bytes(folder) / num_rows,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20),
    }


def look_up(folder: Path, num_rows: int, *, num_cold: int = 60) -> dict[str, float]:
    """Return milliseconds of lookups and reads a lookup."""
    snapshot = Catalog(folder).snapshot()
    pick = random.Random(7)
    snapshot.find(id_of(0))
    cold, warm, before = [], [], sum(run.num_reads for run in snapshot.runs)
    for _ in range(num_cold):
        drop_cache(folder)
        name = id_of(pick.randrange(num_rows))
        start = time.perf_counter()
        assert len(snapshot.find(name)) == 1
        cold.append(time.perf_counter() - start)
    for _ in range(1_000):
        name = id_of(pick.randrange(num_rows))
        start = time.perf_counter()
        assert len(snapshot.find(name)) == 1
        warm.append(time.perf_counter() - start)
    reads = sum(run.num_reads for run in snapshot.runs) - before
    many = []
    for _ in range(5):
        names = [id_of(pick.randrange(num_rows)) for _ in range(1_000)]
        start = time.perf_counter()
        assert all(len(places) == 1 for places in snapshot.find_many(names))
        many.append(time.perf_counter() - start)
    return {
        "cold_ms": statistics.median(cold) * 1e3,
        "warm_ms": statistics.median(warm) * 1e3,
        "reads": reads / (num_cold + 1_000),
        "thousand_ms": statistics.median(many) * 1e3,
        "open_ms": open_cold(folder),
    }


def compare_cold(folders: list[Path], sizes: list[int], *, num_rounds: int) -> None:
    """Print cold lookups of catalogs in turn, and what the disk alone takes for as many bytes.

    The disk's share is one read of 8 KiB at a random page of the same catalog's files, which are
    open; a lookup opens what it needs and checks, unpacks and spells out what it reads.
    """
    snapshots = [Catalog(folder).snapshot() for folder in folders]
    files = [[os.open(path, os.O_RDONLY) for path in sorted(folder.rglob("places-*.rows"))]
             for folder in folders]  # fmt: skip
    pick = random.Random(11)
    found = [[0.0] * 0 for _ in folders]
    raw = [[0.0] * 0 for _ in folders]
    before = [sum(run.num_reads for run in snapshot.runs) for snapshot in snapshots]
    for _ in range(num_rounds):
        for number, (folder, size, snapshot) in enumerate(
            zip(folders, sizes, snapshots, strict=True)
        ):
            name = id_of(pick.randrange(size))
            descriptor = pick.choice(files[number])
            place = pick.randrange(max(1, os.fstat(descriptor).st_size // 4096 - 1)) * 4096
            drop_cache(folder)
            start = time.perf_counter()
            assert len(snapshot.find(name)) == 1
            found[number].append(time.perf_counter() - start)
            drop_cache(folder)
            start = time.perf_counter()
            os.pread(descriptor, 8192, place)
            raw[number].append(time.perf_counter() - start)
    for number, size in enumerate(sizes):
        reads = sum(run.num_reads for run in snapshots[number].runs) - before[number]
        lookup, disk = (statistics.median(times[number]) * 1e3 for times in (found, raw))
        print(f"{size:>13,} rows: cold p50 {lookup:.3f} ms, {reads / num_rounds:.3f} reads; "
              f"the disk alone {disk:.3f} ms")  # fmt: skip
    ratios = [statistics.median(times[-1]) / statistics.median(times[0]) for times in (found, raw)]
    print(f"ratio of the last to the first: {ratios[0]:.2f}; of the disk alone: {ratios[1]:.2f}")


def open_cold(folder: Path) -> float:
    script = (
        "import sys, time\n"
        "from lodesmith.lineage.catalog import Catalog\n"
        "start = time.perf_counter()\n"
        "assert Catalog(sys.argv[1]).snapshot().find(sys.argv[2])\n"
        "print(time.perf_counter() - start)\n"
    )
    times = []
    for number in range(5):
        drop_cache(folder)
        command = [sys.executable, "-c", script, str(folder), id_of(number)]
        times.append(float(subprocess.run(command, capture_output=True, check=True).stdout))
    return statistics.median(times) * 1e3


WRITER = """
import sys, itertools, numpy as np
from lodesmith.lineage.catalog import Catalog
catalog, name = Catalog(sys.argv[1]), sys.argv[2]
for number in itertools.count():
    ids = [f"{name}-{number}-{i}" for i in range(50)]
    with catalog.writer() as writer:
        writer.add(ids=ids, archives=name, offsets=np.arange(50), lengths=np.arange(50),
                   urls=[f"http://{i}/" for i in ids])
    print(number, flush=True)
    if number % 4 == 3:
        catalog.compact(whole=number % 8 == 7)
"""


def run_kills(folder: Path, num_kills: int, *, together: int = 4, seed: int = 0) -> tuple[int, int]:
    """Kill writers at random moments; return how many commits were told and how many rows lost.

    Raises:
        AssertionError: half of a commit is seen.
    """
    pick = random.Random(seed)
    told: dict[str, int] = {}
    for first in range(0, num_kills, together):
        running = []
        for number in range(first, min(first + together, num_kills)):
            command = [sys.executable, "-c", WRITER, str(folder), f"w{number}"]
            running.append((f"w{number}", subprocess.Popen(command, stdout=subprocess.PIPE)))
        for _, process in running:  # all write and merge by now
            assert process.stdout is not None
            process.stdout.readline()
        for name, process in running:
            time.sleep(pick.uniform(0, 0.3))
            process.send_signal(signal.SIGKILL)
            lines = process.communicate()[0].split()
            told[name] = int(lines[-1]) + 1 if lines else 1
    snapshot = Catalog(folder).snapshot()
    lost = 0
    for name, count in told.items():
        for number in range(count + 1):  # the one after the last told may be there, but whole
            found = snapshot.find_many([f"{name}-{number}-{i}" for i in range(50)])
            rows = sum(len(places) == 1 for places in found)
            assert rows in (0, 50), f"{name} commit {number}: {rows} of 50 rows"
            lost += 50 - rows if number < count else 0
    return sum(told.values()), lost


def run_peers(python: str, num_rows: int, scratch: Path) -> dict[str, list[float]]:
    import pyarrow.parquet as pq

    pieces = []
    for first in range(0, num_rows, BATCH):
        batch = make_batch(first, min(BATCH, num_rows - first), with_urls=False)
        archive = pa.array([batch["archives"]] * len(batch["ids"]))
        columns = [batch["ids"], archive, batch["offsets"], batch["lengths"], batch["languages"]]
        pieces.append(pa.table(columns, names=["id", "archive", "o", "l", "language"]))
    source, folder = scratch / "peer-source.parquet", scratch / "peers"
    pq.write_table(pa.concat_tables(pieces), source)
    del pieces
    folder.mkdir()
    command = [python, str(PEERS), str(source), str(folder), str(num_rows)]
    found = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    shutil.rmtree(folder)
    source.unlink()
    return dict(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", nargs="*", type=float, default=[1e5, 1e6])
    parser.add_argument("--scratch", type=Path, default=None, help="a folder on a real disk")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--peer-rows", type=float, default=1e6)
    parser.add_argument("--urls", type=float, default=1e6, help="rows of the run with URLs")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--cold", type=float, nargs="+", help="rows; only cold lookups, in turn")
    parser.add_argument("--rounds", type=int, default=80)
    options = parser.parse_args()
    if options.cold:
        run_cold(options)
        return
    with tempfile.TemporaryDirectory(dir=options.scratch) as name:
        scratch = Path(name)
        if options.kills:
            commits, lost = run_kills(scratch / "kills", options.kills)
            print(f"{options.kills} kills, {commits} commits told, {lost} rows lost, none half")
        print(HEADER)
        if options.rows and options.urls:
            show("catalog with URLs", scratch / "urls", int(options.urls), with_urls=True)
        for rows in options.rows:
            show("catalog", scratch / "rows", int(rows), with_urls=False)
        if not options.no_peers and options.rows:
            found = run_peers(options.peer_python, int(options.peer_rows), scratch)
            for peer, (rate, size, cold, warm, many) in found.items():
                line = f"{peer:22} {int(options.peer_rows):>11,} {rate:>10,.0f} {'':>9}"
                print(f"{line} {size:>6.1f} {cold:>8.2f} {warm:>8.2f} {many:>9.1f}", flush=True)


def run_cold(options: argparse.Namespace) -> None:
    """Compare catalogs that are made in the scratch folder, or are there from a run before."""
    sizes = [int(rows) for rows in options.cold]
    with contextlib.ExitStack() as stack:
        if options.scratch is None:
            options.scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folders = [options.scratch / f"rows-{size}" for size in sizes]
        for folder, size in zip(folders, sizes, strict=True):
            if not folder.exists():
                print(size, fill(folder, size, with_urls=False), flush=True)
        compare_cold(folders, sizes, num_rounds=options.rounds)


def show(title: str, folder: Path, num_rows: int, *, with_urls: bool) -> None:
    cost = fill(folder, num_rows, with_urls=with_urls)
    found = look_up(folder, num_rows)
    shutil.rmtree(folder)
    print(f"{title:22} {num_rows:>11,} {cost['ingest']:>10,.0f} {cost['with_compact']:>9,.0f} "
          f"{cost['bytes']:>6.1f} {found['cold_ms']:>8.3f} {found['warm_ms']:>8.3f} "
          f"{found['thousand_ms']:>9.1f} {found['reads']:>6.3f} {found['open_ms']:>8.1f} "
          f"{cost['peak_gib']:>5.2f}", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()

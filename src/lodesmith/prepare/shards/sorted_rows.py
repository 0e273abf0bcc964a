"""Rows sorted by a key, on disk: how corpus-wide steps are cut into pieces that need no memory.

A task that sees one shard writes its rows sorted by key. A task that sees one range of keys takes
its slice out of every shard's file, and writes what it found sorted by shard. A task that sees one
shard again takes its slice out of every range's file. So a step over the whole corpus is a list of
pure functions over files, each as large as one wants it: any number of processes or machines can
run them, and one that was killed is run again. Keys are hashes, so ranges are about equally full;
a key itself is never split.

Files hold bare rows, little-endian, the key first. Slices are looked for where evenly spread keys
must lie, by bisection elsewhere, and read with `pread`, not mapped: mapped pages count as memory.
"""

import itertools
import math
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.storage import JSON, write_bytes
from lodesmith.prepare.shards.shard_files import BYTES_PER_BYTE

Rows = NDArray[Any]  # structured
MapTasks = Callable[[Callable[..., JSON], dict[str, tuple[Any, ...]]], Iterable[JSON]]
# Runs a module-level function once for each name with its arguments, in any order, anywhere.

_END = 1 << 64
_HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class KeyRange:
    """The keys from `first` on, below `end`."""

    first: int
    end: int


def cut_keys(num_ranges: int) -> list[KeyRange]:
    """Return so many equal ranges of all 64-bit keys.

    >>> [key_range.end == 1 << 64 for key_range in cut_keys(3)]
    [False, False, True]
    """
    edges = [_END * number // num_ranges for number in range(num_ranges + 1)]
    return [KeyRange(first, end) for first, end in itertools.pairwise(edges)]


def plan_ranges(
    map_tasks: MapTasks, name: str, files: list[Path], memory_bytes: int
) -> list[tuple[int, KeyRange]]:
    """Return the ranges into which rows must be cut for a task to fit into memory.

    They are decided once: a run that goes on with another bound keeps them, as files of the old
    ones are there.

    Args:
        map_tasks: runs tasks and remembers their results.
        name: of the plan.
        files: those that each task takes its slice of.
        memory_bytes: what a task may take.
    """
    (result,) = map_tasks(count_ranges, {name: (files, memory_bytes)})
    return list(enumerate(cut_keys(int(result["num_ranges"]))))


def count_ranges(files: Iterable[Path], memory_bytes: int) -> JSON:
    """Return how many ranges `plan_ranges` needs."""
    total = sum(path.stat().st_size for path in files)
    return {"num_ranges": max(1, -(-total * BYTES_PER_BYTE // memory_bytes))}


def write_rows(path: Path, rows: Rows) -> None:
    """Write rows that are sorted by their first field, whole or not at all."""
    write_bytes(path, rows.tobytes())


def read_rows(path: Path, dtype: np.dtype[Any]) -> Rows:
    """Return all rows of a file."""
    return np.fromfile(path, dtype)


def read_slice(path: Path, dtype: np.dtype[Any], keys: KeyRange) -> Rows:
    """Return those rows of a file whose first field lies in a range."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        num_rows = os.fstat(descriptor).st_size // dtype.itemsize
        if dtype[0].itemsize == _HASH_BYTES and num_rows:
            guessed = _guess_slice(descriptor, dtype, num_rows, keys)
            if guessed is not None:
                return guessed
        start = _bisect(descriptor, dtype, num_rows, keys.first)
        stop = _bisect(descriptor, dtype, num_rows, keys.end)
        return _read(descriptor, dtype, start, stop)
    finally:
        os.close(descriptor)


def find_range(rows: Rows, keys: KeyRange) -> tuple[int, int]:
    """Return where the rows whose first field lies in a range begin and end, of sorted rows."""
    found = rows[rows.dtype.names[0]]  # type: ignore[index]
    start = int(np.searchsorted(found, np.uint64(keys.first)))
    stop = len(rows) if keys.end >= _END else int(np.searchsorted(found, np.uint64(keys.end)))
    return start, stop


def _guess_slice(
    descriptor: int, dtype: np.dtype[Any], num_rows: int, keys: KeyRange
) -> Rows | None:
    """Return a slice with one read, from where hashes must lie if they are spread evenly."""
    slack = 4 * math.isqrt(num_rows) + 16  # eight standard deviations at least
    low = max(0, (keys.first * num_rows >> 64) - slack)
    high = min(num_rows, (keys.end * num_rows >> 64) + slack)
    rows = _read(descriptor, dtype, low, high)
    start, stop = find_range(rows, keys)
    is_whole = (start > 0 or low == 0) and (stop < len(rows) or high == num_rows)
    return rows[start:stop] if is_whole else None


def read_slices(paths: Sequence[Path], dtype: np.dtype[Any], keys: KeyRange) -> Rows:
    """Return the slices of several files, one after the other."""
    parts = [read_slice(path, dtype, keys) for path in paths]
    return np.concatenate(parts) if parts else np.zeros(0, dtype)


def read_tagged(
    paths: Sequence[Path], dtype: np.dtype[Any], keys: KeyRange
) -> tuple[Rows, NDArray[np.uint32]]:
    """Return the slices of several files, and for each row the number of its file."""
    parts = [read_slice(path, dtype, keys) for path in paths]
    owners = np.repeat(np.arange(len(parts), dtype=np.uint32), [len(part) for part in parts])
    return (np.concatenate(parts) if parts else np.zeros(0, dtype)), owners


def read_places(path: Path, dtype: np.dtype[Any], places: NDArray[np.int64]) -> Rows:
    """Return the rows at ascending places of a file."""
    rows = np.empty(len(places), dtype)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        for number, place in enumerate(places.tolist()):
            content = os.pread(descriptor, dtype.itemsize, place * dtype.itemsize)
            rows[number] = np.frombuffer(content, dtype)[0]
    finally:
        os.close(descriptor)
    return rows


def _read(descriptor: int, dtype: np.dtype[Any], start: int, stop: int) -> Rows:
    parts: list[bytes] = []
    at, end = start * dtype.itemsize, stop * dtype.itemsize
    while at < end and (part := os.pread(descriptor, end - at, at)):  # at most 2 GiB come at once
        parts.append(part)
        at += len(part)
    return np.frombuffer(parts[0] if len(parts) == 1 else b"".join(parts), dtype)


def _bisect(descriptor: int, dtype: np.dtype[Any], num_rows: int, key: int) -> int:
    """Return the first row whose key is not below the one given."""
    if key <= 0 or key >= _END:
        return 0 if key <= 0 else num_rows
    key_bytes = dtype[0].itemsize
    low, high = 0, num_rows
    while low < high:
        middle = (low + high) // 2
        found = os.pread(descriptor, key_bytes, middle * dtype.itemsize)
        if int.from_bytes(found, "little") < key:
            low = middle + 1
        else:
            high = middle
    return low

"""Input files cut into shards of about equal size, so that no core waits for a giant file.

A large archive is read once, quickly, for places where a reader may begin: a record whose offset a
reader that starts there finds again at once, without damage. Lines of plain JSON and row groups of
Parquet are such places by nature. Files that must be inflated from their beginning stay whole.
Small files share a shard.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lodesmith.core.shards import UNWATCHED, Watch
from lodesmith.core.storage import JSON
from lodesmith.data.warc import read_warc
from lodesmith.prepare.records import READ_FAULTS, Source, is_plain

SHARD_BYTES = 16 << 20  # of records as they are read; a second or two of work

_MAX_FILES = 512  # in a shard
_BLOCK_BYTES = 1 << 20
_CUT_FROM = 2  # shards: a smaller file is not worth looking through

Place = tuple[int, int]  # where a reader may begin, and how many records or lines are before it
MapTasks = Callable[[Callable[..., JSON], dict[str, tuple[Any, ...]]], list[JSON]]


def make_shards(sources: Sequence[Source], map_tasks: MapTasks) -> list[list[Source]]:
    """Return the sources of each shard, in source order.

    Args:
        sources: whole files.
        map_tasks: runs named tasks and returns their results in order.
    """
    large = [number for number, source in enumerate(sources) if _is_worth_cutting(source)]
    tasks = {f"places-{number:05d}": (sources[number], SHARD_BYTES) for number in large}
    found = dict(zip(large, map_tasks(find_places, tasks), strict=True))
    stretches = [
        stretch
        for number, source in enumerate(sources)
        for stretch in _cut(source, found.get(number, []))
    ]
    return list(_group(stretches))


def find_places(source: Source, shard_bytes: int, *, watch: Watch = UNWATCHED) -> JSON:
    """Return the places where a large file may be cut, about every so many bytes."""
    places = _FINDERS[source.kind](source, shard_bytes, watch)
    found: list[Place] = []
    try:
        found.extend(places)
    except (*READ_FAULTS, MemoryError):
        pass  # the stretch after the last place meets the same fault and reports it
    watch.end()
    return found


def _is_worth_cutting(source: Source) -> bool:
    return (
        source.num_bytes >= _CUT_FROM * SHARD_BYTES
        and source.kind in _FINDERS
        and (source.kind != "json" or is_plain(source.path))
    )


def _cut(source: Source, places: Sequence[Place]) -> list[Source]:
    starts = [(source.start, source.number), *map(tuple, places)]
    ends = [*(start for start, _ in starts[1:]), source.end]
    return [
        replace(
            source, start=start, end=end, number=number,
            num_bytes=source.num_bytes // len(starts),
        )
        for (start, number), end in zip(starts, ends, strict=True)
    ]  # fmt: skip


def _group(sources: Sequence[Source]) -> Iterator[list[Source]]:
    """Yield shards: small files together, the order kept."""
    group: list[Source] = []
    size = 0
    for source in sources:
        if group and (size + source.num_bytes > SHARD_BYTES or len(group) >= _MAX_FILES):
            yield group
            group, size = [], 0
        group.append(source)
        size += source.num_bytes
    if group:
        yield group


def _places_in_archive(source: Source, shard_bytes: int, watch: Watch) -> Iterator[Place]:
    size = 0
    for number, record in enumerate(read_warc(source.path, on_damage=lambda _: None)):
        if watch.read(number):
            return
        if size >= shard_bytes and _begins_cleanly(source.path, record.offset):
            yield record.offset, 0
            size = 0
        size += len(record.payload)


def _begins_cleanly(path: Path, offset: int) -> bool:
    """Tell whether a reader that starts here finds the record of this offset, and no damage."""
    damages: list[object] = []
    records = read_warc(path, on_damage=damages.append, start=offset)
    first = next(records, None)
    return first is not None and first.offset == offset and not damages


def _places_in_lines(source: Source, shard_bytes: int, _: Watch) -> Iterator[Place]:
    with source.path.open("rb") as file:
        start = at = number = 0
        while block := file.read(_BLOCK_BYTES):
            if at + len(block) - start >= shard_bytes and (end := block.find(b"\n")) >= 0:
                start = at + end + 1
                yield start, number + 1
            number += block.count(b"\n")
            at += len(block)


def _places_in_table(source: Source, shard_bytes: int, _: Watch) -> Iterator[Place]:
    import pyarrow.parquet

    size = number = 0
    with pyarrow.parquet.ParquetFile(source.path) as table:
        for index in range(table.metadata.num_row_groups):
            if size >= shard_bytes:
                yield index, number
                size = 0
            size += table.metadata.row_group(index).total_byte_size
            number += table.metadata.row_group(index).num_rows


_FINDERS: dict[str, Callable[[Source, int, Watch], Iterator[Place]]] = {
    "archive": _places_in_archive,
    "json": _places_in_lines,
    "parquet": _places_in_table,
}

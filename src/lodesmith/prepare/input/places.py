"""Where a reader may begin in a large file of records, so that it can be cut there."""

from collections.abc import Callable, Iterator
from pathlib import Path

from lodesmith.core.shards import UNWATCHED, Watch
from lodesmith.core.storage import JSON
from lodesmith.data.warc import read_warc
from lodesmith.prepare.input.records import READ_FAULTS
from lodesmith.prepare.input.sources import Place, Source

_BLOCK_BYTES = 1 << 20


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
    records = read_warc(
        path, on_damage=lambda damage: damages.extend([damage] * damage.is_lost), start=offset
    )
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

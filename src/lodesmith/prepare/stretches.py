"""Input files cut into shards of about equal size, so that no core waits for a giant file.

A large archive is read once, quickly, for places where a reader may begin: a record whose offset a
reader that starts there finds again at once, without damage. Lines of plain JSON and row groups of
Parquet are such places by nature. Files that must be inflated from their beginning stay whole.
Small files share a shard.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from lodesmith.core.storage import JSON
from lodesmith.data.rows import is_plain
from lodesmith.prepare.sources import Place, Source
from lodesmith.prepare.tasks import find_places

SHARD_BYTES = 16 << 20  # of records as they are read; a second or two of work

_MAX_FILES = 512  # in a shard
_CUT_FROM = 2  # shards: a smaller file is not worth looking through
_CUT_KINDS = {"archive", "json", "parquet"}

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


def _is_worth_cutting(source: Source) -> bool:
    return (
        source.num_bytes >= _CUT_FROM * SHARD_BYTES
        and source.kind in _CUT_KINDS
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

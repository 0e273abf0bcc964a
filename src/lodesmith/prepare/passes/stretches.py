"""Input files cut into shards of about equal size, so that no core waits for a giant file.

A large archive is read once, quickly, for places where a reader may begin: a record whose offset a
reader that starts there finds again at once, without damage. Lines of plain JSON and row groups of
Parquet are such places by nature. Files that must be inflated from their beginning stay whole.
Small files share a shard.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from lodesmith.core.storage import JSON
from lodesmith.data.rows import is_plain
from lodesmith.prepare.input.sources import Place, Source
from lodesmith.prepare.passes.tasks import find_places

SHARD_BYTES = 16 << 20  # of records as they are read; a second or two of work with all steps
_MOST_SHARDS = 64  # from here on shards grow, as each costs three forks ...
_GROWS_TIMES = 4  # ... until they are so many times as large

_MAX_FILES = 512  # in a shard
_CUT_FROM = 2  # shards: a smaller file is not worth looking through
_CUT_KINDS = {"archive", "json", "parquet"}

MapTasks = Callable[[Callable[..., JSON], dict[str, tuple[Any, ...]]], Iterable[JSON]]


def make_shards(sources: Sequence[Source], map_tasks: MapTasks) -> list[list[Source]]:
    """Return the sources of each shard, in source order.

    Args:
        sources: whole files.
        map_tasks: runs named tasks and returns their results in order.
    """
    size = _shard_bytes(sum(source.num_bytes for source in sources))
    large = [number for number, source in enumerate(sources) if _is_worth_cutting(source, size)]
    tasks = {f"places-{number:05d}": (sources[number], size) for number in large}
    found = dict(zip(large, map_tasks(find_places, tasks), strict=True))
    stretches = [
        stretch
        for number, source in enumerate(sources)
        for stretch in _cut(source, found.get(number, []))
    ]
    return list(_group(stretches, size))


def _shard_bytes(total: int) -> int:
    """Return how large a shard is: of the corpus alone, so that a run goes on as it was cut.

    >>> [_shard_bytes(total) >> 20 for total in (1 << 30, 2 << 30, 1 << 40)]
    [16, 32, 64]
    """
    return min(max(SHARD_BYTES, total // _MOST_SHARDS), _GROWS_TIMES * SHARD_BYTES)


def _is_worth_cutting(source: Source, shard_bytes: int) -> bool:
    return (
        source.num_bytes >= _CUT_FROM * shard_bytes
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


def _group(sources: Sequence[Source], shard_bytes: int) -> Iterator[list[Source]]:
    """Yield shards: small files together, the order kept."""
    group: list[Source] = []
    size = 0
    for source in sources:
        if group and (size + source.num_bytes > shard_bytes or len(group) >= _MAX_FILES):
            yield group
            group, size = [], 0
        group.append(source)
        size += source.num_bytes
    if group:
        yield group

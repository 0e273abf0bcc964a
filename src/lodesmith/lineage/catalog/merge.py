"""Many runs into one, a part at a time: memory stays that of one part, whatever the size."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.store import Store
from lodesmith.lineage.catalog.metadata import read_metadata, write_metadata
from lodesmith.lineage.catalog.rows import (
    OFFSET_BITS,
    REMOVED,
    TABLES,
    Rows,
    high_of,
    keys_of,
    sort_rows,
)
from lodesmith.lineage.catalog.run_files import Names, Run, RunInfo, RunWriter, part_bits

_Numbers = list[tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint64]]]


def merge_runs(store: Store, runs: Sequence[Run], *, is_oldest: bool) -> RunInfo:
    """Write one run that answers as several do, and return it.

    Args:
        store: where they lie.
        runs: neighbours in the log, oldest first.
        is_oldest: nothing older exists, so that removals have done their work and can go.
    """
    writer = RunWriter(store, tags=sorted({tag for run in runs for tag in run.info.tags}))
    gone = _removed_later(runs)
    names, numbers = _join_names(runs)
    bits = {table: part_bits(sum(r.info.num_rows(table) for r in runs)) for table in TABLES}
    parts = {table: zip(*(run.read_parts(table, bits[table]) for run in runs), strict=True)
             for table in TABLES}  # fmt: skip
    places = (_merge_places(part, gone, numbers, is_oldest=is_oldest) for part in parts["places"])
    writer.write_table("places", places, bits=bits["places"])
    if any(run.info.num_rows("links") for run in runs):
        links = (_merge_links(part, gone) for part in parts["links"])
        writer.write_table("links", links, bits=bits["links"])
    write_metadata(
        writer,
        (
            _without(table, removed)
            for run, removed in zip(runs, gone, strict=True)
            for name in run.info.metadata
            for table in read_metadata(store, f"runs/{run.info.id}/{name}")
        ),
    )
    return writer.finish(names)


def _removed_later(runs: Sequence[Run]) -> list[set[bytes]]:
    """Return for each run the keys of the documents that a newer one of them removes."""
    gone: list[set[bytes]] = []
    later: set[bytes] = set()
    for run in reversed(runs):
        gone.append(later)
        if run.info.num_removals:
            parts = run.read_parts("places", part_bits(run.info.num_rows("places")))
            removals = (rows["key"][rows["archive"] == REMOVED] for rows in parts)
            later = later.union(key.tobytes() for keys in removals for key in keys)
    return gone[::-1]


def _join_names(runs: Sequence[Run]) -> tuple[Names, _Numbers]:
    """Return all names, and for each run the new numbers of its archives and languages."""
    archives: dict[str, int] = {}
    languages: dict[str, int] = {}
    numbers = [
        (
            np.array([archives.setdefault(n, len(archives)) for n in run.names.archives], "<u4"),
            np.array([languages.setdefault(n, len(languages)) for n in run.names.languages], "<u8"),
        )
        for run in runs
    ]
    return Names(list(archives), list(languages)), numbers


def _merge_places(
    parts: Sequence[Rows], gone: list[set[bytes]], numbers: _Numbers, *, is_oldest: bool
) -> Rows:
    pieces = []
    for rows, removed, (archives, languages) in zip(parts, gone, numbers, strict=True):
        kept = rows[_stand(rows["key"], removed)]
        real = kept["archive"] != REMOVED
        language, start = np.divmod(kept["offset"][real], np.uint64(1 << OFFSET_BITS))
        kept["archive"][real] = archives[kept["archive"][real]]
        kept["offset"][real] = languages[language] << np.uint64(OFFSET_BITS) | start
        pieces.append(kept[real] if is_oldest else kept)
    return _sort_once(pieces)


def _merge_links(parts: Sequence[Rows], gone: list[set[bytes]]) -> Rows:
    pairs = zip(parts, gone, strict=True)
    return _sort_once([rows[_stand(rows["document"], removed)] for rows, removed in pairs])


def _without(table: Any, removed: set[bytes]) -> Any:
    if not removed:
        return table
    return table.filter(_stand(keys_of("document", table["id"].combine_chunks()), removed).tolist())


def _stand(keys: npt.NDArray[np.generic], removed: set[bytes]) -> npt.NDArray[np.bool_]:
    """Return which keys of documents were not removed."""
    if not removed:
        return np.ones(len(keys), bool)
    keys = np.ascontiguousarray(keys).view("V12").reshape(-1)
    highs = np.frombuffer(b"".join(key[:8] for key in removed), ">u8")
    hit = np.isin(high_of(keys), highs.astype(np.uint64))
    hit[hit] = [key.tobytes() in removed for key in keys[hit]]
    return ~hit


def _sort_once(pieces: list[Rows]) -> Rows:
    """Return rows sorted, those left out that say the same as the row before them."""
    rows = sort_rows(np.concatenate(pieces))
    words = rows.view(np.uint32).reshape(len(rows), rows.itemsize // 4)
    new = np.ones(len(rows), bool)
    new[1:] = (words[1:] != words[:-1]).any(axis=1)
    once: Rows = rows[new]
    return once

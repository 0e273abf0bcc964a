"""Many runs into one, a part at a time: memory stays that of one part, whatever the size."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.lineage.catalog.metadata import MetadataFiles, read_batches
from lodesmith.lineage.catalog.rows import PLACE, REMOVED, Rows, high_of, keys_of, sort_rows
from lodesmith.lineage.catalog.run_files import Names, Run, RunInfo, RunWriter, part_bits
from lodesmith.lineage.catalog.store import Store


def merge_runs(store: Store, runs: Sequence[Run], *, is_oldest: bool) -> RunInfo:
    """Write one run that answers as several do, and return it.

    Args:
        store: where they lie.
        runs: neighbours in the log, oldest first.
        is_oldest: nothing older exists, so that removals have done their work and can go.
    """
    writer = RunWriter(store, tags=sorted({tag for run in runs for tag in run.info.tags}))
    removed = _removed_later(runs)
    names, numbers = _join_names(runs)
    for table in ("places", "links"):
        bits = part_bits(sum(run.info.num_rows(table) for run in runs))
        parts = ([run.read_part(table, part, bits) for run in runs] for part in range(1 << bits))
        if table == "places":
            merged = (_merge_places(part, numbers, is_oldest=is_oldest) for part in parts)
            writer.write_table(table, _count_removals(writer, merged), bits=bits)
        elif any(run.info.num_rows(table) for run in runs):
            merged = (_merge_links(part, removed) for part in parts)
            writer.write_table(table, merged, bits=bits)
    files = MetadataFiles(writer)
    for run, gone in zip(runs, removed, strict=True):
        for name in run.info.metadata:
            for batch in read_batches(store, f"runs/{run.info.id}/{name}"):
                files.add(_without(batch, gone))
    files.close()
    return writer.finish(names)


def _removed_later(runs: Sequence[Run]) -> list[set[bytes]]:
    """Return for each run the keys of the documents that a newer one of them removes."""
    gone: list[set[bytes]] = []
    later: set[bytes] = set()
    for run in reversed(runs):
        gone.append(later)
        if run.info.num_removals:
            later = later | _removals_of(run)
    return gone[::-1]


def _removals_of(run: Run) -> set[bytes]:
    bits = part_bits(run.info.num_rows("places"))
    keys: set[bytes] = set()
    for part in range(1 << bits):
        rows = run.read_part("places", part, bits)
        marked = rows[rows["archive"] == REMOVED]
        keys.update(key.tobytes() for key in marked["key"])
    return keys


def _join_names(
    runs: Sequence[Run],
) -> tuple[Names, list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]]:
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
    parts: list[Rows],
    numbers: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]],
    *,
    is_oldest: bool,
) -> Rows:
    rows: Rows = np.empty(sum(map(len, parts)), PLACE)
    start = 0
    for part, (archives, languages) in zip(parts, numbers, strict=True):
        piece = rows[start : start + len(part)]
        piece[:] = part
        real = part["archive"] != REMOVED
        piece["archive"][real] = archives[part["archive"][real]]
        offsets = part["offset"][real]
        here = offsets & np.uint64((1 << 48) - 1)
        piece["offset"][real] = languages[offsets >> np.uint64(48)] << np.uint64(48) | here
        start += len(part)
    rows = _drop_repeated(sort_rows(rows))
    if (rows["archive"] == REMOVED).any():
        rows = _apply_removals(rows, is_oldest=is_oldest)
    return rows


def _drop_repeated(rows: Rows) -> Rows:
    """Return rows without those that say the same as the row before them."""
    if len(rows) < 2:
        return rows
    high = high_of(rows)
    same = high[1:] == high[:-1]
    if not same.any():
        return rows
    for name in ("key", "archive", "offset", "length"):
        column = rows[name]
        same &= column[1:] == column[:-1]
    return rows[np.concatenate([[True], ~same])] if same.any() else rows


def _apply_removals(rows: Rows, *, is_oldest: bool) -> Rows:
    """Return rows without those that stand before a removal of their document."""
    new = np.ones(len(rows), bool)
    new[1:] = rows["key"][1:] != rows["key"][:-1]
    document = np.cumsum(new) - 1
    is_removal = rows["archive"] == REMOVED
    last = np.full(document[-1] + 1, -1)
    np.maximum.at(last, document[is_removal], np.flatnonzero(is_removal))
    keep = np.arange(len(rows)) >= last[document]
    kept: Rows = rows[keep & ~is_removal] if is_oldest else rows[keep]
    return kept


def _count_removals(writer: RunWriter, parts: Iterable[Rows]) -> Iterator[Rows]:
    """Yield parts as they are, and note in the run how many removals they hold."""
    for rows in parts:
        writer.info.num_removals += int((rows["archive"] == REMOVED).sum())
        yield rows


def _merge_links(parts: list[Rows], removed: list[set[bytes]]) -> Rows:
    kept = []
    for rows, gone in zip(parts, removed, strict=True):
        if gone:
            mask = [document.tobytes() not in gone for document in rows["document"]]
            rows = rows[np.array(mask, bool)]  # noqa: PLW2901 the same rows, fewer
        kept.append(rows)
    rows = sort_rows(np.concatenate(kept))
    words = rows.view(np.uint64).reshape(len(rows), 3)
    new = np.ones(len(rows), bool)
    new[1:] = (words[1:] != words[:-1]).any(axis=1)
    return rows[new]


def _without(batch: Any, gone: set[bytes]) -> Any:
    if not gone:
        return batch
    keys = keys_of("document", batch.column("id"))
    return batch.filter([key.tobytes() not in gone for key in keys])

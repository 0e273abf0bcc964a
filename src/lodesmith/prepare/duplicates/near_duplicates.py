"""Seventh step: documents that are almost equal, found without comparing all pairs.

Documents whose signatures meet in a band (`signatures`) are compared on all numbers (`alike`);
groups that alike pairs hold together (`connected`) keep one document, the first in source order or
the longest. So the order of the sources is their priority.

Work is cut by the keys of bands, then by the keys of documents: see `sorted_rows`. Comparing the
pairs is ours: without it documents of similarity .6 go as well.
"""

from pathlib import Path

import numpy as np

from lodesmith.core.errors import EngineError
from lodesmith.core.storage import JSON
from lodesmith.prepare.config import NearDuplicatesConfig
from lodesmith.prepare.duplicates.alike import ALIKE, link_range
from lodesmith.prepare.duplicates.connected import LINK, Nodes, star
from lodesmith.prepare.duplicates.signatures import choose_bands, places_of, shards_of
from lodesmith.prepare.shards.shard_files import Parts, Ranges
from lodesmith.prepare.shards.sorted_rows import (
    KeyRange,
    MapTasks,
    Rows,
    plan_ranges,
    read_slices,
    write_rows,
)

_MAX_ROUNDS = 200  # no group that fits into a node's number needs as many

NEAR = np.dtype([("shard", "<u4"), ("place", "<u4"), ("equal", "<u4")])


def merge_near(
    parts: Parts, config: NearDuplicatesConfig, memory_bytes: int, map_tasks: MapTasks
) -> Ranges:
    """Find documents that are nearly equal to one that stays."""
    bands = plan_ranges(map_tasks, "near-bands", parts.files("bands"), memory_bytes)
    map_tasks(
        link_range,
        {f"near-link-{number:05d}": (parts, keys, number, config) for number, keys in bands},
    )
    links = parts.files("links", len(bands))
    groups = plan_ranges(map_tasks, "near-groups", links, memory_bytes)
    stars = _connect(parts, links, groups, map_tasks)
    alike, unlike = (parts.files(kind, len(bands)) for kind in ("alike", "unlike"))
    map_tasks(
        name_later,
        {
            f"near-found-{number:05d}": (
                stars,
                alike,
                unlike,
                keys,
                [parts.file(kind, number) for kind in ("near", "below")],
            )
            for number, keys in groups
        },
    )
    return Ranges(near=len(groups))


def _connect(
    parts: Parts, links: list[Path], ranges: list[tuple[int, KeyRange]], map_tasks: MapTasks
) -> list[Path]:
    """Point all documents of a group at the one that stays; return the files that say so."""
    for turn in range(_MAX_ROUNDS):
        has_changed = False
        for step in ("large", "small"):
            outputs = parts.files(f"{step}-star-{turn}", len(ranges))
            results = map_tasks(
                star,
                {
                    f"near-{step}-{turn}-{number:05d}": (
                        links, keys, step == "large", outputs[number]
                    )
                    for number, keys in ranges
                },
            )  # fmt: skip
            has_changed |= any(result["changed"] for result in results)
            links = outputs
        if not has_changed:
            return links
    raise EngineError(f"near_duplicates: groups are not connected after {_MAX_ROUNDS} rounds")


def name_later(
    stars: list[Path], alike: list[Path], unlike: list[Path], keys: KeyRange, outputs: list[Path]
) -> JSON:
    """Write which documents go, and how alike they are to the most alike one of their group.

    Args:
        stars: files that say which document each one is pointed at.
        alike: files that say how alike each is to another.
        unlike: the same of documents that are alike too little.
        keys: those of the documents that are meant.
        outputs: two files of rows by shard: what goes, and what stays beside one it resembles.
    """
    links = read_slices(stars, LINK, keys)
    gone = np.unique(links["node"][links["other"] < links["node"]])
    found = read_slices(unlike, ALIKE, keys)
    stays = np.setdiff1d(found["node"], gone)
    _write_near(outputs[0], gone, read_slices(alike, ALIKE, keys))
    _write_near(outputs[1], stays, found)
    return {}


def _write_near(path: Path, nodes: Nodes, found: Rows) -> None:
    """Write the greatest likeness found for each of some nodes, by shard."""
    order = np.lexsort((found["equal"], found["node"]))
    known, equal = found["node"][order], found["equal"][order]
    rows = np.empty(len(nodes), NEAR)
    rows["shard"], rows["place"] = shards_of(nodes), places_of(nodes)
    rows["equal"] = equal[np.searchsorted(known, nodes, side="right") - 1]
    write_rows(path, rows[np.lexsort((rows["place"], rows["shard"]))])


def read_similarities(
    parts: Parts, shard: int, num_ranges: int, config: NearDuplicatesConfig, *, kind: str = "near"
) -> dict[int, float]:
    """Return which documents of a shard go, and how alike each is to another one.

    Args:
        parts: files of the merge.
        shard: number of the shard.
        num_ranges: into how many ranges the merge was cut.
        config: settings of the step.
        kind: "near": those that go; "below": those that stay and resemble an earlier one that they
            met, the nearest before them in a bucket.
    """
    rows = read_slices(parts.files(kind, num_ranges), NEAR, KeyRange(shard, shard + 1))
    num_hashes = choose_bands(config.min_similarity).num_hashes
    return {
        place: round(equal / num_hashes, 3)
        for place, equal in zip(rows["place"].tolist(), rows["equal"].tolist(), strict=True)
    }

"""Who writes what: each distinct piece once, shared out so that all ranks write about as much.

Ranks that hold the same box of a tensor (replicas, norms beside tensor parallel) are told apart by
nothing but how much else they have to write. Rank 0 decides, once for all saves of a run.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from lodesmith.parallel.boxes import Box
from lodesmith.parallel.checkpoint.manifest import DTYPE_NAMES, Piece, Whole
from lodesmith.parallel.checkpoint.part_file import Held, PartLayout
from lodesmith.parallel.checkpoint.team import Team
from lodesmith.parallel.parts import box_of


@dataclass(frozen=True)
class Plan:
    """What this rank writes, and on rank 0 what all write."""

    layout: PartLayout
    files: tuple[str, ...]  # of all ranks, without their folder
    tensors: Mapping[str, Whole]  # empty on other ranks than 0


def describe(tensors: Mapping[str, Tensor]) -> list[Held]:
    """Return what this rank holds of each tensor."""
    return [
        Held(name, DTYPE_NAMES[tensor.dtype], tuple(tensor.shape), box_of(tensor))
        for name, tensor in tensors.items()
    ]


def make_plan(held: Sequence[Held], *, team: Team, attempt: str) -> Plan:
    """Return this rank's share; all ranks call it together.

    Args:
        held: what this rank holds.
        team: the ranks.
        attempt: tells the files of this attempt from those of any other.
    """

    files = tuple(f"part-{rank:05d}-{attempt}.safetensors" for rank in range(team.size))
    everyone = team.gather(list(held))
    mine = team.scatter(share_out(everyone))
    tensors: Mapping[str, Whole] = {}
    if team.rank == 0:
        tensors = collect([PartLayout.of(held) for held in share_out(everyone)], files)
    return Plan(PartLayout.of(mine), files, tensors)


def share_out(everyone: Sequence[Sequence[Held]]) -> list[list[Held]]:
    """Return what each rank writes of what each holds.

    Raises:
        ValueError: the distinct pieces of a tensor do not make it up, each element once.
    """
    holders: dict[Held, list[int]] = defaultdict(list)
    for rank, held in enumerate(everyone):
        for one in held:
            holders[one].append(rank)
    _check_complete(holders)
    mine: list[list[Held]] = [[] for _ in everyone]
    load = [0] * len(everyone)
    for one in sorted(holders, key=lambda one: (-one.num_bytes, one)):
        if one.num_bytes:
            writer = min(holders[one], key=lambda rank: (load[rank], rank))
            mine[writer].append(one)
            load[writer] += one.num_bytes
    return mine


def collect(layouts: Sequence[PartLayout], files: Sequence[str]) -> dict[str, Whole]:
    """Return every tensor with its pieces, out of the layouts of all files."""
    pieces: dict[tuple[str, str, tuple[int, ...]], list[Piece]] = defaultdict(list)
    for layout, file in zip(layouts, files, strict=True):
        for one, offset in zip(layout.held, layout.offsets, strict=True):
            pieces[one.name, one.dtype, one.shape].append(Piece(file, offset, one.box))
    return {
        name: Whole(dtype, shape, tuple(sorted(found, key=lambda piece: piece.box)))
        for (name, dtype, shape), found in sorted(pieces.items())
    }


def _check_complete(holders: Mapping[Held, Sequence[int]]) -> None:
    covered: dict[str, int] = defaultdict(int)
    for one in holders:
        covered[one.name] += one.box.num_elements
    for one in holders:
        if covered[one.name] != Box.whole(one.shape).num_elements:
            raise ValueError(
                f"the ranks hold {covered[one.name]} elements of {one.name}, whose shape "
                f"{one.shape} wants {Box.whole(one.shape).num_elements}"
            )

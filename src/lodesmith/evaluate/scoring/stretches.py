"""Tokens that go through the model one after the other, and the blocks of the cache they lie in.

Keys and values lie in blocks of 32 positions. A stretch that goes on from another reads that one's
whole blocks where they are, and goes on in a copy of the last one if that is not full.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lodesmith.native.decoder import PANEL, Pass


@dataclass(frozen=True, slots=True)
class Stretch:
    """Tokens of one row or of several."""

    ids: Sequence[int]
    start: int  # position of the first
    blocks: Sequence[int]  # of all positions up to the last
    wanted: range  # positions whose states count
    copied: tuple[int, int] | None = None  # block with the positions before it, and its copy

    def cut(self, first: int, count: int) -> "Stretch":
        """Return some of the tokens, from the first-th on."""
        start = self.start + first
        wanted = range(
            max(self.wanted.start, start), max(start, min(self.wanted.stop, start + count))
        )
        return Stretch(self.ids[first : first + count], start, self.blocks, wanted)


def go_on(
    before: Sequence[int], start: int, ids: Sequence[int], *, free: int, wanted: range
) -> Stretch:
    """Return a stretch behind the first `start` positions of some blocks.

    Args:
        before: blocks of these positions.
        start: how many positions are read there.
        ids: tokens of the stretch.
        free: the first of the blocks that it may take, see `count_own`.
        wanted: positions whose states count.
    """
    whole = start // PANEL
    own = range(free, free + count_own(start, start + len(ids)))
    copied = (before[whole], free) if own and start % PANEL else None
    return Stretch(ids, start, [*before[:whole], *own], wanted, copied)


def count_own(start: int, end: int) -> int:
    """Return how many blocks positions take that begin behind others; the first may be a copy.

    >>> count_own(0, 32), count_own(31, 33), count_own(32, 33), count_own(40, 40)
    (1, 2, 1, 0)
    """
    return -(-end // PANEL) - start // PANEL if end > start else 0


def lay_out(stretches: Sequence[Stretch]) -> Pass:
    """Return stretches as one pass, with the wanted states in their order."""
    lengths = [len(stretch.ids) for stretch in stretches]
    starts = np.cumsum([0, *lengths], dtype=np.int32)
    width = max(len(stretch.blocks) for stretch in stretches)
    tables = np.zeros((len(stretches), width), np.int32)
    wanted: list[int] = []
    for number, (stretch, first) in enumerate(zip(stretches, starts.tolist(), strict=False)):
        tables[number, : len(stretch.blocks)] = stretch.blocks
        wanted.extend(first + place - stretch.start for place in stretch.wanted)
    return Pass(
        ids_R=np.concatenate([np.array(stretch.ids, np.int32) for stretch in stretches]),
        positions_R=np.concatenate(
            [np.arange(s.start, s.start + len(s.ids), dtype=np.int32) for s in stretches]
        ),
        starts_S=starts,
        tables_SM=tables,
        out_rows_O=np.array(wanted, np.int32),
    )

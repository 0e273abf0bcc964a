"""Rows that begin alike are laid side by side behind one copy of what they share.

A question with fifteen answers is fifteen rows of one long text and a short end. They become one
row: the shared tokens, then every end, each of which sees the shared tokens and itself (a tree of
depth two). What all questions share, such as worked examples, is computed once before them.

    rows        [a b c d e] [a b c f]        what is computed   a b c | d | (nothing: f is only
    prefix      [a b c]                                                      predicted)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lodesmith.evaluate.scoring.rows import Row

_MIN_SHARED_FRACTION = 0.5  # of the shorter row; below it rows are quicker side by side
_MIN_COMMON_TOKENS = 16  # of all rows: fewer are computed with each group
_MAX_PACKED_TOKENS = 2048  # of one group: the mask grows with the square


@dataclass(frozen=True, slots=True)
class Group:
    """Rows behind a shared prefix."""

    rows: tuple[tuple[int, Row], ...]  # place in the caller's list, the row
    num_shared: int  # tokens that all rows begin with; less than the shortest row has

    @property
    def width(self) -> int:
        """How many tokens go through the model: the last of each row is only predicted."""
        return self.num_shared + sum(
            len(row.input_ids) - 1 - self.num_shared for _, row in self.rows
        )


def group_rows(rows: Sequence[Row]) -> list[Group]:
    """Return rows in groups that share much of what they begin with."""
    order = sorted(range(len(rows)), key=lambda place: rows[place].input_ids)
    groups: list[Group] = []
    # What all rows begin with is computed once whatever the groups, and speaks for none of them.
    by_all = _common(rows[order[0]], rows[order[-1]]) if order else 0
    members: list[tuple[int, Row]] = []
    shared = 0
    for place in order:
        row = rows[place]
        if members:
            common = min(_common(members[0][1], row), shared, len(row.input_ids) - 1)
            longer = Group((*members, (place, row)), common)
            if _is_worth_it(longer, by_all) and longer.width <= _MAX_PACKED_TOKENS:
                members, shared = [*members, (place, row)], common
                continue
            groups.append(Group(tuple(members), shared))
        members, shared = [(place, row)], len(row.input_ids) - 1
    return [*groups, Group(tuple(members), shared)] if members else groups


def _is_worth_it(group: Group, by_all: int) -> bool:
    shortest = min(len(row.input_ids) for _, row in group.rows) - 1
    return group.num_shared - by_all >= _MIN_SHARED_FRACTION * max(shortest - by_all, 1)


def _common(one: Row, other: Row) -> int:
    """Return how many tokens two rows begin with in common."""
    count = 0
    for token, same in zip(one.input_ids, other.input_ids, strict=False):
        if token != same:
            break
        count += 1
    return count


def shared_by_all(groups: Sequence[Group]) -> int:
    """Return how many unscored tokens every row begins with; 0 if they are not worth keeping."""
    if len(groups) == 1:
        return 0
    first = groups[0].rows[0][1]
    shared = min(min(row.first for _, row in group.rows) - 1 for group in groups)
    for group in groups:
        shared = min(shared, group.num_shared, _common(first, group.rows[0][1]))
    return shared if shared >= _MIN_COMMON_TOKENS else 0


def batches(groups: Sequence[Group], *, max_tokens: int, skipped: int) -> Iterator[list[Group]]:
    """Yield groups of like width whose padded sizes stay within a limit, the widest first."""
    ordered = sorted(groups, key=lambda group: (-group.width, group.rows[0][0]))
    while ordered:
        num_rows = max(1, max_tokens // max(ordered[0].width - skipped, 1))
        yield ordered[:num_rows]
        ordered = ordered[num_rows:]

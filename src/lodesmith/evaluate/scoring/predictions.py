"""Which state predicts which token, and which predictions make up a row's likelihood."""

from collections.abc import Sequence

from lodesmith.evaluate.scoring.rows import Row
from lodesmith.evaluate.scoring.shared_prefix import Group


class Predictions:
    """Predictions of groups of rows, numbered as the states that make them are wanted.

    >>> from lodesmith.evaluate.scoring.rows import Row
    >>> made = Predictions()
    >>> group = Group(((0, Row([7, 8, 1], 2)), (1, Row([7, 8, 2, 3], 2))), 2)
    >>> made.note_shared(group), made.note_own(1, group.rows[1][1], 2)
    (range(1, 2), range(2, 3))
    >>> made.sources, made.targets
    ([0, 0, 1], [1, 2, 3])
    """

    def __init__(self) -> None:
        self.num_states = 0
        self.sources: list[int] = []  # numbers of states
        self.targets: list[int] = []
        self.spans: dict[int, list[slice]] = {}  # row -> stretches of the targets

    def note_shared(self, group: Group) -> range:
        """Note what the states of shared tokens predict; return their positions."""
        shared, first = group.num_shared, min(row.first for _, row in group.rows)
        begun = self._add(group.rows[0][1].input_ids[first:shared])
        for place, row in group.rows:
            self._count(place, begun + max(row.first - first, 0), begun + max(shared - first, 0))
            if row.first <= shared:  # the last shared token predicts the first of the row's own
                self.sources.append(self.num_states)
                self.targets.append(row.input_ids[shared])
                self._count(place, len(self.targets) - 1, len(self.targets))
        self.num_states += first <= shared
        return range(first - 1, shared)

    def note_own(self, place: int, row: Row, shared: int) -> range:
        """Note what the states of a row's own tokens predict; return their positions."""
        first = max(row.first, shared + 1)
        begun = self._add(row.input_ids[first:])
        self._count(place, begun, len(self.targets))
        return range(first - 1, len(row.input_ids) - 1)

    def sum_up(self, found: Sequence[float]) -> list[tuple[int, float]]:
        """Return each row's place and the sum of what was found for its predictions."""
        return [
            (place, sum(sum(found[span]) for span in spans)) for place, spans in self.spans.items()
        ]

    def _add(self, targets: Sequence[int]) -> int:
        """Let each of the next states predict one token; return the place of the first."""
        self.sources.extend(range(self.num_states, self.num_states + len(targets)))
        self.targets.extend(targets)
        self.num_states += len(targets)
        return len(self.targets) - len(targets)

    def _count(self, place: int, start: int, stop: int) -> None:
        self.spans.setdefault(place, []).append(slice(start, stop))

"""Likelihoods by the engine's kernels in C: weights packed once, no padding, a paged cache.

Of each group of rows what they share goes through the model first (the trunk), then what each has
for itself (the twigs), which reads the trunk's keys and values. What all groups begin with (the
root) is computed once before them.
"""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lodesmith.evaluate.scoring.predictions import Predictions
from lodesmith.evaluate.scoring.shared_prefix import Group, shared_by_all
from lodesmith.evaluate.scoring.stretches import Stretch, count_own, go_on, lay_out
from lodesmith.infer.native_runner import NativeRunner
from lodesmith.infer.weights import Weights

_ROWS_OF_PASS = 2048
_BLOCKS = 256  # for trunks, and as many for twigs: what a pass of short ones may need
_STATES_AT_ONCE = 256  # whose logits are in memory


class NativeScorer:
    """A scorer over `native.decoder`."""

    def __init__(self, weights: Weights, *, window: int) -> None:
        """Pack the weights.

        Args:
            weights: of a dense model, on the CPU in fp32; nothing of them is kept.
            window: input tokens of the longest row.
        """
        longest = count_own(0, window) + 1  # of a row, with the copy of a shared block
        self._room = max(longest, _BLOCKS)
        self._runner = NativeRunner(
            weights,
            num_blocks=longest + 2 * self._room,
            max_model_len=window,
            max_rows=_ROWS_OF_PASS,
            num_threads=torch.get_num_threads(),
        )

    def score(self, groups: Sequence[Group]) -> Iterator[list[tuple[int, float]]]:
        """Yield the place and log-likelihood of all rows, some groups at a time."""
        num_shared = shared_by_all(groups)
        ids = groups[0].rows[0][1].input_ids[:num_shared]
        root = go_on([], 0, ids, free=0, wanted=range(0))
        self._run([root])
        for some in self._batches(groups, num_shared):
            yield self._score(some, root)

    def _batches(self, groups: Sequence[Group], num_shared: int) -> Iterator[list[Group]]:
        """Yield groups whose trunks fit into a pass and into the blocks for them."""
        some: list[Group] = []
        rows = blocks = 0
        for group in groups:
            more = group.num_shared - num_shared
            own = count_own(num_shared, group.num_shared)
            if some and (rows + more > _ROWS_OF_PASS or blocks + own > self._room):
                yield some
                some, rows, blocks = [], 0, 0
            some.append(group)
            rows, blocks = rows + more, blocks + own
        yield some

    def _score(self, groups: Sequence[Group], root: Stretch) -> list[tuple[int, float]]:
        """Return the place and log-likelihood of every row of these groups."""
        made, start, free = Predictions(), len(root.ids), len(root.blocks)
        trunks = []
        for group in groups:
            ids = group.rows[0][1].input_ids[start : group.num_shared]
            wanted = made.note_shared(group)
            trunks.append(go_on(root.blocks, start, ids, free=free, wanted=wanted))
            free += count_own(start, group.num_shared)
        states = [self._run(trunks)]
        states += map(self._run, self._twigs(groups, trunks, made, first_free=free))
        return made.sum_up(self._log_probabilities(torch.cat(states), made))

    def _twigs(
        self,
        groups: Sequence[Group],
        trunks: Sequence[Stretch],
        made: Predictions,
        *,
        first_free: int,
    ) -> Iterator[list[Stretch]]:
        """Yield what rows have for themselves, as many as fit into a pass and into the blocks."""
        some: list[Stretch] = []
        free, rows, room = first_free, 0, first_free + self._room
        for group, trunk in zip(groups, trunks, strict=True):
            start = group.num_shared
            for place, row in group.rows:
                ids = row.input_ids[start:-1]
                own = count_own(start, start + len(ids))
                if some and (rows + len(ids) > _ROWS_OF_PASS or free + own > room):
                    yield some
                    some, free, rows = [], first_free, 0
                if ids:
                    wanted = made.note_own(place, row, start)
                    some.append(go_on(trunk.blocks, start, ids, free=free, wanted=wanted))
                    free, rows = free + own, rows + len(ids)
        yield some

    def _run(self, stretches: Sequence[Stretch]) -> Tensor:
        """Return the states that stretches want, in their order."""
        states = [torch.empty(0, self._runner.config.hidden_size)]
        some: list[Stretch] = []
        rows = 0
        for stretch in stretches:
            if stretch.copied is not None:
                self._runner.copy_block(*stretch.copied)
            for first in range(0, len(stretch.ids), _ROWS_OF_PASS):
                piece = stretch.cut(first, _ROWS_OF_PASS)
                if rows + len(piece.ids) > _ROWS_OF_PASS:
                    states.append(self._runner.run(lay_out(some)))
                    some, rows = [], 0
                some.append(piece)
                rows += len(piece.ids)
        if some:
            states.append(self._runner.run(lay_out(some)))
        return torch.cat(states)

    def _log_probabilities(self, states: Tensor, made: Predictions) -> list[float]:
        """Return log p of each target; only some states' logits are in memory at once."""
        sources, targets = torch.tensor(made.sources), torch.tensor(made.targets)
        found = torch.empty(len(targets))
        for start in range(0, len(states), _STATES_AT_ONCE):
            logits, _ = self._runner.logits(states[start : start + _STATES_AT_ONCE])
            is_here = (sources >= start) & (sources < start + _STATES_AT_ONCE)
            here = sources[is_here] - start, targets[is_here]
            found[is_here] = logits[here] - logits.logsumexp(-1)[here[0]]
        numbers: list[float] = found.tolist()
        return numbers

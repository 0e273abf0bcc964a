"""Gradients of one or two ranks that each hold the whole model, equal to the last bit.

Whatever the number of ranks, the same numbers come out: each global batch is cut into `NUM_PARTS`
parts, each part's gradient is summed into a buffer of its own, and the buffers are added as
part 0 + part 1, whether one rank held both or two ranks one each (a + b = b + a holds exactly in
IEEE 754 arithmetic; with three parts the order would begin to matter).
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lodesmith.parallel.ranks import Ranks

NUM_PARTS = 2  # of every global batch; see above before you raise it
_ALIGNMENT = 16  # floats: 64 bytes, on which matrix kernels' rounding may depend


def own_parts(ranks: Ranks) -> range:
    """Return the parts of a global batch that a rank computes."""
    if NUM_PARTS % ranks.num_ranks:
        raise ValueError(f"{ranks.num_ranks} ranks cannot share {NUM_PARTS} parts evenly")
    per_rank = NUM_PARTS // ranks.num_ranks
    return range(ranks.rank * per_rank, (ranks.rank + 1) * per_rank)


class GradientBuffer:
    """The gradients of one rank in flat buffers, one for each part that it computes.

    Weights' `.grad` are views into the buffers, so that adding parts and ranks is one pass over
    one piece of memory. Two more numbers ride along: the summed loss and how many tokens it is of.
    """

    def __init__(self, weights: Iterable[nn.Parameter], *, ranks: Ranks) -> None:
        self.ranks = ranks
        self.weights = list(weights)
        sizes = [-(-weight.numel() // _ALIGNMENT) * _ALIGNMENT for weight in self.weights]
        self._flat = [torch.zeros(sum(sizes) + 2, device=ranks.device) for _ in own_parts(ranks)]
        self._views = [
            [
                piece[: weight.numel()].view_as(weight)
                for piece, weight in zip(torch.split(flat[:-2], sizes), self.weights, strict=True)
            ]
            for flat in self._flat
        ]

    @contextmanager
    def collect(self, part: int) -> Iterator[Tensor]:
        """Let `backward` add to a part's buffer; yields its tail: [loss sum, number of tokens]."""
        index = part - own_parts(self.ranks).start
        self._flat[index].zero_()
        self._point_to(index)
        yield self._flat[index][-2:]

    def reduce(self) -> tuple[float, int]:
        """Make every `.grad` the mean over all parts' tokens; return the mean loss and the count.

        Both are the same on every rank. With no token at all, gradients and loss are 0.
        """
        total, *others = self._flat
        for other in others:
            total.add_(other)
        self.ranks.sum_in_place(total)
        self._point_to(0)
        loss_sum, num_tokens = total[-2:].tolist()
        self.gradients.mul_(1 / max(num_tokens, 1))
        return loss_sum / max(num_tokens, 1), int(num_tokens)

    @property
    def gradients(self) -> Tensor:
        """All gradients as one vector; padding between them is zero."""
        return self._flat[0][:-2]

    def _point_to(self, index: int) -> None:
        for weight, view in zip(self.weights, self._views[index], strict=True):
            weight.grad = view

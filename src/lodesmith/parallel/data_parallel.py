"""Ranks that train one model together, each on its share of every batch.

Ranks are processes of this machine. They find each other through a file of a fresh name, so that
the remains of a killed attempt cannot be mistaken for a peer, and talk over the loopback
interface only.

Whatever the number of ranks, the same numbers come out, to the last bit: each global batch is cut
into `NUM_PARTS` parts, each part's gradient is summed into a buffer of its own, and the buffers
are added as part 0 + part 1, whether one rank held both or two ranks one each (a + b = b + a holds
exactly in IEEE 754 arithmetic; with three parts the order would begin to matter).
"""

import datetime
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

NUM_PARTS = 2  # of every global batch; see above before you raise it
_ALIGNMENT = 16  # floats: 64 bytes, on which matrix kernels' rounding may depend
_TIMEOUT = datetime.timedelta(minutes=10)  # a peer may be writing a large checkpoint


@dataclass(frozen=True)
class Ranks:
    """The processes that train together, seen from one of them."""

    rank: int
    num_ranks: int

    @property
    def own_parts(self) -> range:
        """The parts of a global batch that this rank computes."""
        per_rank = NUM_PARTS // self.num_ranks
        return range(self.rank * per_rank, (self.rank + 1) * per_rank)

    def sum_in_place(self, buffer: Tensor) -> None:
        """Replace the buffer of each rank by the sum over all ranks."""
        if self.num_ranks > 1:
            dist.all_reduce(buffer)

    def share(self, segments: Sequence[Tensor]) -> None:
        """Give every rank all segments, of which segment r was filled by rank r."""
        if self.num_ranks > 1:
            for owner, segment in enumerate(segments):
                dist.broadcast(segment, src=owner)


@contextmanager
def join_ranks(*, rank: int, num_ranks: int, rendezvous: Path) -> Iterator[Ranks]:
    """Yield the group of ranks once all have come.

    Args:
        rank: of this process, from 0.
        num_ranks: a divisor of NUM_PARTS.
        rendezvous: a file name that no earlier attempt has used; all ranks give the same.
    """
    if NUM_PARTS % num_ranks:
        raise ValueError(f"{num_ranks} ranks cannot share {NUM_PARTS} parts evenly")
    if num_ranks == 1:
        yield Ranks(rank=0, num_ranks=1)
        return
    store = dist.FileStore(str(rendezvous), num_ranks)  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=rank, world_size=num_ranks, timeout=_TIMEOUT)
    try:
        yield Ranks(rank=rank, num_ranks=num_ranks)
    finally:
        dist.destroy_process_group()


class GradientBuffer:
    """The gradients of one rank in flat buffers, one for each part that it computes.

    Weights' `.grad` are views into the buffers, so that adding parts and ranks is one pass over
    one piece of memory. Two more numbers ride along: the summed loss and how many tokens it is of.
    """

    def __init__(self, weights: Iterable[nn.Parameter], *, ranks: Ranks) -> None:
        self.ranks = ranks
        self.weights = list(weights)
        sizes = [-(-weight.numel() // _ALIGNMENT) * _ALIGNMENT for weight in self.weights]
        self._flat = [torch.zeros(sum(sizes) + 2) for _ in ranks.own_parts]
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
        index = part - self.ranks.own_parts.start
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

"""Muon: each matrix's averaged gradient is replaced by the nearest orthogonal matrix.

All directions of a matrix are then learnt at one pace; a Newton-Schulz iteration finds the
orthogonal matrix with matrix products alone. That costs as much as a tenth of the training itself,
so each rank does it for some of the matrices and they exchange the results. The averages are the
same on every rank, so a checkpoint does not depend on their number.

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"
(https://kellerjordan.github.io/posts/muon/); coefficients, Nesterov momentum and the scale
sqrt(max(1, rows / columns)) are the ones given there.
"""

import torch
from torch import Tensor, nn

from lodesmith.parallel.data_parallel import Ranks

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_NEWTON_SCHULZ_STEPS = 5
_MOMENTUM_START = 0.85  # early gradients turn quickly; it rises linearly, as in modded-nanogpt
_MOMENTUM_WARMUP_STEPS = 100

Matrices = dict[str, nn.Parameter]


class Muon:
    """Orthogonalised momentum for matrices."""

    def __init__(
        self,
        matrices: Matrices,
        *,
        momentum: float,
        ranks: Ranks,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.matrices, self.momentum, self.ranks, self.dtype = matrices, momentum, ranks, dtype
        self.averages = {name: torch.zeros_like(weight) for name, weight in matrices.items()}
        self.owners = share_work(matrices, num_ranks=ranks.num_ranks)
        self.segments, self.updates = _lay_out(matrices, self.owners, ranks.num_ranks)

    @torch.no_grad()
    def step(self, step: int, *, rate: float, weight_decay: float) -> None:
        """Update the matrices from their `.grad`."""
        momentum = self._momentum(step)
        for name, weight in self.matrices.items():
            assert weight.grad is not None  # noqa: S101 GradientBuffer set it
            self.averages[name].lerp_(weight.grad, 1 - momentum)
            if self.owners[name] == self.ranks.rank:
                ahead = weight.grad.lerp(self.averages[name], momentum)  # Nesterov
                self.updates[name].copy_(orthogonalise(ahead.to(self.dtype)))
        self.ranks.share(self.segments)
        for name, weight in self.matrices.items():
            rows, columns = weight.shape
            weight.mul_(1 - rate * weight_decay)
            weight.add_(self.updates[name], alpha=-rate * max(1.0, rows / columns) ** 0.5)

    def state(self) -> dict[str, Tensor]:
        """Return the averaged gradients by name."""
        return {f"muon.average.{name}": average for name, average in self.averages.items()}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take over the averaged gradients that `state` returned."""
        for name, average in self.averages.items():
            average.copy_(state[f"muon.average.{name}"])

    def _momentum(self, step: int) -> float:
        warmth = min(1.0, step / _MOMENTUM_WARMUP_STEPS)
        start = min(_MOMENTUM_START, self.momentum)
        return start + (self.momentum - start) * warmth


def orthogonalise(matrix: Tensor) -> Tensor:
    """Return nearly the nearest matrix whose singular values are all 1 (they end in 0.7 to 1.2)."""
    a, b, c = _NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        square = x @ x.T
        x = torch.addmm(x, torch.addmm(square, square, square, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


def share_work(matrices: Matrices, *, num_ranks: int) -> dict[str, int]:
    """Return the rank that orthogonalises each matrix, so that all have about as much to do."""
    load = [0] * num_ranks
    owners = {}
    for name in sorted(matrices, key=lambda name: (-_cost(matrices[name]), name)):
        owners[name] = min(range(num_ranks), key=lambda rank: (load[rank], rank))
        load[owners[name]] += _cost(matrices[name])
    return owners


def _cost(weight: Tensor) -> int:
    short, long = sorted(weight.shape)
    return short * short * (2 * long + short)


def _lay_out(
    matrices: Matrices, owners: dict[str, int], num_ranks: int
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Return one flat segment for each rank, and each matrix's place in its owner's."""
    segments, places = [], {}
    for rank in range(num_ranks):
        names = [name for name in matrices if owners[name] == rank]
        sizes = [matrices[name].numel() for name in names]
        segment = torch.zeros(sum(sizes))
        segments.append(segment)
        for name, piece in zip(names, torch.split(segment, sizes), strict=True):
            places[name] = piece.view_as(matrices[name])
    return segments, places

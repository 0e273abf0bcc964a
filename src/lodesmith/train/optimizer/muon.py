"""Muon: each matrix's averaged gradient is replaced by the nearest orthogonal matrix.

All directions of a matrix are then learnt at one pace; a Newton-Schulz iteration finds the
orthogonal matrix with matrix products alone. That costs as much as a tenth of the training itself,
so the ranks share it: each does it for some of the matrices, whole, and they exchange the results.
How matrices reach the rank that does them is the business of `Work`. Stacked matrices of experts
are done one by one.

Source: Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks"
(https://kellerjordan.github.io/posts/muon/); coefficients, Nesterov momentum and the scale
sqrt(max(1, rows / columns)) are the ones given there.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn

from lodesmith.model.product import add_product, multiply
from lodesmith.parallel.parts import local_part

_NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
_NEWTON_SCHULZ_STEPS = 5
_MOMENTUM_START = 0.85  # early gradients turn quickly; it rises linearly, as in modded-nanogpt
_MOMENTUM_WARMUP_STEPS = 100

Matrices = Mapping[str, nn.Parameter]


class Work(Protocol):
    """How ranks share the orthogonalising of some matrices."""

    def orthogonalise(
        self, gradient_of: Callable[[str], Tensor], dtype: torch.dtype
    ) -> Mapping[str, Tensor]:
        """Return this rank's part of each orthogonalised matrix.

        Args:
            gradient_of: gives this rank's part of a matrix by name.
            dtype: to compute in.
        """


class Muon:
    """Orthogonalised momentum for matrices."""

    def __init__(
        self,
        matrices: Matrices,
        *,
        momentum: float,
        work: Work,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.matrices, self.momentum, self.work, self.dtype = matrices, momentum, work, dtype
        self.averages = {name: torch.zeros_like(weight) for name, weight in matrices.items()}

    @torch.no_grad()
    def step(self, step: int, *, rate: float, weight_decay: float) -> None:
        """Update the matrices from their `.grad`."""
        momentum = self._momentum(step)
        for name, average in self.averages.items():
            local_part(average).lerp_(self._gradient(name), 1 - momentum)

        def ahead(name: str) -> Tensor:  # Nesterov
            return self._gradient(name).lerp(local_part(self.averages[name]), momentum)

        updates = self.work.orthogonalise(ahead, self.dtype)
        for name, weight in self.matrices.items():
            rows, columns = weight.shape[-2:]
            own = local_part(weight)
            own.mul_(1 - rate * weight_decay)
            own.add_(updates[name], alpha=-rate * max(1.0, rows / columns) ** 0.5)

    def state(self) -> dict[str, Tensor]:
        """Return the averaged gradients by name."""
        return {f"muon.average.{name}": average for name, average in self.averages.items()}

    def _gradient(self, name: str) -> Tensor:
        gradient = self.matrices[name].grad
        assert gradient is not None  # noqa: S101 each matrix takes part in a step
        return local_part(gradient)

    def _momentum(self, step: int) -> float:
        warmth = min(1.0, step / _MOMENTUM_WARMUP_STEPS)
        start = min(_MOMENTUM_START, self.momentum)
        return start + (self.momentum - start) * warmth


def orthogonalise(matrix: Tensor) -> Tensor:
    """Return nearly the nearest matrix whose singular values are all 1 (they end in 0.7 to 1.2).

    Args:
        matrix: or a stack of them, each treated for itself.
    """
    if matrix.dim() == 3:
        return torch.stack([orthogonalise(one) for one in matrix.unbind()])
    a, b, c = _NEWTON_SCHULZ
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(_NEWTON_SCHULZ_STEPS):
        square = multiply(x, x)
        polynomial = add_product(square, square, square, beta=b, alpha=c)
        x = add_product(x, polynomial, x.T, beta=a, alpha=1.0)
    return x.T if tall else x


def share_out(matrices: Matrices, *, num_ranks: int) -> dict[str, int]:
    """Return the rank that orthogonalises each matrix, so that all have about as much to do."""
    load = [0] * num_ranks
    owners = {}
    for name in sorted(matrices, key=lambda name: (-_cost(matrices[name]), name)):
        owners[name] = min(range(num_ranks), key=lambda rank: (load[rank], rank))
        load[owners[name]] += _cost(matrices[name])
    return owners


def _cost(weight: Tensor) -> int:
    short, long = sorted(weight.shape[-2:])
    return weight.shape[:-2].numel() * short * short * (2 * long + short)

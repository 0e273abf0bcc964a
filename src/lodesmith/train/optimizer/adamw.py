"""AdamW over named weights, in one fused pass.

Called below torch.optim, whose first optimizer imports a compiler for more than a second, and with
its state by name, which is what a checkpoint wants.

Source: Loshchilov and Hutter 2019, arXiv:1711.05101, algorithm 2.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lodesmith.parallel.parts import local_part

_EPS = 1e-10  # far below the gradients' size: a mean over tokens is small in a rare token's row


@dataclass(frozen=True)
class Group:
    """Weights that share a learning rate."""

    weights: dict[str, nn.Parameter]
    learning_rate: float  # at its peak
    weight_decay: float


class AdamW:
    """Moves weights against their mean gradient, over the root of their mean squared gradient."""

    def __init__(self, groups: list[Group], *, beta1: float, beta2: float) -> None:
        self.groups = groups
        self.beta1, self.beta2 = beta1, beta2
        weights = [item for group in groups for item in group.weights.items()]
        self.means = {name: torch.zeros_like(weight) for name, weight in weights}
        self.squares = {name: torch.zeros_like(weight) for name, weight in weights}

    @torch.no_grad()
    def step(self, step: int, *, fraction: float) -> None:
        """Update the weights from their `.grad`.

        Args:
            step: the first is 0.
            fraction: of the peak learning rates.
        """
        for group in self.groups:
            # A matrix with fewer rows than there are ranks leaves some with nothing.
            names = [name for name, weight in group.weights.items() if local_part(weight).numel()]
            if not names:
                continue
            weights = [group.weights[name] for name in names]
            number = torch.full((), step + 1.0, device=weights[0].device)
            torch._fused_adamw_(
                [local_part(weight) for weight in weights],
                [_gradient(weight) for weight in weights],
                [local_part(self.means[name]) for name in names],
                [local_part(self.squares[name]) for name in names],
                [],
                [number] * len(names),
                lr=group.learning_rate * fraction,
                beta1=self.beta1,
                beta2=self.beta2,
                weight_decay=group.weight_decay,
                eps=_EPS,
                amsgrad=False,
                maximize=False,
            )

    def state(self) -> dict[str, Tensor]:
        """Return both means by name."""
        means = {f"adamw.mean.{name}": mean for name, mean in self.means.items()}
        return means | {f"adamw.square.{name}": square for name, square in self.squares.items()}


def _gradient(weight: nn.Parameter) -> Tensor:
    assert weight.grad is not None  # noqa: S101 each weight takes part in a step
    return local_part(weight.grad)

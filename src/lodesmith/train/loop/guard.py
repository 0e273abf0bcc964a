"""Tells a loss that shoots up, or is no number, from the noise that every run has.

A step is judged by the median and the median absolute deviation of the last accepted steps, which
a few wild values do not move. All ranks see the same losses and norms, so all come to the same
verdict without talking; and the memory is part of a checkpoint, so a resumed run judges alike.

Source: A. Chowdhery et al., "PaLM", arXiv:2204.02311, section 5.1 (go back, and pass over the
batches around the spike); P. Rousseeuw, C. Croux, JASA 88(424), 1993 (the deviation and its factor
1.4826).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median

_WINDOW = 64  # accepted steps that are remembered
_LEAST_HISTORY = 16  # with fewer, only numbers that are no numbers are faults
_DEVIATIONS = 12.0  # a false alarm costs samples, a missed spike shows again at the next step
_LEAST_RISE = 0.15  # of the median loss: a smooth curve has nearly no deviation
_NORM_TIMES = 30.0  # gradients have heavy tails; clipping sees to all but the absurd
_SIGMA = 1.4826  # deviation of a normal distribution over its median absolute deviation
MOST_ROLLBACKS = 3
ROLLBACK_WINDOW = 1000  # steps within which there may be so many


@dataclass
class SpikeGuard:
    """What is remembered of the steps that were accepted."""

    losses: list[float] = field(default_factory=list)
    norms: list[float] = field(default_factory=list)

    def judge(self, *, loss: float, grad_norm: float, is_smooth: bool = True) -> str | None:
        """Return what is wrong with a step, as a half sentence; None if nothing is.

        Args:
            loss: of the step.
            grad_norm: of the step.
            is_smooth: whether the steps before it say what is usual.
        """
        if not (math.isfinite(loss) and math.isfinite(grad_norm)):
            return f"the loss is {loss:.4g} and the gradient's norm {grad_norm:.4g}"
        if not is_smooth or len(self.losses) < _LEAST_HISTORY:
            return None
        middle, sigma = _middle_and_sigma(self.losses)
        if loss > middle + max(_DEVIATIONS * sigma, _LEAST_RISE * abs(middle)):
            return f"the loss is {loss:.4g} after {middle:.4g}"
        middle, sigma = _middle_and_sigma(self.norms)
        if grad_norm > _NORM_TIMES * (middle + sigma):
            return f"the gradient's norm is {grad_norm:.4g} after {middle:.4g}"
        return None

    def accept(self, *, loss: float, grad_norm: float) -> None:
        """Remember a step."""
        self.losses = [*self.losses, loss][-_WINDOW:]
        self.norms = [*self.norms, grad_norm][-_WINDOW:]


def may_roll_back(earlier: Sequence[int], *, step: int) -> bool:
    """Tell whether one more roll-back is allowed.

    Args:
        earlier: the steps at which earlier ones were.
        step: at which this one would be.
    """
    return sum(step - old < ROLLBACK_WINDOW for old in earlier) < MOST_ROLLBACKS


def _middle_and_sigma(values: Sequence[float]) -> tuple[float, float]:
    middle = median(values)
    return middle, _SIGMA * median(abs(value - middle) for value in values)

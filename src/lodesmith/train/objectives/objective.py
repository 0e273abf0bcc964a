"""What a training run makes small: a sum over things that count, such as labels or answers.

An objective sees the cross entropy of each label and never the model, so it does not know how many
ranks computed it. The loop divides the sum by the count of the whole global batch.
"""
# ruff: noqa: N803 shape suffixes are the house's names for tensors

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor

from lodesmith.core.errors import UserError
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.objectives.preferences import (
    ClippedAnswers,
    ClippedTokens,
    PairPreference,
    RatedAnswers,
)


class Objective(Protocol):
    """A loss that is a sum over sequences."""

    @property
    def sums_labels(self) -> bool:
        """Whether it is the plain sum of the labels' losses, which can be computed in one pass."""

    @property
    def is_smooth(self) -> bool:
        """Whether its values can be compared between steps, so that a sudden rise is a fault."""

    def count(self, batch: Batch) -> int:
        """Return how many things the loss of some sequences is a sum over."""

    def summed_loss(self, losses_BT: Tensor, batch: Batch) -> Tensor:
        """Return the loss of some sequences.

        Args:
            losses_BT: cross entropy of each label, in nats; 0 where the label does not count.
            batch: the same sequences.
        """


class NextToken:
    """Each label counts the same: what pretraining and supervised tuning learn."""

    sums_labels = True
    is_smooth = True

    def count(self, batch: Batch) -> int:
        """Return the number of labels that count."""
        return batch.labels.numel() if batch.loss_mask is None else int(batch.loss_mask.sum())

    def summed_loss(self, losses_BT: Tensor, batch: Batch) -> Tensor:
        """Return the sum of the labels' losses."""
        del batch
        return losses_BT.sum()


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "next-token": NextToken,
    "pair-preference": PairPreference,
    "rated-answers": RatedAnswers,
    "clipped-tokens": ClippedTokens,
    "clipped-answers": ClippedAnswers,
}
"""By the name that a job gives; called with the job's `objective_settings`."""


def make_objective(name: str, settings: Mapping[str, float]) -> Objective:
    """Return the objective of a job.

    Raises:
        UserError: there is none of that name.
    """
    if name not in OBJECTIVES:
        raise UserError(f"there is no objective {name}; known are {', '.join(sorted(OBJECTIVES))}")
    return OBJECTIVES[name](**settings)

"""What a model learns from in one pass: sequences, their labels, and which of them count."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Sequences to learn from. B sequences, T tokens."""

    input_ids: Tensor  # int64 [B, T]
    labels: Tensor  # int64 [B, T], the token after each input
    loss_mask: Tensor | None = None  # bool [B, T]; None: every label is learnt
    segment_ids: Tensor | None = None  # int32 [B, T]; None: each row is one document
    extra: Mapping[str, Tensor] = field(default_factory=dict)  # [B, ...], what an objective needs

    def rows(self, rows: slice) -> "Batch":
        """Return some of the sequences."""
        return Batch(
            input_ids=self.input_ids[rows],
            labels=self.labels[rows],
            loss_mask=None if self.loss_mask is None else self.loss_mask[rows],
            segment_ids=None if self.segment_ids is None else self.segment_ids[rows],
            extra={name: tensor[rows] for name, tensor in self.extra.items()},
        )

    def to(self, device: str) -> "Batch":
        """Return the batch on a device; itself if it is there."""
        return Batch(
            input_ids=self.input_ids.to(device),
            labels=self.labels.to(device),
            loss_mask=None if self.loss_mask is None else self.loss_mask.to(device),
            segment_ids=None if self.segment_ids is None else self.segment_ids.to(device),
            extra={name: tensor.to(device) for name, tensor in self.extra.items()},
        )

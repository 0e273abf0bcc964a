"""What a model learns from in one pass: sequences, their labels, and which of them count."""

from collections.abc import Callable, Mapping
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
        return self._each(lambda tensor: tensor[rows])

    def to(self, device: str) -> "Batch":
        """Return the batch on a device; nothing is copied that is there."""
        return self._each(lambda tensor: tensor.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        return Batch(
            input_ids=change(self.input_ids),
            labels=change(self.labels),
            loss_mask=None if self.loss_mask is None else change(self.loss_mask),
            segment_ids=None if self.segment_ids is None else change(self.segment_ids),
            extra={name: change(tensor) for name, tensor in self.extra.items()},
        )

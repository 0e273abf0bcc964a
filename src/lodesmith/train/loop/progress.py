"""Where a run is: what a checkpoint says of it besides weights and moments."""

from dataclasses import dataclass, field

from lodesmith.core.storage import JSON
from lodesmith.train.loop.guard import SpikeGuard
from lodesmith.train.objectives.loss_scale import LossScale

_FINAL_STEPS = 20  # over which the final loss is averaged: one batch alone is noisy


@dataclass
class Progress:
    """Where a run is: all of its state but weights and moments."""

    step: int = 0  # optimizer steps done
    tokens_seen: int = 0  # input tokens
    learnt_tokens: int = 0  # tokens that were labels
    first_loss: float = 0.0
    last_losses: list[float] = field(default_factory=list)
    guard: SpikeGuard = field(default_factory=SpikeGuard)
    loss_scale: LossScale = field(default_factory=LossScale)

    @classmethod
    def from_json(cls, data: JSON) -> "Progress":
        """Return the progress that `dataclasses.asdict` gave."""
        parts = {
            "guard": SpikeGuard(**data["guard"]),
            "loss_scale": LossScale(**data["loss_scale"]),
        }
        return cls(**{**data, **parts})

    def record(self, *, loss: float, input_tokens: int, learnt_tokens: int) -> None:
        """Count one more step."""
        self.first_loss = loss if self.step == 0 else self.first_loss
        self.step += 1
        self.tokens_seen += input_tokens
        self.learnt_tokens += learnt_tokens
        self.last_losses = [*self.last_losses, loss][-_FINAL_STEPS:]

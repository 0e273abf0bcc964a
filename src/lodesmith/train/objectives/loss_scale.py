"""Dynamic scaling of the loss, without which small gradients vanish in fp16.

The loss is multiplied before the backward pass and gradients divided after it. A step whose
gradients overflow is left out and the scale halved; after many good steps it is doubled.

Source: Micikevicius et al. 2018, arXiv:1710.03740, section 3.2; the constants are those of
torch.amp.GradScaler.
"""

from dataclasses import dataclass

from lodesmith.core.errors import UserError

_START = 2.0**16
_GOOD_STEPS = 2000
_LEAST = 2.0**-14


@dataclass
class LossScale:
    """The scale of the next step; 1 for ever where it is not needed."""

    scale: float = 1.0
    good_steps: int = 0  # since the last change

    @classmethod
    def for_dtype(cls, param_dtype: str) -> "LossScale":
        """Return the scale that a run starts with.

        >>> LossScale.for_dtype("fp16").scale
        65536.0
        """
        return cls(_START if param_dtype == "fp16" else 1.0)

    def absorb(self, *, overflowed: bool, loss: float) -> None:
        """Take note of how a scaled step went.

        Raises:
            UserError: gradients overflow at any scale, so the weights are at fault.
        """
        if overflowed and self.scale <= _LEAST:
            raise UserError(
                f"gradients overflow fp16 at any scale (the loss is {loss:.4g}); lower "
                "learning_rate, or use param_dtype bf16"
            )
        if overflowed:
            self.scale, self.good_steps = self.scale / 2, 0
        elif self.good_steps + 1 == _GOOD_STEPS:
            self.scale, self.good_steps = self.scale * 2, 0
        else:
            self.good_steps += 1

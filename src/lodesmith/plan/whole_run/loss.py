"""What loss a model of so many parameters reaches on so many tokens, and how to split a budget.

    L(N, D) = E + A / N^alpha + B / D^beta

E is what no model can save, the second term what a model of N parameters lacks, the third what is
lost by stopping after D tokens. With C = 6 N D FLOPs to spend, the least loss lies at

    N = G (C / 6)^a,  D = (C / 6) / N,  a = beta / (alpha + beta),
    G = (alpha A / (beta B))^(1 / (alpha + beta))

Two fits of the law to the same runs are named, because they differ: the first, published one spends
a budget on more tokens for a parameter than its own other two methods do; the refit agrees with
these. A run's own curve shifts either.

Source: Hoffmann et al., arXiv 2203.15556, section 3.3, equations 4 and 10; Besiroglu et al., arXiv
2404.10102, section 3 (the refit).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

_LEAST_PARAMETERS, _LEAST_TOKENS = 70e6, 5e9  # arXiv 2203.15556, abstract


@dataclass(frozen=True, kw_only=True, slots=True)
class LossLaw:
    """One fit of the law; losses in nats a token of MassiveText with 32,000 ids."""

    name: str
    floor: float  # E
    size_factor: float  # A
    size_power: float  # alpha
    text_factor: float  # B
    text_power: float  # beta

    def loss(self, num_parameters: float, *, tokens: float) -> float:
        """Return the loss of a well-tuned model, embedding not counted in its parameters.

        >>> round(HOFFMANN.loss(70e9, tokens=1.4e12), 2)
        1.94
        """
        size, text = float(num_parameters), float(tokens)
        lacks = self.size_factor * size**-self.size_power
        return float(lacks + self.text_factor * text**-self.text_power + self.floor)

    def split(self, flops: float) -> tuple[float, float]:
        """Return the parameters and tokens that spend a budget of training FLOPs best.

        >>> parameters, tokens = REFIT.split(5.76e23)  # the budget of Gopher and Chinchilla
        >>> f"{parameters / 1e9:.0f} B parameters, {tokens / parameters:.0f} tokens for each"
        '72 B parameters, 18 tokens for each'
        """
        powers = self.size_power + self.text_power
        ratio = self.size_power * self.size_factor / (self.text_power * self.text_factor)
        parameters = ratio ** (1 / powers) * (flops / 6) ** (self.text_power / powers)
        return parameters, flops / 6 / parameters

    def calibrated(self, points: Sequence[tuple[float, float, float]]) -> "LossLaw":
        """Return the law moved to where runs of one's own lie.

        Other text and another vocabulary shift the floor most; the shift is the mean distance.

        Args:
            points: (parameters, tokens, measured loss) of one or more runs.

        Raises:
            ValueError: there is no point.
        """
        if not points:
            raise ValueError("calibration needs at least one measured loss")
        distances = [loss - self.loss(size, tokens=tokens) for size, tokens, loss in points]
        return replace(self, name=f"{self.name}, own runs", floor=self.floor + fmean(distances))


HOFFMANN = LossLaw(
    name="Hoffmann 2022", floor=1.69, size_factor=406.4, size_power=0.34, text_factor=410.7,
    text_power=0.28,
)  # fmt: skip
REFIT = LossLaw(
    name="Besiroglu 2024", floor=1.8172, size_factor=482.01, size_power=0.3478,
    text_factor=2085.43, text_power=0.3658,
)  # fmt: skip
LAWS = (HOFFMANN, REFIT)


def is_in_range(num_parameters: float, *, tokens: float) -> bool:
    """Return whether a run is no smaller than what the laws were fitted on."""
    return num_parameters >= _LEAST_PARAMETERS and tokens >= _LEAST_TOKENS


def predict_losses(num_parameters: float, *, tokens: float) -> dict[str, float]:
    """Return the loss by each law; nothing below what the laws were fitted on.

    They compare sizes; they do not promise a number.
    """
    if not is_in_range(num_parameters, tokens=tokens):
        return {}
    return {law.name: law.loss(num_parameters, tokens=tokens) for law in LAWS}

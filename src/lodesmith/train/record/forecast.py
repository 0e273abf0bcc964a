"""Where the loss will end, from the run's own curve: a power law, and how far to trust it.

    loss(tokens) = floor + scale * tokens^-exponent

The exponent is tried on a grid; floor and scale are then a linear fit. Points are means over
stretches of equal length in log(tokens), so that the many late steps do not drown the early ones.
The interval adds two doubts: the noise of the points (residuals drawn again and again), and the
law itself (what the fit would have said of today's loss when the run was half as long).

The law knows no learning rate: a decay at the end of the schedule lowers the loss below the
forecast.

Source: J. Kaplan et al., arXiv:2001.08361, section 3 (power law); B. Efron, R. Tibshirani, "An
Introduction to the Bootstrap", 1993, chapter 9 (residuals).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_NUM_POINTS = 40
_LEAST_POINTS = 12
_LEAST_STEPS = 50
_FIRST_SHARE = 0.05  # of the tokens so far: what is before is the start, not the law
_EXPONENTS = np.geomspace(0.03, 2.0, 80)
_DRAWS = 200
_NORMAL_95 = 1.645  # of the two tails of a 90 % interval

_Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The loss at the end of a run, and the interval that holds it nine times of ten."""

    loss: float
    low: float
    high: float
    exponent: float
    floor: float


def forecast_loss(
    tokens: Sequence[float], losses: Sequence[float], *, at_tokens: float
) -> Forecast | None:
    """Return the loss to expect after a number of tokens; None while it is too early to say.

    Args:
        tokens: seen at each step, ascending.
        losses: of each step.
        at_tokens: the end of the run.
    """
    seen, loss = np.asarray(tokens, float), np.asarray(losses, float)
    if len(seen) < _LEAST_STEPS:
        return None
    x, y = _points(seen, loss)
    if len(x) < _LEAST_POINTS:
        return None
    unit = x[-1]
    x, end = x / unit, at_tokens / unit
    exponent, floor, scale = _fit(x, y[None])
    fitted = floor + scale * x ** -exponent[0]
    best = float(floor[0] + scale[0] * end ** -exponent[0])
    spread = _noise(x, fitted, y - fitted, end)
    doubt = float(np.hypot(_NORMAL_95 * spread, _doubt_of_law(x, y, end)))
    return Forecast(
        loss=best,
        low=max(0.0, best - doubt),
        high=max(best, min(best + doubt, float(y[0]))),
        exponent=float(exponent[0]),
        floor=float(floor[0]),
    )


def _points(tokens: _Floats, losses: _Floats) -> tuple[_Floats, _Floats]:
    """Return means of both over stretches of equal length in log(tokens)."""
    late = tokens >= _FIRST_SHARE * tokens[-1]
    tokens, losses = tokens[late], losses[late]
    edges = np.geomspace(tokens[0], tokens[-1] * (1 + 1e-9), _NUM_POINTS + 1)
    places = np.digitize(tokens, edges) - 1
    counts = np.bincount(places, minlength=_NUM_POINTS).astype(float)
    filled = counts > 0
    x = np.bincount(places, tokens, _NUM_POINTS)[filled] / counts[filled]
    y = np.bincount(places, losses, _NUM_POINTS)[filled] / counts[filled]
    return x, y


def _fit(x: _Floats, curves: _Floats) -> tuple[_Floats, _Floats, _Floats]:
    """Return exponent, floor and scale of each curve: the least squares over the grid.

    Args:
        x: places [P].
        curves: losses [C, P].
    """
    powers = x[None] ** -_EXPONENTS[:, None]  # [E, P]
    centred = powers - powers.mean(1, keepdims=True)
    means = curves.mean(1, keepdims=True)
    scale = np.maximum((curves - means) @ centred.T / (centred**2).sum(1), 0.0)  # [C, E]
    floor = means - scale * powers.mean(1)
    # A floor below zero is no loss: the law through zero is the best that is left.
    through_zero = np.maximum(curves @ powers.T / (powers**2).sum(1), 0.0)
    scale = np.where(floor < 0, through_zero, scale)
    floor = np.maximum(floor, 0.0)
    fitted = floor[..., None] + scale[..., None] * powers  # [C, E, P]
    best = ((fitted - curves[:, None]) ** 2).sum(-1).argmin(1)
    rows = np.arange(len(curves))
    return _EXPONENTS[best], floor[rows, best], scale[rows, best]


def _noise(x: _Floats, fitted: _Floats, residuals: _Floats, end: float) -> float:
    draw = np.random.default_rng(0)
    curves = fitted + draw.choice(residuals, (_DRAWS, len(x)))
    exponent, floor, scale = _fit(x, curves)
    return float(np.std(floor + scale * end**-exponent))


def _doubt_of_law(x: _Floats, y: _Floats, end: float) -> float:
    """Return by how much the fit at half of today's tokens missed today, carried on to the end."""
    half = x <= 0.5
    if half.sum() < _LEAST_POINTS // 2:
        return 0.0
    _, floor, scale = _fit(x[half], y[None, half])
    missed = abs(float(floor[0] + scale[0] - y[-3:].mean()))
    return missed * max(0.0, float(np.log2(max(end, 1.0))))

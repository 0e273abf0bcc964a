"""Nonlinear least squares of few unknowns: Gauss-Newton, damped where a step would go too far.

Source: D. W. Marquardt, SIAM J. Appl. Math. 11(2), 1963, doi:10.1137/0111030.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]

_ROUNDS = 30
_DELTA = 1e-5
_STILL = 1e-9  # of the unknowns in one step: nothing moves any more


def minimise(misses: Callable[[Vector], Vector], start: Vector) -> Vector:
    """Return the unknowns near a start at which the sum of squared misses is least."""
    vector, damping, each = start, 1.0, misses(start)
    for _ in range(_ROUNDS):
        jacobian = np.stack(
            [(misses(vector + delta) - each) / _DELTA for delta in np.eye(len(vector)) * _DELTA],
            axis=1,
        )
        square = jacobian.T @ jacobian
        step = np.linalg.solve(square + damping * np.diag(np.diag(square)), jacobian.T @ each)
        tried = misses(vector - step)
        if tried @ tried < each @ each:
            vector, each, damping = vector - step, tried, damping / 4
        else:
            damping *= 4
        if np.max(np.abs(step)) < _STILL:
            break
    return vector

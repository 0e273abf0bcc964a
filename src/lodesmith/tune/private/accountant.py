"""What a run of DP-SGD promises: epsilon for a delta, by Renyi differential privacy.

Each step takes every record with probability q, adds up gradients of length at most C and adds
Gaussian noise of standard deviation sigma * C. Its Renyi divergence at an integer order a is

    log(sum over k of binom(a, k) (1 - q)^(a - k) q^k exp(k (k - 1) / (2 sigma^2))) / (a - 1)

steps add up, and the best order gives epsilon.

Source: Mironov, Talwar and Zhang 2019, arXiv:1908.10530, section 3.3 (one step); Canonne, Kamath
and Steinke 2020, arXiv:2004.00010, proposition 12 (from Renyi to epsilon and delta).
"""

from math import exp, inf, lgamma, log, log1p

from lodesmith.core.errors import UserError

_ORDERS = (*range(2, 65), 80, 96, 128, 160, 192, 256)
_MAX_NOISE = 1e6


def spent_epsilon(
    *, noise_multiplier: float, sample_rate: float, num_steps: int, delta: float
) -> float:
    """Return the epsilon that a run spends.

    Args:
        noise_multiplier: standard deviation of the noise over the longest record's gradient.
        sample_rate: probability with which a step takes a record.
        num_steps: of the run.
        delta: chance that the promise fails.

    >>> round(spent_epsilon(
    ...     noise_multiplier=1.1, sample_rate=256 / 60000, num_steps=14062, delta=1e-5), 3)
    2.597
    """
    best = inf
    for order in _ORDERS:
        divergence = num_steps * _step_divergence(order, sample_rate, noise_multiplier)
        epsilon = divergence + log1p(-1 / order) - (log(delta) + log(order)) / (order - 1)
        best = min(best, epsilon)
    return max(best, 0.0)


def choose_noise(*, epsilon: float, sample_rate: float, num_steps: int, delta: float) -> float:
    """Return the least noise multiplier, to a thousandth, under which a run spends no more.

    Raises:
        UserError: no noise is enough.
    """

    def spends_too_much(noise: float) -> bool:
        return epsilon < spent_epsilon(
            noise_multiplier=noise, sample_rate=sample_rate, num_steps=num_steps, delta=delta
        )

    high = 1.0
    while spends_too_much(high):
        high *= 2
        if high > _MAX_NOISE:
            raise UserError(
                f"no noise keeps {num_steps} steps within epsilon {epsilon:g} at delta {delta:g}; "
                "raise epsilon or delta"
            )
    low = 0.0
    while high - low > 1e-3:
        middle = (low + high) / 2
        low, high = (middle, high) if middle == 0 or spends_too_much(middle) else (low, middle)
    return high


def _step_divergence(order: int, q: float, sigma: float) -> float:
    if q == 1.0:
        return order / (2 * sigma**2)
    terms = [
        lgamma(order + 1) - lgamma(k + 1) - lgamma(order - k + 1)
        + (order - k) * log1p(-q) + k * log(q) + k * (k - 1) / (2 * sigma**2)
        for k in range(order + 1)
    ]  # fmt: skip
    highest = max(terms)
    return (highest + log(sum(exp(term - highest) for term in terms))) / (order - 1)

"""Forecasts on made-up curves whose end is known."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lodesmith.train.record.forecast import forecast_loss


def curve(steps, *, floor, scale, exponent, noise, seed):
    tokens = np.arange(1, steps + 1) * 1000.0
    loss = floor + scale * (tokens / 1e6) ** -exponent
    return tokens, loss + np.random.default_rng(seed).normal(0, noise, steps)


def test_the_interval_holds_the_end_nine_times_of_ten():
    held = 0
    for seed in range(50):
        tokens, loss = curve(800, floor=2.0, scale=0.8, exponent=0.4, noise=0.08, seed=seed)
        truth = 2.0 + 0.8 * (4000 * 1000 / 1e6) ** -0.4
        found = forecast_loss(tokens, loss, at_tokens=4e6)
        held += found.low <= truth <= found.high
    assert held >= 42  # of 50; 45 are expected


def test_the_forecast_is_near_and_the_interval_is_of_use():
    tokens, loss = curve(2000, floor=1.5, scale=1.0, exponent=0.3, noise=0.05, seed=1)
    truth = 1.5 + 8.0**-0.3
    found = forecast_loss(tokens, loss, at_tokens=8e6)
    assert found.loss == pytest.approx(truth, abs=0.08)
    assert found.high - found.low < 0.5
    assert found.high < loss[-100:].mean()  # it knows that the loss will fall


@settings(deadline=None, max_examples=30)
@given(
    st.floats(0.0, 3.0), st.floats(0.0, 3.0), st.floats(0.05, 1.5), st.floats(0.0, 0.3),
    st.integers(60, 400), st.floats(1.0, 100.0),
)  # fmt: skip
@example(floor=2.3705045, scale=0.0, exponent=0.05, noise=0.0, steps=60, times=1.0)
def test_any_falling_curve_gets_an_ordered_interval(floor, scale, exponent, noise, steps, times):
    tokens, loss = curve(
        steps, floor=floor + 0.1, scale=scale, exponent=exponent, noise=noise, seed=0
    )
    found = forecast_loss(tokens, loss, at_tokens=tokens[-1] * times)
    if found is not None:
        assert 0 <= found.low <= found.loss <= found.high


def test_it_is_too_early_to_say_after_a_few_steps():
    assert forecast_loss([1.0, 2.0], [3.0, 2.0], at_tokens=10) is None

"""Epsilon as others compute it, and noise that is just enough."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.tune.private.accountant import choose_noise, spent_epsilon


@pytest.mark.parametrize(
    ("rate", "noise", "steps", "delta", "epsilon"),
    [  # RDPAccountant of Opacus 1.6.0 on the same orders
        (256 / 60000, 1.1, 14062, 1e-5, 2.5969811785953),
        (0.01, 1.0, 1000, 1e-5, 2.107753075451561),
        (0.1, 2.0, 300, 1e-4, 3.9981726105100845),
        (1.0, 4.0, 50, 1e-5, 9.337861628831664),
    ],
)
def test_epsilon_is_that_of_the_published_accountant(rate, noise, steps, delta, epsilon):
    found = spent_epsilon(noise_multiplier=noise, sample_rate=rate, num_steps=steps, delta=delta)
    assert found == pytest.approx(epsilon, rel=1e-9)


@settings(max_examples=20, deadline=None)
@given(
    epsilon=st.floats(0.5, 20), rate=st.floats(0.001, 0.3), steps=st.integers(1, 500),
)  # fmt: skip
def test_noise_is_enough_and_hardly_more(epsilon, rate, steps):
    asked = {"sample_rate": rate, "num_steps": steps, "delta": 1e-5}
    noise = choose_noise(epsilon=epsilon, **asked)
    assert spent_epsilon(noise_multiplier=noise, **asked) <= epsilon
    if noise > 0.01:
        assert spent_epsilon(noise_multiplier=noise - 2e-3, **asked) > epsilon


def test_more_steps_more_records_at_once_and_less_noise_cost_more():
    base = {"noise_multiplier": 1.0, "sample_rate": 0.02, "num_steps": 100, "delta": 1e-5}
    spent = spent_epsilon(**base)
    for change in ({"num_steps": 200}, {"sample_rate": 0.04}, {"noise_multiplier": 0.8}):
        assert spent_epsilon(**{**base, **change}) > spent


def test_what_no_noise_can_keep_is_said():
    with pytest.raises(UserError, match="no noise keeps 100 steps within epsilon"):
        choose_noise(epsilon=1e-9, sample_rate=0.5, num_steps=100, delta=1e-300)

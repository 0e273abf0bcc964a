"""The interval against published values."""

import pytest

from lodesmith.evaluate.intervals import wilson_interval


@pytest.mark.parametrize(
    ("num_right", "num_items", "low", "high"),
    [  # R. G. Newcombe, Statistics in Medicine 17, 1998, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_newcombes(num_right, num_items, low, high):
    assert wilson_interval(num_right, num_items) == pytest.approx((low, high), abs=5e-5)


def test_nothing_asked_means_nothing_known():
    assert wilson_interval(0, 0) == (0.0, 1.0)

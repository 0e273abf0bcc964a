"""The order of samples is a permutation in every epoch, and can be run backwards."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.data.order import SampleOrder

seeds = st.integers(0, 2**63)
epochs = st.integers(0, 1000)


@settings(deadline=None)
@given(st.integers(1, 3000), seeds, epochs)
def test_each_epoch_reads_every_window_once(num_windows: int, seed: int, epoch: int) -> None:
    order = SampleOrder(num_windows, seed)
    samples = np.arange(num_windows) + epoch * num_windows
    assert np.array_equal(np.sort(order.windows(samples)), np.arange(num_windows))


@pytest.mark.parametrize("num_windows", [1, 2, 3, 4, 5, 15, 16, 17, 64, 65, 4096, 4097])
def test_sizes_beside_powers_of_two_are_permuted(num_windows: int) -> None:
    windows = SampleOrder(num_windows, 3).windows(np.arange(num_windows))
    assert np.array_equal(np.sort(windows), np.arange(num_windows))


@settings(deadline=None)
@given(st.integers(1, 2**62), seeds, st.data())
def test_sample_of_is_the_inverse_of_place(
    num_windows: int, seed: int, data: st.DataObject
) -> None:
    order = SampleOrder(num_windows, seed)
    window = data.draw(st.integers(0, num_windows - 1))
    epoch = data.draw(st.integers(0, min(50, (2**63 - 1) // num_windows - 1)))
    sample = order.sample_of(window, epoch)
    assert order.place(sample) == (epoch, window)
    assert order.windows(np.array([sample]))[0] == window


@settings(deadline=None)
@given(st.integers(1, 50), seeds)
def test_samples_of_several_epochs_are_placed_like_single_ones(num_windows: int, seed: int) -> None:
    order = SampleOrder(num_windows, seed)
    samples = np.arange(5 * num_windows)[::-1].copy()
    assert order.windows(samples).tolist() == [order.place(int(i))[1] for i in samples]


def test_seeds_and_epochs_give_different_orders() -> None:
    samples = np.arange(1000)
    orders = [SampleOrder(1000, seed).windows(samples + epoch * 1000)
              for seed in range(5) for epoch in range(5)]  # fmt: skip
    for first in range(len(orders)):
        for second in range(first):
            assert np.mean(orders[first] == orders[second]) < 0.02


def test_the_order_is_as_good_as_random() -> None:
    """Chi-square of where 100 windows land over 2,000 seeds: 99 degrees of freedom, p > 1e-4."""
    places = np.array(
        [SampleOrder(100, seed).windows(np.array([0, 1, 99])) for seed in range(2000)]
    )
    for column in places.T:
        counts = np.bincount(column, minlength=100)
        assert ((counts - 20.0) ** 2 / 20.0).sum() < 157
    assert abs(np.corrcoef(places[:, 0], places[:, 1])[0, 1]) < 0.09  # 4 / sqrt(2000)


def test_the_order_never_changes_between_versions() -> None:
    """A change would make runs that were started before it unrepeatable."""
    first, second = SampleOrder(10, 42).windows(np.arange(20)).reshape(2, 10).tolist()
    assert first == [2, 8, 6, 5, 3, 4, 9, 0, 7, 1]
    assert second == [2, 1, 4, 7, 0, 6, 8, 3, 5, 9]


def test_no_window_is_a_clear_error() -> None:
    with pytest.raises(UserError, match="at least one"):
        SampleOrder(0, 1)
    with pytest.raises(UserError, match="window 10"):
        SampleOrder(10, 1).sample_of(10, 0)

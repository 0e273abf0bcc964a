"""Samples that are passed over: the rest keeps its order, and the list can be run backwards."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.data.skips import NO_SKIPS, SkipList

SPANS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=6)


def grow(spans):
    skips = NO_SKIPS
    for first, size in spans:
        skips = skips.plus_positions(first, first + size)
    return skips


@given(SPANS)
def test_positions_read_every_other_sample_once_and_in_order(spans):
    skips = grow(spans)
    samples = skips.samples(np.arange(200)).tolist()
    gone = {sample for start, end in skips.ranges for sample in range(start, end)}
    assert len(gone) == len(skips) == sum(size for _, size in spans)
    assert samples == [sample for sample in range(300) if sample not in gone][:200]


@given(SPANS)
def test_the_position_of_a_sample_is_the_inverse(spans):
    skips = grow(spans)
    samples = skips.samples(np.arange(100)).tolist()
    assert [skips.position(sample) for sample in samples] == list(range(100))
    assert all(skips.position(start) is None for start, _ in skips.ranges)


@given(SPANS, st.integers(0, 80), st.integers(1, 9))
def test_what_was_read_before_new_skips_stays_as_it_was(spans, first, size):
    before = grow(spans)
    after = before.plus_positions(first, first + size)
    places = np.arange(first)
    assert after.samples(places).tolist() == before.samples(places).tolist()
    assert SkipList.from_json(after.to_json()) == after

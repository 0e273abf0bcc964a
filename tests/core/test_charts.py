"""Charts say with lengths what the numbers say."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.charts import draw_bar, draw_interval, draw_loss, pick_ticks, smooth

finite = st.floats(-1e6, 1e6)


@given(finite, st.floats(1e-3, 1e6))
def test_ticks_span_the_range_in_equal_round_steps(low: float, width: float):
    ticks = pick_ticks(low, low + width)
    slack = width * 1e-6
    assert ticks[0] <= low + slack
    assert ticks[-1] >= low + width - slack
    assert 2 <= len(ticks) <= 12
    gaps = [after - before for before, after in pairwise(ticks)]
    assert max(gaps) == pytest.approx(min(gaps), rel=1e-3)


def test_a_range_without_width_has_one_tick():
    assert pick_ticks(3, 3) == [3.0]


@given(st.lists(finite, min_size=1, max_size=300))
def test_a_trend_stays_within_what_it_smooths(values: list[float]):
    trend = smooth(values)
    assert len(trend) == len(values)
    slack = 1e-6 * max(1.0, *(abs(value) for value in values))
    assert all(min(values) - slack <= value <= max(values) + slack for value in trend)


@given(st.lists(st.floats(0.1, 12), min_size=1, max_size=2500))
def test_a_loss_curve_stays_inside_its_frame(losses: list[float]):
    svg = draw_loss(list(range(1, len(losses) + 1)), losses, title="Loss")
    lines = re.findall(r'points="([^"]*)"', svg)
    assert len(lines) == 2
    for line in lines:
        places = [tuple(map(float, point.split(","))) for point in line.split()]
        assert len(places) <= 602
        assert all(51.9 <= x <= 626.1 and 13.9 <= y <= 260.1 for x, y in places)


def test_a_falling_loss_is_drawn_falling():
    svg = draw_loss([1, 2, 3], [9.0, 5.0, 3.0], title="Loss")
    first_line = re.findall(r'points="([^"]*)"', svg)[0]
    heights = [float(point.split(",")[1]) for point in first_line.split()]
    assert heights == sorted(heights)  # SVG counts downwards


def test_titles_are_escaped():
    assert "<b>" not in draw_loss([1, 2], [2.0, 1.0], title='"<b>')


def test_bars_never_leave_their_row():
    assert 'width="100.00"' in draw_bar(1.7, style="model")
    assert 'width="0.00"' in draw_interval(-1, low=0, high=0.5, mark=0.25, style="model")

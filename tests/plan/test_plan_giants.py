"""The three giants of `docs/how-to/plan-the-giants.md`, against what was published of them."""

import pytest

from lodesmith.pipeline.planning import plan, plan_text
from lodesmith.plan.workload.flops import (
    count_petaflop_days,
    count_training_flops,
    find_implied_mfu,
)


@pytest.mark.parametrize(("nodes", "seconds"), [(280, 60.1), (350, 50.2), (420, 44.4)])
def test_mt_nlg_steps_take_the_published_seconds_within_six_percent(nodes: int, seconds: float):
    # Smith et al., arXiv 2201.11990, section 2.4.
    result = plan("mt-nlg-530b", overrides=[f"plan.num_nodes={nodes}"])
    assert (result.layout.tensor_parallel_size, result.layout.pipeline_parallel_size) == (8, 35)
    assert result.step.total == pytest.approx(seconds, rel=0.06)


def test_more_nodes_shorten_a_step_by_less_than_they_are():
    few, many = (plan("mt-nlg-530b", overrides=[f"plan.num_nodes={n}"]) for n in (280, 420))
    assert 1 < few.step.total / many.step.total < 420 / 280
    assert many.step.pipeline_bubble / many.step.total > few.step.pipeline_bubble / few.step.total


def test_the_search_finds_a_layout_of_mt_nlg_no_slower_than_the_published_one():
    open_layout = plan("mt-nlg-530b", overrides=["plan.parallel=null"])
    assert not open_layout.layout_is_given
    assert open_layout.step.total <= plan("mt-nlg-530b").step.total


def test_the_claimed_rate_of_two_hundred_billion_implies_a_seventh_of_peak():
    result = plan("mind-200b")
    assert result.claim is not None
    assert result.claim.implied_mfu == pytest.approx(0.139, abs=0.0005)
    assert "that implies 13.9% MFU" in plan_text(result)


def test_a_claim_twice_as_fast_implies_twice_the_share():
    claims = {"num_devices": 4000, "device_tflops": 250}
    once, twice = (find_implied_mfu(2e11, tokens_per_day=day, **claims) for day in (1e10, 2e10))
    assert twice == pytest.approx(2 * once)


def test_gpt3s_petaflop_days_are_a_total():
    # Brown et al., arXiv 2005.14165, table D.1: 3.14e23 FLOPs, 3.64e3 PFLOP/s-days.
    flops = count_training_flops(174.6e9, tokens=300e9)
    assert count_petaflop_days(flops) == pytest.approx(3640, rel=0.005)

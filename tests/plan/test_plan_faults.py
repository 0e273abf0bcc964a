"""The save interval is the best there is, and what it keeps is what a simulation finds."""

import random
from math import expm1, sqrt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.plan.whole_run.faults import best_interval, plan_saves

costs = st.floats(1e-4, 3.0)  # of a save, in mean times between faults


@given(cost=costs, other=st.floats(0.2, 5.0))
def test_no_other_interval_keeps_more(cost: float, other: float):
    mean = 1000.0
    best = best_interval(stall_seconds=cost * mean, mean_seconds_between_faults=mean)

    def kept(interval: float) -> float:
        # Daly, equation 20: work over the time it takes in the end, the restart left out.
        return interval / (mean * expm1((interval + cost * mean) / mean))

    assert 0 < best < mean
    assert kept(best) >= kept(best * other) * (1 - 1e-12)


@given(cost=st.floats(1e-7, 1e-5))
def test_rare_faults_give_youngs_interval(cost: float):
    best = best_interval(stall_seconds=cost, mean_seconds_between_faults=1.0)
    assert best == pytest.approx(sqrt(2 * cost), rel=0.01)


@given(faults=st.floats(2_000, 1e7), stall=st.floats(0, 300), restart=st.floats(0, 600))
def test_more_faults_and_longer_stalls_never_keep_more(faults: float, stall: float, restart: float):
    def kept(mean: float, stall: float, restart: float) -> float:
        return plan_saves(
            stall_seconds=stall, mean_seconds_between_faults=mean, restart_seconds=restart
        ).effective_fraction

    base = kept(faults, stall, restart)
    assert 0 < base < 1
    assert kept(faults * 2, stall, restart) >= base
    assert kept(faults, stall + 10, restart) <= base
    assert kept(faults, stall, restart + 10) <= base


def test_a_simulated_run_keeps_what_the_formula_says():
    stall, mean, restart = 120.0, 3000.0, 300.0
    plan = plan_saves(
        stall_seconds=stall, mean_seconds_between_faults=mean, restart_seconds=restart
    )
    chance = random.Random(7)
    clock = work = 0.0
    fault = chance.expovariate(1 / mean)
    while work < 30_000_000:
        end = clock + plan.interval_seconds + stall
        if fault >= end:
            clock, work = end, work + plan.interval_seconds
            continue
        clock = fault
        while True:  # a restart may be struck as well
            fault = clock + chance.expovariate(1 / mean)
            if fault >= clock + restart:
                clock += restart
                break
            clock = fault
    assert work / clock == pytest.approx(plan.effective_fraction, rel=0.01)


@pytest.mark.parametrize(
    ("stall", "mean", "restart"), [(600, 30, 0), (1, 100, 100_000), (1, 0, 0), (-1, 10, 0)]
)
def test_a_run_that_keeps_nothing_is_refused(stall: float, mean: float, restart: float):
    with pytest.raises(UserError, match=r"leaves nothing|takes? no less"):
        plan_saves(stall_seconds=stall, mean_seconds_between_faults=mean, restart_seconds=restart)

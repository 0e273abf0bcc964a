"""How often to save, and what faults and saves leave of a run's time.

Faults come at random with a mean time M between those that stop the job. Work goes on in stretches
of t seconds, each followed by a save that stalls it for C; a fault throws away the stretch and
costs R to restart. The mean time that a stretch takes in the end is

    M e^(R/M) (e^((t + C)/M) - 1)

and the share of it that is work, t over that, is largest at t = M (1 + W(-e^(-1 - C/M))), where W
is Lambert's function. For C far below M this is Young's sqrt(2 C M).

Source: J. T. Daly, FGCS 22(3), 2006, doi:10.1016/j.future.2004.11.016, equations 16 to 20; J. W.
Young, CACM 17(9), 1974, doi:10.1145/361147.361115. The share of time that is work is called ETTR
(effective training time ratio) in Kokolis et al., arXiv 2410.21680, section 2.
"""

from dataclasses import dataclass
from math import exp, expm1, log1p, sqrt

from lodesmith.core.errors import UserError

_MOST_MEANS = 50.0  # times between faults that a stretch may take; beyond it nothing is ever kept
_LEAST_SHARE = 0.01  # of the time that is work; below it no plan is worth writing down


@dataclass(frozen=True, kw_only=True, slots=True)
class SavePlan:
    """When to save, and what it costs."""

    interval_seconds: float  # of work between two saves
    effective_fraction: float  # of wall time that is work kept for good (ETTR), in (0, 1)
    saving_fraction: float  # of wall time that saves stall
    faults_per_day: float


def plan_saves(
    *, stall_seconds: float, mean_seconds_between_faults: float, restart_seconds: float
) -> SavePlan:
    """Return the interval between saves that keeps the most of a run's time.

    Args:
        stall_seconds: by which one save holds up training, s; not a background upload.
        mean_seconds_between_faults: of the whole job, s.
        restart_seconds: from a fault to the next step: noticing, rescheduling, loading, s.

    Raises:
        UserError: faults come so fast that nearly nothing would be kept.

    >>> plan = plan_saves(
    ...     stall_seconds=30, mean_seconds_between_faults=87_890, restart_seconds=300
    ... )
    >>> f"every {plan.interval_seconds / 60:.0f} min, {plan.effective_fraction:.1%} is work"
    'every 38 min, 97.1% is work'
    """
    mean = mean_seconds_between_faults
    if min(stall_seconds, restart_seconds) < 0 or mean <= 0:
        raise UserError(
            "a save and a restart take no less than 0 s, and faults lie more than 0 s apart; got "
            f"{stall_seconds:g}, {restart_seconds:g} and {mean:g}"
        )
    stall = max(stall_seconds, 1e-3)  # a save that costs nothing would be made for ever
    interval = best_interval(stall_seconds=stall, mean_seconds_between_faults=mean)
    means = min((interval + stall) / mean, _MOST_MEANS)
    restarts = exp(min(restart_seconds / mean, _MOST_MEANS))
    effective = interval / (mean * restarts * expm1(means))
    if effective < _LEAST_SHARE:
        raise UserError(
            f"a fault every {mean:.0f} s leaves nothing of a run whose save takes "
            f"{stall_seconds:.0f} s and whose restart takes {restart_seconds:.0f} s; save and "
            "restart more quickly, or use fewer devices"
        )
    return SavePlan(
        interval_seconds=interval,
        effective_fraction=effective,
        saving_fraction=effective * stall / interval,
        faults_per_day=86_400 / mean,
    )


def best_interval(*, stall_seconds: float, mean_seconds_between_faults: float) -> float:
    """Return the seconds of work between two saves that keep the most, exactly.

    With t the interval in units of the mean time, the condition is log(1 - t) + t + c = 0 on
    (0, 1), which Newton's method solves from Young's first guess.

    >>> round(best_interval(stall_seconds=600, mean_seconds_between_faults=3600))
    1699
    """
    cost = stall_seconds / mean_seconds_between_faults
    share = min(sqrt(2 * cost), 1 - exp(-1 - cost))
    for _ in range(60):
        value = log1p(-share) + share + cost
        step = value * (1 - share) / share  # the slope is -share / (1 - share)
        share = min(max(share + step, share / 2), (1 + share) / 2)
        if abs(step) < 1e-14:
            break
    return share * mean_seconds_between_faults

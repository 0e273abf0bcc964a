"""Equal sites joined by a slow line: moving the text, a synchronous step, and local steps.

A synchronous job adds its gradients over the line at every step: a ring over S sites carries
2 (S - 1) / S times the gradient of all parameters in each direction. Local steps (DiLoCo) let each
site train alone for H steps and then exchange what its weights have moved, which is as much data H
times less often.

Source: ring: Thakur et al., IJHPCA 19(1), 2005, doi:10.1177/1094342005051521; local steps:
Douillard et al., arXiv 2311.08105, section 2 (500 steps and 8 sites lost no quality there).
"""

from dataclasses import dataclass
from math import ceil

from lodesmith.plan.hardware.cluster import Sites

_GIGA = 1e9
_EXCHANGED_BYTES = 2  # of one parameter's gradient or movement, in bf16
_GOOD = 0.9  # share of the sum of all sites that is called worth it
_TRIED_STEPS = 500  # the longest stretch without loss of quality: arXiv 2311.08105, section 3.1


@dataclass(frozen=True, kw_only=True, slots=True)
class SitesEstimate:
    """What several sites are worth together; speed-ups are over one site."""

    num_sites: int
    dataset_bytes: float
    move_seconds: float  # to bring the text to one more site
    exchange_seconds: float  # to add gradients or movements over the line, once
    one_site_seconds: float  # of a step on one site alone
    synchronous_seconds: float  # of a step, nothing hidden
    local_seconds: float  # of a step, the exchange spread over inner_steps
    inner_steps: int
    needed_inner_steps: int  # for nine tenths of all sites' sum
    synchronous_speedup: float
    local_speedup: float
    verdict: str


def estimate_sites(
    sites: Sites, *, step_seconds: float, num_parameters: float, dataset_bytes: float
) -> SitesEstimate:
    """Return what equal sites are worth, each as large as the planned cluster.

    Args:
        sites: how many, and the line between them.
        step_seconds: of one step of the whole batch on one site.
        num_parameters: whose gradients are exchanged.
        dataset_bytes: that a further site must be sent.
    """
    count, line = sites.num_sites, sites.line_gb_per_second * _GIGA
    carried = 2 * (count - 1) / count * num_parameters * _EXCHANGED_BYTES
    exchange = carried / line + (count - 1) * sites.round_trip_seconds
    share = step_seconds / count  # each site takes its part of the batch
    synchronous = share + exchange
    local = share + exchange / sites.inner_steps
    needed = max(1, ceil(exchange / (share * (1 / _GOOD - 1))))
    return SitesEstimate(
        num_sites=count,
        dataset_bytes=dataset_bytes,
        move_seconds=dataset_bytes / line,
        exchange_seconds=exchange,
        one_site_seconds=step_seconds,
        synchronous_seconds=synchronous,
        local_seconds=local,
        inner_steps=sites.inner_steps,
        needed_inner_steps=needed,
        synchronous_speedup=step_seconds / synchronous,
        local_speedup=step_seconds / local,
        verdict=_judge(step_seconds / synchronous, step_seconds / local, sites, needed),
    )


def _judge(synchronous: float, local: float, sites: Sites, needed: int) -> str:
    def words(speedup: float) -> str:
        if speedup < 1:
            return f"{1 / speedup:.3g} times slower than one site: not worth it"
        share = speedup / sites.num_sites
        worth = "worth it" if share >= _GOOD else "hardly worth it"
        if speedup < 1.1:
            worth = "not worth it"
        return f"{speedup:.2f} of {sites.num_sites} times one site: {worth}"

    verdict = f"step by step {words(synchronous)}; every {sites.inner_steps} steps {words(local)}"
    if needed > _TRIED_STEPS:
        return f"{verdict}; {_GOOD:.0%} would take {needed:,} local steps, more than were tried"
    return f"{verdict}; {_GOOD:.0%} takes {needed:,} local steps"

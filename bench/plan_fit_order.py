"""Is the quicker of two measured layouts of one job told, and what does a wrong choice cost?"""

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from plan_fit_rows import LAYOUT, Table


def judge_order(table: Table, predicted: np.ndarray) -> None:
    """Print how often the quicker of two layouts of one job is told, and a wrong choice's cost.

    Rows of one job and one layout are one layout, measured several times: their median counts. How
    far they are apart says how often the order would be told by measuring once more.
    """
    same: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for place, (job, row) in enumerate(zip(table.jobs, table.rows, strict=True)):
        same[job][tuple(row[name] for name in LAYOUT)].append(place)
    noise = _noise_of_repeats(table, [rows for job in same.values() for rows in job.values()])
    lines = np.atleast_2d(predicted)
    jobs = [list(layouts.values()) for layouts in same.values() if len(layouts) > 1]
    found = [[_judge_job(table.seconds, line, job, noise) for job in jobs] for line in lines]
    right, pairs, repeatable, regrets = np.moveaxis(np.array(found), -1, 0)
    shares = right[pairs > 0] / pairs[pairs > 0]
    print(
        f"  order of two layouts of one job: {np.sum(right) / np.sum(pairs):.1%} of "
        f"{np.sum(pairs) / len(lines):.0f} pairs right, jobs counting alike "
        f"{np.mean(shares):.1%} (a second measurement would be in "
        f"{np.sum(repeatable) / np.sum(pairs):.1%}, a repeat differs by {noise:.1%}), "
        f"mean regret {np.mean(regrets):.1%} over {len(jobs)} jobs"
    )
    worst = int(np.argmax(np.sum(pairs - right, axis=0)))
    rest = np.arange(len(jobs)) != worst
    print(
        f"  without {table.rows[jobs[worst][0][0]]['model']}, the job of most wrong pairs: "
        f"{np.sum(right[:, rest]) / np.sum(pairs[:, rest]):.1%} of "
        f"{np.sum(pairs[:, rest]) / len(lines):.0f}, mean regret {np.mean(regrets[:, rest]):.1%}"
    )


def _judge_job(
    measured: np.ndarray, predicted: np.ndarray, layouts: list[list[int]], noise: float
) -> tuple[int, int, float, float]:
    """Return pairs told rightly, all pairs, pairs that a repeat would tell, and the regret."""
    right, pairs, repeatable = 0, 0, 0.0
    sides = [(float(np.median(measured[rows])), float(np.median(predicted[rows])))
             for rows in layouts]  # fmt: skip
    for one, other in itertools.combinations(sides, 2):
        apart = abs(math.log(one[0] / other[0]))
        if apart > math.log(1.05):
            pairs += 1
            right += (one[0] < other[0]) == (one[1] < other[1])
            repeatable += NormalDist().cdf(apart / (noise * math.sqrt(2)))
    chosen = min(sides, key=lambda side: side[1])
    return right, pairs, repeatable, chosen[0] / min(side[0] for side in sides) - 1


def _noise_of_repeats(table: Table, layouts: Sequence[Sequence[int]]) -> float:
    """Return the standard deviation of one measurement, by those made more than once."""
    apart = [
        abs(math.log(table.seconds[one] / table.seconds[other]))
        for rows in layouts
        for one, other in itertools.combinations(rows, 2)
    ]
    return float(np.median(apart)) / NormalDist().inv_cdf(0.75) / math.sqrt(2) if apart else 0.05

"""How far predictions are for a program never seen, and what one run of it adds."""

import math
from statistics import NormalDist

import numpy as np

from plan_fit_constants import Constants, fit, predict
from plan_fit_errors import report
from plan_fit_rows import Table

_TO_DEVIATION = 1 / NormalDist().inv_cdf(0.75)  # of a normal distribution, from its median distance


def judge_unknown_programs(table: Table, constants: Constants) -> None:
    """Leave each program out in turn."""
    predicted = np.zeros(len(table.rows))
    names = np.array(table.stacks)
    for stack in sorted(set(table.stacks)):
        values = constants.values(fit(table, constants, names != stack))
        predicted[names == stack] = predict(table, values, unknown=stack)[names == stack]
    wide = np.array([float(row["hidden"]) >= 2048 for row in table.rows])
    print("a program never seen (left out of the fit, average habits)")
    report("all", table, predicted, np.ones(len(table.rows), bool))
    report("hidden size of 2,048 and more", table, predicted, wide)
    judge_one_run(table, predicted, names)


def judge_one_run(table: Table, predicted: np.ndarray, names: np.ndarray) -> None:
    """Print the errors on a program's other runs, once one of its runs has corrected its pace.

    Each run is that one in turn. What it is missed by is partly the program's, partly its own: how
    much is taken for the program's is told by the *other* programs, from how far these differ from
    each other and their runs among themselves (empirical Bayes), and no more than these differ,
    as a run that is missed by far is odd rather than its program. Programs count alike.
    """
    missed = np.log(predicted / table.seconds)
    by_program = {name: missed[names == name] for name in sorted(set(names))}
    plain, corrected, known, weights, shares = [], [], [], [], []
    for name, own in by_program.items():
        rest = [runs for other, runs in by_program.items() if other != name]
        share, most = _share_of_program(rest)
        shares.append(share)
        for place, one in enumerate(own):
            others = np.delete(own, place)
            plain.extend(np.abs(np.exp(others) - 1))
            known.extend(np.abs(np.exp(others - np.median(own)) - 1))
            corrected.extend(np.abs(np.exp(others - np.clip(share * one, -most, most)) - 1))
            weights.extend([1 / len(own) / max(len(others), 1)] * len(others))
    for title, errors in (("without it", plain), ("after one run of it", corrected),
                          ("with its pace known from all its runs", known)):  # fmt: skip
        order = np.argsort(errors)
        reached = np.cumsum(np.array(weights)[order]) / sum(weights)
        median, tail = (np.array(errors)[order][np.searchsorted(reached, q)] for q in (0.5, 0.9))
        print(
            f"  programs counting alike, {title}: median {median:.1%}, 90th percentile {tail:.1%}"
        )
    print(f"  of one run's miss {np.median(shares):.0%} is taken for its program's")


def _share_of_program(programs: list[np.ndarray]) -> tuple[float, float]:
    """Return the share of a run's miss that is its program's, and how far programs differ."""
    centres = [float(np.median(runs)) for runs in programs]
    between = float(np.median(np.abs(centres)) * _TO_DEVIATION) ** 2
    spreads = [float(np.median(np.abs(runs - centre)))
               for runs, centre in zip(programs, centres, strict=True)]  # fmt: skip
    within = float(np.median(spreads) * _TO_DEVIATION) ** 2
    return between / (between + within), math.sqrt(between)

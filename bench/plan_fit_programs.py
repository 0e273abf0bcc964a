"""How far predictions are for programs and machines never seen, and what one run of them adds.

What a run adds is told as a person would get it: `lodesmith plan calibrate` fits the program's
constants to that run alone, and its other runs are predicted. Each run is that one in turn; groups
of runs count alike, however many they are.
"""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from lodesmith.plan.measured.program import STACK_REACH, ProgramRun, fit_stack, predict_job
from lodesmith.plan.measured.table import read_job
from plan_fit_constants import Constants, change_job, fit, predict, set_formulas
from plan_fit_errors import report
from plan_fit_rows import Table


def judge_unknown_programs(table: Table, constants: Constants) -> None:
    """Leave each program out in turn."""
    predicted = np.zeros(len(table.rows))
    errors = _Errors()
    for stack, own in _grouped(table.stacks).items():
        values = constants.values(fit(table, constants, _all_but(own, table)))
        predicted[own] = predict(table, values, unknown=stack)[own]
        errors.add(_runs_under(table, values, own, is_known=False))
    wide = np.array([float(row["hidden"]) >= 2048 for row in table.rows])
    print("a program never seen (left out of the fit, average habits)")
    report("all", table, predicted, np.ones(len(table.rows), bool))
    report("hidden size of 2,048 and more", table, predicted, wide)
    errors.report()


def judge_known_programs(table: Table, constants: Constants) -> None:
    """Leave out each source's runs on one device, where other sources or devices tell of the
    program."""
    places = [
        (stack, row["source"].split()[0], row["device"])
        for stack, row in zip(table.stacks, table.rows, strict=True)
    ]
    errors = _Errors()
    for place, own in _grouped(places).items():
        if table.stacks.count(place[0]) > len(own):
            values = constants.values(fit(table, constants, _all_but(own, table)))
            errors.add(_runs_under(table, values, own, is_known=True))
    print("a program known from others, by a source or on a device never seen")
    errors.report()


class _Errors:
    """Errors on the other runs of each group, every run being the one that calibrates in turn."""

    def __init__(self) -> None:
        self._num_groups = 0
        self._errors: dict[str, list[float]] = defaultdict(list)
        self._weights: list[float] = []  # of groups that count alike

    def add(self, runs: Sequence[ProgramRun]) -> None:
        """Take in a group: runs whose stacks hold what is known without them."""
        if len(runs) == 1:
            return
        self._num_groups += 1
        whole = _calibrated(runs, runs)
        for one in runs:
            others = [run for run in runs if run is not one]
            for title, stacks in (
                ("without a run of it", [run.job.stack for run in others]),
                ("after one run of it", _calibrated([one], others)),
                ("after all its runs", [whole[runs.index(run)] for run in others]),
            ):
                self._errors[title].extend(
                    abs(predict_job(run.job, stack) / run.seconds - 1)
                    for run, stack in zip(others, stacks, strict=True)
                )
            self._weights.extend([1 / len(runs) / len(others)] * len(others))

    def report(self) -> None:
        """Print medians and 90th percentiles."""
        for title, errors in self._errors.items():
            order = np.argsort(errors)
            reached = np.cumsum(np.array(self._weights)[order]) / sum(self._weights)
            median, tail = (
                np.array(errors)[order][np.searchsorted(reached, q)] for q in (0.5, 0.9)
            )
            print(
                f"  {self._num_groups} groups counting alike, {title}: median {median:.1%}, "
                f"90th percentile {tail:.1%}"
            )


def _calibrated(seen: Sequence[ProgramRun], others: Sequence[ProgramRun]) -> list:
    """Return the others' programs with the constants that the seen runs give."""
    fitted = fit_stack(seen[0].job.stack, [run.job for run in seen], [run.seconds for run in seen])
    constants = {name: getattr(fitted, name) for name in STACK_REACH}
    return [run.job.stack.changed(**constants) for run in others]


def _runs_under(
    table: Table, values: dict[str, float], places: Sequence[int], *, is_known: bool
) -> list[ProgramRun]:
    """Return rows as runs whose devices and programs have fitted constants."""
    set_formulas(values)
    families = {place: group.family for group in table.groups for place in group.places}
    return [
        ProgramRun(
            name=table.rows[place]["id"],
            job=change_job(read_job(table.rows[place]), families[place], values, is_known=is_known),
            seconds=float(table.seconds[place]),
        )
        for place in places
    ]


def _grouped(keys: Sequence) -> dict:
    groups: dict = defaultdict(list)
    for place, key in enumerate(keys):
        groups[key].append(place)
    return dict(sorted(groups.items()))


def _all_but(places: Sequence[int], table: Table) -> np.ndarray:
    chosen = np.ones(len(table.rows), bool)
    chosen[places] = False
    return chosen

"""Fits the planner's constants to published measurements, and says how well it predicts others.

    .venv/bin/python bench/plan_fit.py ROWS.csv            # judge: nothing is written
    .venv/bin/python bench/plan_fit.py ROWS.csv --write    # fit all rows, write the YAML files

ROWS.csv has the columns that `lodesmith plan validate` reads. What is judged is the time of a step,
never MFU, whose conventions differ from source to source. Judged are

- half: rows fall into halves by source, model and device, so that twins stay together; fitted on
  one half, compared on the other, both ways, and that for four ways to split;
- four fifths: the same where only rows of one configuration stay together, so that the rest are
  other layouts of known jobs;
- leave one program out: one never seen, with the average of the others' habits, and what one run of
  it adds;
- leave one source or device out: a program that others have measured, on a machine never seen, and
  what one run of it adds;
- order: of two measured layouts of one job that differ by more than 5 %, is the quicker one told.

Each constant starts from a data sheet or a paper and is pulled towards that start, so that a
constant which no row speaks of stays where it was.
"""

import argparse
import math
from pathlib import Path

import numpy as np

from plan_fit_constants import Constants, fit, predict
from plan_fit_errors import judge_halves, judge_layouts, judge_memory, report
from plan_fit_order import judge_order
from plan_fit_programs import judge_known_programs, judge_unknown_programs
from plan_fit_rows import Table
from plan_fit_write import write


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rows", type=Path)
    parser.add_argument("--write", action="store_true", help="write the constants of a fit to all")
    parser.add_argument("--quick", action="store_true", help="only the fit to all rows")
    arguments = parser.parse_args()
    table = Table(arguments.rows)
    constants = Constants(table.stacks)
    every = np.ones(len(table.rows), bool)
    report(
        "constants as they start", table, predict(table, constants.values(constants.start)), every
    )
    vector = fit(table, constants, every)
    values = constants.values(vector)
    predicted = predict(table, values)
    report("fitted to all rows", table, predicted, every)
    judge_order(table, predicted)
    judge_memory(table)
    if not arguments.quick:
        judge_halves(table, constants)
        judge_layouts(table, constants)
        judge_unknown_programs(table, constants)
        judge_known_programs(table, constants)
    else:
        for stack in sorted(set(table.stacks)):
            report(stack, table, predicted, np.array([each == stack for each in table.stacks]))
    for name, start in zip(constants.names, constants.start, strict=True):
        print(f"  {name:<52}{math.exp(start):10.3g} -> {values[name]:10.3g}")
    if arguments.write:
        write(values)


if __name__ == "__main__":
    main()

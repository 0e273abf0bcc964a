"""How far predictions are from rows that the fit has not seen."""

import hashlib
from collections import Counter
from collections.abc import Callable

import numpy as np

from lodesmith.plan.measured.row import Row
from lodesmith.plan.measured.table import read_job
from lodesmith.plan.measured.validation import predict_row
from plan_fit_constants import Constants, fit, predict
from plan_fit_order import judge_order
from plan_fit_rows import LAYOUT, Table

_SPLITS = 4
_PARTS = 5
_CLASSES: dict[str, Callable[[Row], bool]] = {
    "experts": lambda row: row["arch"] == "moe",
    "context parallel": lambda row: float(row["cp"] or 1) > 1,
    "Ascend": lambda row: row["device"].startswith("Ascend"),
    "Blackwell": lambda row: row["device"].startswith(("B", "GB")),
    "neither experts nor Ascend": lambda row: (
        row["arch"] != "moe" and not row["device"].startswith("Ascend")
    ),
    "fp8 and fp4": lambda row: "fp8" in row["precision"] or "fp4" in row["precision"],
}


def report(title: str, table: Table, predicted: np.ndarray, chosen: np.ndarray) -> None:
    """Print the errors of the chosen rows, where several lines are predicted those of all lines."""
    errors = np.abs(predicted / table.seconds - 1)[..., chosen]
    if errors.size:
        print(
            f"  {title:<44}{np.sum(chosen):4d} rows   median {np.median(errors):6.1%}"
            f"   90th percentile {np.percentile(errors, 90):6.1%}"
        )


def judge_halves(table: Table, constants: Constants) -> None:
    """Fit each half, compare on the other; several times, as a half may hold an odd program."""
    predicted = np.zeros((_SPLITS, len(table.rows)))
    for number in range(_SPLITS):
        side = np.array([_half_of(row, number) for row in table.rows], bool)
        for half in (side, ~side):
            values = constants.values(fit(table, constants, ~half))
            predicted[number, half] = predict(table, values)[half]
    print(f"fitted on one half, compared on the other, {_SPLITS} ways to split")
    every = np.ones(len(table.rows), bool)
    report("all", table, predicted, every)
    for title, tells in _CLASSES.items():
        report(title, table, predicted, np.array([tells(row) for row in table.rows]))
    for stack in sorted(set(table.stacks)):
        report(stack, table, predicted, np.array([each == stack for each in table.stacks]))
    judge_order(table, predicted)


def judge_layouts(table: Table, constants: Constants) -> None:
    """Fit four fifths of the configurations, compare on the rest: other layouts of known jobs."""
    predicted = np.zeros(len(table.rows))
    parts = np.array([_part_of(job, row) for job, row in zip(table.jobs, table.rows, strict=True)])
    for part in range(_PARTS):
        values = constants.values(fit(table, constants, parts != part))
        predicted[parts == part] = predict(table, values)[parts == part]
    print("fitted on four fifths of the configurations, compared on the others")
    report("all", table, predicted, np.ones(len(table.rows), bool))
    judge_order(table, predicted)


def _part_of(job: tuple[str, ...], row: Row) -> int:
    key = "|".join([*job, *(row[name] for name in LAYOUT)])
    return hashlib.sha256(key.encode()).digest()[0] % _PARTS


def _half_of(row: Row, number: int) -> int:
    key = "|".join([str(number), *(row[name] for name in ("source", "model", "device", "devices"))])
    return hashlib.sha256(key.encode()).digest()[0] & 1


def judge_memory(table: Table) -> None:
    """Print the errors of the fullest device's memory where it was measured, and which runs that
    ran are said not to fit; nothing is fitted."""
    found = [predict_row(row) for row in table.rows]
    errors = np.array([row.memory_error for row in found if row.memory_error is not None])
    print(
        f"memory: {len(errors)} rows, median {np.median(np.abs(errors)):.1%}, 90th percentile "
        f"{np.percentile(np.abs(errors), 90):.1%}, bias {np.median(errors):+.1%}, "
        f"{np.mean(errors < -0.1):.0%} more than a tenth too low"
    )
    needs = [
        (stack, prediction.predicted_mem_gb / read_job(row).device.memory_gb)
        for stack, row, prediction in zip(table.stacks, table.rows, found, strict=True)
        if prediction.predicted_mem_gb
    ]
    too_much = Counter(stack for stack, share in needs if share > 1)
    far = sum(share > 1.1 for _, share in needs)
    print(
        f"  of {len(needs)} runs that ran and say what they recompute {too_much.total()} are said "
        f"not to fit, {far} by more than a tenth: {dict(too_much)}"
    )

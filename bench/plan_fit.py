"""Fits the planner's constants to published measurements, and says how well it predicts others.

    .venv/bin/python bench/plan_fit.py ROWS.csv            # judge: nothing is written
    .venv/bin/python bench/plan_fit.py ROWS.csv --write    # fit all rows, write the YAML files

ROWS.csv has the columns that `lodesmith plan validate` reads. What is judged is the time of a step,
never MFU, whose conventions differ from source to source. Judged are

- half: rows fall into halves by source, model and device, so that twins stay together; fitted on
  one half, compared on the other, both ways, and that for four ways to split;
- four fifths: the same where only rows of one configuration stay together, so that the rest are
  other layouts of known jobs;
- leave one source out: a program never seen, with the average of the others' habits, and what one
  run of it adds;
- order: of two measured layouts of one job that differ by more than 5 %, is the quicker one told.

Each constant starts from a data sheet or a paper and is pulled towards that start, so that a
constant which no row speaks of stays where it was.
"""

import argparse
import csv
import hashlib
import itertools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np

from lodesmith.plan import communication, products, step_time
from lodesmith.plan.hardware import load_device
from lodesmith.plan.jobs import Jobs, jobs_of
from lodesmith.plan.machine import machine_of
from lodesmith.plan.step_time import estimate_steps, total_seconds
from lodesmith.plan.table import MeasuredJob, Row, explain_unknown, find_stack, read_job
from lodesmith.plan.validation import predict_row

FAMILIES = {
    "a100": ("a100-80", "a100-40"),
    "h100": ("h100", "h200", "h100-96"),
    "blackwell": ("b200", "b300", "gb200", "gb300"),
    "ascend": ("ascend-910b", "ascend-910b1"),
}
# Where each constant starts, family by family, and how far it may go (natural logarithms).
# Efficiencies of lone kernels: aiconfigurator's tables for products, arXiv 2307.08691 and
# 2407.08608 for attention.
DEVICE_CONSTANTS: dict[str, tuple[tuple[float, float, float, float], float]] = {
    "matmul_efficiency": ((0.74, 0.70, 0.66, 0.75), 0.08),
    "matmul_half_size": ((64, 96, 96, 96), 0.5),
    "matmul_wave_outputs": ((1.77e6, 2.16e6, 2.42e6, 1.0e6), 0.4),
    "attention_efficiency": ((0.45, 0.35, 0.35, 0.45), 0.3),
    "attention_half_sequence": ((500, 500, 500, 500), 0.6),
    "memory_efficiency": ((0.85, 0.85, 0.80, 0.75), 0.1),
    "kernel_seconds": ((2e-5, 2e-5, 2e-5, 2e-5), 0.7),
    "link_efficiency": ((0.75, 0.80, 0.80, 0.80), 0.2),
    "message_seconds": ((2e-5, 2e-5, 2e-5, 2e-5), 0.7),
    "low_precision_efficiency": ((0.85, 0.85, 0.90, 0.85), 0.1),
}
STACK_DEFAULTS = {
    "tensor_exposed": (1.0, 0.1),
    "data_exposed": (0.5, 0.7),
    "gather_exposed": (0.5, 0.7),
    "expert_exposed": (0.3, 0.7),
    "pipeline_exposed": (0.5, 0.7),
    "step_seconds": (0.01, 1.0),
}
MODEL_CONSTANTS = {
    "_INNER_WEIGHT": (products, 2.0, 0.4),
    "_EXPERT_SHARE": (products, 0.4, 0.4),
    "_SMOOTHNESS": (step_time, 6.0, 0.5),
    "_NARROW_HEAD": (step_time, 1.25, 0.2),
    "_UNALIGNED": (step_time, 10.0, 0.5),
    "_SOFTMAX_PASSES": (step_time, 5.0, 0.4),
    "_EXPERT_KERNELS": (step_time, 3.0, 0.7),
    "_TENSOR_KERNELS": (step_time, 1.0, 0.7),
    "_ACCUMULATION": (step_time, 0.5, 0.5),
    "_LOSS_PASSES": (step_time, 6.0, 0.5),
    "_OVERLAPPED": (step_time, 0.5, 0.5),
    "_FUSED": (step_time, 0.6, 0.5),
    "_HOP_SECONDS": (communication, 5e-6, 0.7),
    "_BUCKET_WAITS": (communication, 2.0, 0.7),
}
STACK_CONSTANTS = {"compute_factor": 0.1, "network_factor": 0.5, "link_factor": 0.6}
NETWORK_EFFICIENCY = "network_efficiency"
_NOISE = 0.08  # what a repeated measurement of one job differs by, about
_PULL = 0.7
_WITHIN_JOB = 2.0  # weight of what the layouts of one job miss each other by
_FREEDOM = 2.0  # of Student's t, by which rows scatter: one that is far off pulls little
_JOB = ("source", "layers", "hidden", "heads", "seq", "device", "devices", "global_batch",
        "precision")  # fmt: skip
_LAYOUT = ("tp", "pp", "vpp", "dp", "cp", "ep", "microbatch", "recompute", "zero", "attn_impl")


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one device, program, node size and number format: one machine."""

    job: MeasuredJob
    family: str
    places: np.ndarray
    jobs: Jobs


class Table:
    """The rows that can be computed and were measured."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.rows = [row for row in rows if _is_usable(row)]
        jobs = [read_job(row) for row in self.rows]
        self.seconds = np.array([float(row["iteration_seconds"]) for row in self.rows])
        self.stacks = [find_stack(row["source"], table=row["table"]).name for row in self.rows]
        self.jobs = [tuple(row[name] for name in _JOB) for row in self.rows]
        self.groups = [_group(jobs, places) for places in _machines(jobs).values()]


def _is_usable(row: Row) -> bool:
    if "40%" in row["notes"] or not row["iteration_seconds"] or explain_unknown(row):
        return False
    try:
        read_job(row)
    except ValueError:
        return False
    return True


def _machines(jobs: Sequence[MeasuredJob]) -> dict[tuple[object, ...], list[int]]:
    places: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, job in enumerate(jobs):
        key = (job.device.name, repr(job.stack), job.cluster.devices_per_node,
               job.cluster.network_gb_per_second, job.training.precision)  # fmt: skip
        places[key].append(place)
    return places


def _group(jobs: Sequence[MeasuredJob], places: Sequence[int]) -> Group:
    first = jobs[places[0]]
    names = {load_device(name).name: family for family, all_ in FAMILIES.items() for name in all_}
    columns = jobs_of([(jobs[at].shape, jobs[at].layout, jobs[at].training) for at in places])
    return Group(first, names[first.device.name], np.array(places), columns)


class Constants:
    """All free constants as one vector of logarithms, and back."""

    def __init__(self, stacks: Sequence[str]) -> None:
        self.names: list[str] = []
        start, reach = [], []

        def add(name: str, value: float, far: float) -> None:
            self.names.append(name)
            start.append(math.log(value))
            reach.append(far)

        for place, family in enumerate(FAMILIES):
            for name, (values, far) in DEVICE_CONSTANTS.items():
                add(f"{family}.{name}", values[place], far)
        for name, (value, far) in STACK_DEFAULTS.items():
            add(name, value, far)
        for name, (_, value, far) in MODEL_CONSTANTS.items():
            add(name, value, far)
        add(NETWORK_EFFICIENCY, 0.5, 0.3)
        for stack in sorted(set(stacks)):
            for name, far in STACK_CONSTANTS.items():
                add(f"{stack}/{name}", 1.0, far)
        self.start, self.reach = np.array(start), np.array(reach)

    def values(self, vectors: np.ndarray) -> dict[str, Any]:
        """Return the constants by name: numbers for one vector, columns for several."""
        columns = (
            np.exp(np.asarray(vectors)).T[..., None] if np.ndim(vectors) > 1 else np.exp(vectors)
        )
        return dict(zip(self.names, columns, strict=True))


def predict(
    table: Table, values: dict[str, Any], *, unknown: str | None = None
) -> np.ndarray:  # fmt: skip
    """Return seconds for each row; where values are columns, a line of them for each value.

    Args:
        table: the rows.
        values: all constants.
        unknown: a stack whose rows get the average's habits.
    """
    for name, (module, _, _) in MODEL_CONSTANTS.items():
        setattr(module, name, values[name])
    several = np.shape(values[NETWORK_EFFICIENCY])[:1]
    seconds = np.zeros((*several, len(table.rows)))
    defaults = {name: np.minimum(values[name], _most(name)) for name in STACK_DEFAULTS}
    for group in table.groups:
        job = group.job
        device = job.device.model_copy(
            update={name: np.minimum(values[f"{group.family}.{name}"], _most(name))
                    for name in DEVICE_CONSTANTS}
        )  # fmt: skip
        is_known = job.stack.name != unknown
        own = {
            name: values.get(f"{job.stack.name}/{name}", 1.0) if is_known else 1.0
            for name in STACK_CONSTANTS
        }
        cluster = job.cluster.model_copy(update={NETWORK_EFFICIENCY: values[NETWORK_EFFICIENCY]})
        machine = machine_of(
            device, cluster, job.stack.changed(**defaults, **own), precision=job.training.precision
        )
        seconds[..., group.places] = total_seconds(estimate_steps(group.jobs, machine))
    return seconds


def _most(name: str) -> float:
    return 1.0 if name.endswith(("efficiency", "exposed")) else math.inf


def fit(table: Table, constants: Constants, chosen: np.ndarray, steps: int = 20) -> np.ndarray:
    """Return the likeliest constants, where the chosen rows scatter by Student's t and constants
    about their starts (Gauss-Newton, damped)."""
    measured = np.log(table.seconds[chosen])
    centre = _centring(table, chosen)

    def residuals(vectors: np.ndarray) -> np.ndarray:
        missed = np.log(predict(table, constants.values(vectors))[..., chosen]) - measured
        return np.concatenate([missed, _WITHIN_JOB * (missed - missed @ centre)], axis=-1) / _NOISE

    def cost(vector: np.ndarray) -> float:
        pull = (vector - constants.start) / constants.reach * _PULL
        each = residuals(vector)
        return float(np.sum(_FREEDOM * np.log1p(each**2 / _FREEDOM)) + np.sum(pull**2))

    vector, damping, best = constants.start.copy(), 1.0, cost(constants.start)
    for _ in range(steps):
        each = residuals(vector)
        jacobian = (residuals(vector + np.eye(len(vector)) * 1e-4) - each).T / 1e-4
        trust = 1 / (1 + each**2 / _FREEDOM)
        pull = (_PULL / constants.reach) ** 2
        square = jacobian.T @ (jacobian * trust[:, None]) + np.diag(pull)
        slope = jacobian.T @ (each * trust) + pull * (vector - constants.start)
        while damping < 1e6:
            step = np.linalg.solve(square + damping * np.diag(np.diag(square)), slope)
            tried = cost(vector - step)
            if tried < best:
                vector, best, damping = vector - step, tried, damping / 4
                break
            damping *= 4
    return vector


def _centring(table: Table, chosen: np.ndarray) -> np.ndarray:
    """Return the matrix that takes the mean over the chosen layouts of each row's job."""
    jobs = [key for key, is_chosen in zip(table.jobs, chosen, strict=True) if is_chosen]
    same = np.array([[one == other for other in jobs] for one in jobs], float)
    return same / same.sum(axis=1, keepdims=True)


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


_SPLITS = 4
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


_PARTS = 5


def _part_of(job: tuple[str, ...], row: Row) -> int:
    key = "|".join([*job, *(row[name] for name in _LAYOUT)])
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


def judge_order(table: Table, predicted: np.ndarray) -> None:
    """Print how often the quicker of two layouts of one job is told, and a wrong choice's cost.

    Rows of one job and one layout are one layout, measured several times: their median counts. How
    far they are apart says how often the order would be told by measuring once more.
    """
    same: dict[tuple[str, ...], dict[tuple[str, ...], list[int]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for place, (job, row) in enumerate(zip(table.jobs, table.rows, strict=True)):
        same[job][tuple(row[name] for name in _LAYOUT)].append(place)
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


_TO_DEVIATION = 1 / NormalDist().inv_cdf(0.75)  # of a normal distribution, from its median distance


def write(values: dict[str, float]) -> None:
    """Write fitted constants into the planner's files."""
    folder = Path(step_time.__file__).parent
    for family, device in ((family, name) for family, all_ in FAMILIES.items() for name in all_):
        path = folder / "devices" / f"{device}.yaml"
        for name in DEVICE_CONSTANTS:
            value = min(values[f"{family}.{name}"], _most(name))
            _set(path, rf"^{name}: .*$", f"{name}: {value:.3g} # {_NOTE}", f"{name}: ")
    _write_stacks(folder, values)


def _write_stacks(folder: Path, values: dict[str, float]) -> None:
    for path in sorted((folder / "stacks").glob("*.yaml")):
        stack = find_name(path)
        for name in STACK_CONSTANTS:
            if f"{stack}/{name}" in values:
                line = f"{name}: {values[f'{stack}/{name}']:.3g} # {_NOTE}"
                _set(path, rf"^{name}: .*$", line, f"{name}: ")
    for name in STACK_DEFAULTS:
        _set(
            folder / "stack.py",
            rf"^(    {name}: float = Field\(default=)[^,]*",
            rf"\g<1>{values[name]:.3g}",
        )
    _set(
        folder / "hardware.py",
        rf"^(    {NETWORK_EFFICIENCY}: float = Field\(default=)[^,]*",
        rf"\g<1>{values[NETWORK_EFFICIENCY]:.3g}",
    )
    for name, (module, _, _) in MODEL_CONSTANTS.items():
        _set(Path(module.__file__), rf"^({name} = )\S+", rf"\g<1>{values[name]:.3g}")


_NOTE = "fitted to published steps: bench/plan_fit.py"


def find_name(path: Path) -> str:
    """Return the name in a stack file."""
    return re.search(r"^name: (.*)$", path.read_text("utf-8"), re.M).group(1)


def _set(path: Path, pattern: str, line: str, missing: str | None = None) -> None:
    text = path.read_text("utf-8")
    changed, count = re.subn(pattern, line, text, flags=re.M)
    if not count and missing:
        changed = text.rstrip("\n") + f"\n{line}\n"
    elif not count:
        raise SystemExit(f"{path} has no line like {pattern}")
    path.write_text(changed, "utf-8")


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
    else:
        for stack in sorted(set(table.stacks)):
            report(stack, table, predicted, np.array([each == stack for each in table.stacks]))
    for name, start in zip(constants.names, constants.start, strict=True):
        print(f"  {name:<52}{math.exp(start):10.3g} -> {values[name]:10.3g}")
    if arguments.write:
        write(values)


if __name__ == "__main__":
    main()

"""Fits a training program's habits to measured steps of it on a machine of one's own.

What others have measured says how a program does on average, and is in its stack file. A run of
one's own says how it does here. Its three constants then move to where that run is likeliest, each
pulled towards the file, as far as programs differ: so one run that is missed by far is taken for
odd, and many that agree are followed.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from lodesmith.core.errors import UserError
from lodesmith.core.units import format_counted
from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.hardware.stack import Stack
from lodesmith.plan.measured.calibrate import HeldOut
from lodesmith.plan.measured.least_squares import Vector, minimise
from lodesmith.plan.measured.row import Row, explain_unknown, read_number
from lodesmith.plan.measured.table import MeasuredJob, read_job
from lodesmith.plan.step.step_time import estimate_step_time

# How far each constant lies from the average program's, as a natural logarithm; and how far a run
# is missed for reasons of its own: both as in the fit of the shipped files (`bench/plan_fit.py`).
STACK_REACH = {"compute_factor": 0.1, "network_factor": 0.5, "link_factor": 0.6}
PULL = 0.7
NOISE = 0.08
FREEDOM = 2.0  # of Student's t, by which runs scatter: one that is far off pulls little


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramRun:
    """One measured layout: what ran, and how long a step took."""

    name: str
    job: MeasuredJob
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgramCalibration:
    """A program's new constants, and what they are worth."""

    stack: Stack
    start: Stack
    runs: tuple[ProgramRun, ...]
    compared: tuple[HeldOut, ...]  # before; after all runs; after the others alone
    skipped: dict[str, int]  # rows left out, by the reason


def calibrate_program(
    rows: Sequence[Row], *, start: Stack | None = None, cluster: Cluster | None = None
) -> ProgramCalibration:
    """Return the program fitted to all sound rows, and the errors with each row left out.

    Args:
        rows: measured steps of one program, with the columns of `lodesmith plan validate`.
        start: the program as its file has it; told by the rows' sources if left out.
        cluster: whose network they ran on; the program's published one if left out.

    Raises:
        UserError: no row is sound, or the rows are of several programs.
    """
    runs, skipped = _read_runs(rows, start, cluster)
    begin = start or _one_program(runs)
    fitted = _fit(begin, runs)
    compared = [
        HeldOut(
            run=run.name,
            measured_seconds=run.seconds,
            before_seconds=predict_job(run.job, begin),
            after_seconds=predict_job(run.job, fitted),
            unseen_seconds=_predict_unseen(begin, runs, at) if len(runs) > 1 else None,
        )
        for at, run in enumerate(runs)
    ]
    return ProgramCalibration(
        stack=fitted.changed(
            name=f"{begin.name}, calibrated", sources=(), network_gb_per_second=None,
            network_by_device={},
        ),
        start=begin, runs=tuple(runs), compared=tuple(compared), skipped=skipped,
    )  # fmt: skip


def predict_job(job: MeasuredJob, stack: Stack) -> float:
    """Return the seconds of one step of a measured job under a program's habits."""
    return estimate_step_time(
        job.shape, job.layout, job.training, cluster=job.cluster, device=job.device, stack=stack
    ).total


def fit_stack(start: Stack, jobs: Sequence[MeasuredJob], seconds: Sequence[float]) -> Stack:
    """Return the program whose constants make measured steps likeliest.

    Args:
        start: the program as its file has it.
        jobs: what ran.
        seconds: how long a step of each took.
    """
    first = np.array([math.log(getattr(start, name)) for name in STACK_REACH])
    reach = np.array([*STACK_REACH.values()])
    measured = np.log(seconds)

    def misses(vector: Vector) -> Vector:
        stack = _stack_at(start, vector)
        each = (np.log([predict_job(job, stack) for job in jobs]) - measured) / NOISE
        likely = np.sign(each) * np.sqrt(FREEDOM * np.log1p(each**2 / FREEDOM))
        return np.concatenate([likely, PULL * (vector - first) / reach])

    return _stack_at(start, minimise(misses, first))


def _stack_at(start: Stack, vector: Vector) -> Stack:
    return start.changed(**dict(zip(STACK_REACH, np.exp(vector).tolist(), strict=True)))


def _fit(start: Stack, runs: Sequence[ProgramRun]) -> Stack:
    return fit_stack(start, [run.job for run in runs], [run.seconds for run in runs])


def _predict_unseen(start: Stack, runs: Sequence[ProgramRun], at: int) -> float:
    others = [run for place, run in enumerate(runs) if place != at]
    return predict_job(runs[at].job, _fit(start, others))


def _read_runs(
    rows: Sequence[Row], stack: Stack | None, cluster: Cluster | None
) -> tuple[list[ProgramRun], dict[str, int]]:
    """Return the sound rows, and how many are not, by the reason."""
    runs: list[ProgramRun] = []
    skipped: Counter[str] = Counter()
    for row in rows:
        try:
            runs.append(_read_run(row, stack, cluster))
        except UserError as error:
            skipped[str(error)] += 1
    if not runs:
        reasons = "; ".join(
            f"{format_counted(count, 'row')}: {why}" for why, count in skipped.items()
        )
        raise UserError(f"no row can be used ({reasons or 'the table is empty'})")
    return runs, dict(skipped)


def _read_run(row: Row, stack: Stack | None, cluster: Cluster | None) -> ProgramRun:
    seconds = read_number(row, "iteration_seconds")
    reason = explain_unknown(row)
    if reason is not None:
        raise UserError(reason)
    if seconds is None or seconds <= 0:
        raise UserError("no iteration_seconds above 0 in the row")
    job = read_job(row, stack)
    if cluster is not None:
        network = {
            name: getattr(cluster, name) for name in ("network_gb_per_second", "network_efficiency")
        }
        job = replace(job, cluster=job.cluster.model_copy(update=network))
    return ProgramRun(name=row["id"] or "", job=job, seconds=seconds)


def _one_program(runs: Sequence[ProgramRun]) -> Stack:
    programs = {run.job.stack.name: run.job.stack for run in runs}
    if len(programs) > 1:
        raise UserError(
            f"the rows are of several programs ({', '.join(sorted(programs))}); give those of one, "
            "or name it by --stack"
        )
    return next(iter(programs.values()))

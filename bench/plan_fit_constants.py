"""Free constants of the planner, and the likeliest ones for some of the rows.

Each constant starts from a data sheet or a paper and is pulled towards that start, so that a
constant which no row speaks of stays where it was.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lodesmith.plan.hardware.machine import machine_of
from lodesmith.plan.measured.program import FREEDOM, NOISE, PULL, STACK_REACH
from lodesmith.plan.measured.table import MeasuredJob
from lodesmith.plan.step import communication, products, step_time
from lodesmith.plan.step.step_time import estimate_steps, total_seconds
from plan_fit_rows import FAMILIES, Table

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
    "_DEVICE_ATTENTION": (step_time, 0.65, 0.3),
    "_HOP_SECONDS": (communication, 5e-6, 0.7),
    "_BUCKET_WAITS": (communication, 2.0, 0.7),
}
NETWORK_EFFICIENCY = "network_efficiency"
_WITHIN_JOB = 2.0  # weight of what the layouts of one job miss each other by


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
            for name, far in STACK_REACH.items():
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
    set_formulas(values)
    several = np.shape(values[NETWORK_EFFICIENCY])[:1]
    seconds = np.zeros((*several, len(table.rows)))
    for group in table.groups:
        job = change_job(group.job, group.family, values, is_known=group.job.stack.name != unknown)
        machine = machine_of(job.device, job.cluster, job.stack, precision=job.training.precision)
        seconds[..., group.places] = total_seconds(estimate_steps(group.jobs, machine))
    return seconds


def set_formulas(values: dict[str, Any]) -> None:
    """Give the planner's formulas their constants."""
    for name, (module, _, _) in MODEL_CONSTANTS.items():
        setattr(module, name, values[name])


def change_job(
    job: MeasuredJob, family: str, values: dict[str, Any], *, is_known: bool
) -> MeasuredJob:
    """Return a job whose device, network and program have these constants.

    Args:
        job: what ran.
        family: of its device.
        values: all constants.
        is_known: whether the program has its own; else it has the average's.
    """
    device = {
        name: np.minimum(values[f"{family}.{name}"], most_of(name)) for name in DEVICE_CONSTANTS
    }
    defaults = {name: np.minimum(values[name], most_of(name)) for name in STACK_DEFAULTS}
    own = {
        name: values.get(f"{job.stack.name}/{name}", 1.0) if is_known else 1.0
        for name in STACK_REACH
    }
    network = {NETWORK_EFFICIENCY: values[NETWORK_EFFICIENCY]}
    return replace(
        job,
        device=job.device.model_copy(update=device),
        cluster=job.cluster.model_copy(update=network),
        stack=job.stack.changed(**defaults, **own),
    )


def most_of(name: str) -> float:
    return 1.0 if name.endswith(("efficiency", "exposed")) else math.inf


def fit(table: Table, constants: Constants, chosen: np.ndarray, steps: int = 20) -> np.ndarray:
    """Return the likeliest constants, where the chosen rows scatter by Student's t and constants
    about their starts (Gauss-Newton, damped)."""
    measured = np.log(table.seconds[chosen])
    centre = _centring(table, chosen)

    def residuals(vectors: np.ndarray) -> np.ndarray:
        missed = np.log(predict(table, constants.values(vectors))[..., chosen]) - measured
        return np.concatenate([missed, _WITHIN_JOB * (missed - missed @ centre)], axis=-1) / NOISE

    def cost(vector: np.ndarray) -> float:
        pull = (vector - constants.start) / constants.reach * PULL
        each = residuals(vector)
        return float(np.sum(FREEDOM * np.log1p(each**2 / FREEDOM)) + np.sum(pull**2))

    vector, damping, best = constants.start.copy(), 1.0, cost(constants.start)
    for _ in range(steps):
        each = residuals(vector)
        jacobian = (residuals(vector + np.eye(len(vector)) * 1e-4) - each).T / 1e-4
        trust = 1 / (1 + each**2 / FREEDOM)
        pull = (PULL / constants.reach) ** 2
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

"""Fits a device's constants to steps that our own trainer has measured on it.

A data sheet says what a device could do; a few short runs of different sizes say what it does. Each
constant starts from the device file and is pulled towards it, so that what no run speaks of stays
where it was. Whether that helped is shown on steps that the fit did not see: the second half of
each run, and each run left out in turn.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lodesmith.core.errors import UserError
from lodesmith.plan.hardware.cluster import bare_cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.measured.least_squares import Vector, minimise
from lodesmith.plan.measured.measured_run import MeasuredRun
from lodesmith.plan.step.step_time import estimate_step_time

_NOISE = 0.05  # what a repeated run differs by, about
# How far each constant may go from where it starts, as a natural logarithm.
REACH = {
    "matmul_efficiency": 0.5,
    "matmul_half_size": 0.7,
    "attention_efficiency": 0.7,
    "memory_gb_per_second": 0.5,
    "kernel_seconds": 1.0,
    "link_gb_per_second": 1.0,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """What the planner says of steps that the fit has not seen."""

    run: str
    measured_seconds: float
    before_seconds: float  # by the device file as it was
    after_seconds: float  # fitted on the first half of all runs' steps
    unseen_seconds: float | None  # fitted on the other runs alone; None where there are none

    def error(self, seconds: float) -> float:
        """Return predicted over measured, less one."""
        return seconds / self.measured_seconds - 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Calibration:
    """A device's new constants, and what they are worth."""

    device: Device
    start: Device
    runs: tuple[MeasuredRun, ...]
    held_out: tuple[HeldOut, ...]


def calibrate(start: Device, runs: Sequence[MeasuredRun], *, name: str) -> Calibration:
    """Return the device fitted to all steps, and the errors on steps held out.

    Raises:
        UserError: there is no run, or the device lacks a run's number format.
    """
    if not runs:
        raise UserError("calibration needs the metrics.jsonl of at least one run")
    for run in runs:
        if run.training.precision not in start.peak_tflops:
            raise UserError(
                f"{run.name} was computed in {run.training.precision}, which {start.name} lacks; "
                f"it has {', '.join(start.peak_tflops)}"
            )
    halved = fit_device(start, [run.half(0) for run in runs])
    held_out = [
        HeldOut(
            run=run.name,
            measured_seconds=run.half(1).seconds,
            before_seconds=predict_run(start, run),
            after_seconds=predict_run(halved, run),
            unseen_seconds=_predict_unseen(start, runs, at) if len(runs) > 1 else None,
        )
        for at, run in enumerate(runs)
    ]
    fitted = fit_device(start, runs).model_copy(update={"name": name})
    return Calibration(device=fitted, start=start, runs=tuple(runs), held_out=tuple(held_out))


def predict_run(device: Device, run: MeasuredRun) -> float:
    """Return the seconds of one step of a run."""
    ranks = run.layout.num_devices
    cluster = bare_cluster(
        device.name, num_devices=ranks, devices_per_node=ranks, network_gb_per_second=1
    )
    return estimate_step_time(
        run.shape, run.layout, run.training, cluster=cluster, device=device
    ).total


def fit_device(start: Device, runs: Sequence[MeasuredRun]) -> Device:
    """Return the device whose constants meet the runs' median steps best."""
    free = [name for name in REACH if getattr(start, name) > 0]
    first = np.array([math.log(getattr(start, name)) for name in free])
    reach = np.array([REACH[name] for name in free])
    measured = np.array([math.log(run.seconds) for run in runs])

    def misses(vector: Vector) -> Vector:
        device = _device_at(start, free, vector)
        predicted = [math.log(predict_run(device, run)) for run in runs]
        return np.concatenate([(predicted - measured) / _NOISE, (vector - first) / reach])

    return _device_at(start, free, minimise(misses, first))


def _device_at(start: Device, names: Sequence[str], vector: Vector) -> Device:
    values = dict(zip(names, np.exp(vector).tolist(), strict=True))
    # A processor may be quicker than the file's; no share of a peak is above 1, so the peak rises.
    faster = max(1.0, values["matmul_efficiency"])
    peaks = {name: peak * faster for name, peak in start.peak_tflops.items()}
    shares = {
        name: min(values[name] / faster, 1.0)
        for name in ("matmul_efficiency", "attention_efficiency")
    }
    return start.model_copy(update={**values, **shares, "peak_tflops": peaks})


def _predict_unseen(start: Device, runs: Sequence[MeasuredRun], at: int) -> float:
    others = [run for place, run in enumerate(runs) if place != at]
    return predict_run(fit_device(start, others), runs[at])

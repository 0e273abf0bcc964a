"""Fits a device's constants to steps that our own trainer has measured on it.

A data sheet says what a device could do; a few short runs of different sizes say what it does. Each
constant starts from the device file and is pulled towards it, so that what no run speaks of stays
where it was. Whether that helped is shown on steps that the fit did not see: the second half of
each run, and each run left out in turn.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import UserError
from lodesmith.model.config import DecoderConfig
from lodesmith.parallel.config import ParallelConfig
from lodesmith.plan.auto import layout_of
from lodesmith.plan.hardware import Device, bare_cluster
from lodesmith.plan.layout import Layout, Optimizer, Precision, Training
from lodesmith.plan.shape import ModelShape, shape_of
from lodesmith.plan.step_time import estimate_step_time

_WARM_STEPS = 2  # at the start of a run, which also allocate and compile
_LEAST_STEPS = 4  # of a run that says something
_NOISE = 0.05  # what a repeated run differs by, about
# How far each constant may go from where it starts, as a natural logarithm.
_REACH = {
    "matmul_efficiency": 0.5,
    "matmul_half_size": 0.7,
    "attention_efficiency": 0.7,
    "memory_gb_per_second": 0.5,
    "kernel_seconds": 1.0,
    "link_gb_per_second": 1.0,
}
_ROUNDS = 30
_Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredRun:
    """One training run of ours: what ran, and how long its steps took."""

    name: str
    shape: ModelShape
    layout: Layout
    training: Training
    step_seconds: tuple[float, ...]  # warm steps, in order
    num_skipped: int  # lines without a sound time
    ranks_assumed: bool  # the run does not say on how many ranks it ran

    @property
    def seconds(self) -> float:
        """The median step."""
        return median(self.step_seconds)

    def half(self, which: int) -> "MeasuredRun":
        """Return the run with the first (0) or the second (1) half of its steps."""
        middle = len(self.step_seconds) // 2
        parts = self.step_seconds[:middle], self.step_seconds[middle:]
        return replace(self, step_seconds=parts[which])


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


def read_run(path: Path, *, num_ranks: int | None = None) -> MeasuredRun:
    """Return a run of our trainer by its `metrics.jsonl`; the model and receipt lie beside it.

    Args:
        path: the file, or the folder of the pretrain artifact that holds it.
        num_ranks: processes that trained together, where the run left that to the machine.

    Raises:
        UserError: a file is missing or damaged, or too few steps are sound.
    """
    file = path / "metrics.jsonl" if path.is_dir() else path
    if not file.exists():
        what = "holds no metrics.jsonl" if path.is_dir() else "does not exist"
        raise UserError(
            f"{path}: {what}; give the folder of a pretrain artifact, such as "
            "lodesmith-workspace/artifacts/pretrain-0123456789ab, or the metrics.jsonl in it"
        )
    settings = _read_settings(file.parent / "receipt.json")
    config = DecoderConfig.from_hugging_face(_read_json(file.parent / "model" / "config.json"))
    steps, num_skipped = _read_steps(file)
    named = settings.get("num_ranks")
    known = named if isinstance(named, int) else _read_ranks(file.parent / "run.jsonl")
    ranks, micro = num_ranks or known or 1, settings["micro_batch_size"]
    parallel = settings.get("parallel")
    layout = Layout(data_parallel_size=ranks, micro_batch_size=micro)
    if isinstance(parallel, dict):
        layout = layout_of(ParallelConfig.model_validate(parallel), micro)
    precision: Precision = "bf16" if settings.get("param_dtype") == "bf16" else "fp32"
    optimizer: Optimizer = "muon" if settings.get("optimizer") == "muon" else "adamw"
    return MeasuredRun(
        name=file.parent.name,
        shape=shape_of(config, vocab_size=config.vocab_size),
        layout=layout,
        training=Training(
            global_batch_size=settings["global_batch_size"],
            sequence_length=settings["sequence_length"],
            precision=precision,
            optimizer=optimizer,
        ),
        step_seconds=steps,
        num_skipped=num_skipped,
        ranks_assumed=num_ranks is None and known is None and not isinstance(parallel, dict),
    )


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
    """Return the device whose constants meet the runs' median steps best (damped Gauss-Newton)."""
    free = [name for name in _REACH if getattr(start, name) > 0]
    first = np.array([math.log(getattr(start, name)) for name in free])
    reach = np.array([_REACH[name] for name in free])
    measured = np.array([math.log(run.seconds) for run in runs])

    def misses(vector: _Vector) -> _Vector:
        device = _device_at(start, free, vector)
        predicted = [math.log(predict_run(device, run)) for run in runs]
        return np.concatenate([(predicted - measured) / _NOISE, (vector - first) / reach])

    vector, damping, each = first, 1.0, misses(first)
    for _ in range(_ROUNDS):
        jacobian = np.stack(
            [(misses(vector + delta) - each) / 1e-5 for delta in np.eye(len(vector)) * 1e-5], axis=1
        )
        square = jacobian.T @ jacobian
        step = np.linalg.solve(square + damping * np.diag(np.diag(square)), jacobian.T @ each)
        tried = misses(vector - step)
        if tried @ tried < each @ each:
            vector, each, damping = vector - step, tried, damping / 4
        else:
            damping *= 4
    return _device_at(start, free, vector)


def _device_at(start: Device, names: Sequence[str], vector: _Vector) -> Device:
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


def device_yaml(calibration: Calibration) -> str:
    """Return the calibrated device as the text of a device file, each constant with its source."""
    runs, start = calibration.runs, calibration.start
    num_steps = sum(len(run.step_seconds) for run in runs)
    lines = [f"# {num_steps} steps of {len(runs)} runs: lodesmith plan calibrate"]
    for name, value in calibration.device.model_dump(exclude_unset=False).items():
        if name == "name":
            lines.append(f"name: {json.dumps(value, ensure_ascii=False)}")
        elif name == "peak_tflops":
            lines.append("peak_tflops:")
            for key, peak in value.items():
                source = _source(start, is_fitted=peak != start.peak_tflops[key])
                lines.append(f"  {key}: {peak:.4g} # {source}")
        else:
            is_fitted = name in _REACH and value != getattr(start, name)
            lines.append(f"{name}: {value:.4g} # {_source(start, is_fitted=is_fitted)}")
    return "\n".join(lines) + "\n"


def _source(start: Device, *, is_fitted: bool) -> str:
    return "calibrated" if is_fitted else f"as in {start.name}"


def calibration_data(calibration: Calibration) -> dict[str, Any]:
    """Return the constants and the errors on held-out steps as JSON data."""
    return {
        "device": calibration.device.model_dump(),
        "held_out": [asdict(row) for row in calibration.held_out],
    }


def calibration_text(calibration: Calibration) -> str:
    """Return what the calibration is worth, as a person reads it."""
    rows = calibration.held_out
    lines = ["Held-out steps            measured    before      after  run left out"]
    for row in rows:
        unseen = "" if row.unseen_seconds is None else f"{row.error(row.unseen_seconds):+13.1%}"
        before, after = row.error(row.before_seconds), row.error(row.after_seconds)
        name, measured = row.run[:22], row.measured_seconds
        lines.append(f"  {name:<22}{measured:10.4g} s{before:+10.1%}{after:+11.1%}{unseen}")
    before, after = (
        median(abs(row.error(getattr(row, name))) for row in rows)
        for name in ("before_seconds", "after_seconds")
    )
    lines.append(f"median error {before:.1%} before, {after:.1%} after")
    lines.extend(
        f"{name}: {getattr(calibration.start, name):.4g} -> {getattr(calibration.device, name):.4g}"
        for name in _REACH
    )
    for run in calibration.runs:
        if run.ranks_assumed:
            lines.append(f"{run.name} does not say on how many ranks it ran; 1 taken (see --ranks)")
        if run.num_skipped:
            lines.append(f"{run.name}: {run.num_skipped} lines without step_seconds left out")
    return "\n".join(lines)


def _read_settings(path: Path) -> dict[str, Any]:
    sections = _read_json(path).get("config", {})
    settings = sections.get("pretrain")
    needed = ("micro_batch_size", "global_batch_size", "sequence_length")
    if settings is None or not all(isinstance(settings.get(name), int) for name in needed):
        raise UserError(
            f"{path}: names no pretrain settings ({', '.join(needed)}); give the metrics.jsonl "
            "of a pretrain artifact"
        )
    return dict(settings)


def _read_ranks(path: Path) -> int | None:
    """Return how many ranks the run's record names, None if it has none or several numbers."""
    if not path.exists():
        return None
    events = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    numbers = {event["num_ranks"] for event in events if event.get("event") == "launched"}
    return int(numbers.pop()) if len(numbers) == 1 else None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}); metrics.jsonl must lie in its artifact's folder"
        ) from None


def _read_steps(path: Path) -> tuple[tuple[float, ...], int]:
    """Return the seconds of warm steps, and how many lines say none."""
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from None
    times = [_step_seconds(line) for line in lines]
    sound = tuple(seconds for seconds in times[_WARM_STEPS:] if seconds is not None)
    if len(sound) < _LEAST_STEPS:
        raise UserError(
            f"{path}: has {len(sound)} steps with a time after the first {_WARM_STEPS}; "
            f"at least {_LEAST_STEPS} are needed"
        )
    return sound, times.count(None)


def _step_seconds(line: str) -> float | None:
    try:
        seconds = float(json.loads(line)["step_seconds"])
    except (ValueError, KeyError, TypeError):
        return None
    return seconds if 0 < seconds < math.inf else None

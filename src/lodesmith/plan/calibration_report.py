"""A calibrated device as a file, and what it is worth, for people and machines."""

import json
from dataclasses import asdict
from statistics import median
from typing import Any

from lodesmith.plan.calibrate import REACH, Calibration
from lodesmith.plan.hardware import Device


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
            is_fitted = name in REACH and value != getattr(start, name)
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
        for name in REACH
    )
    for run in calibration.runs:
        if run.ranks_assumed:
            lines.append(f"{run.name} does not say on how many ranks it ran; 1 taken (see --ranks)")
        if run.num_skipped:
            lines.append(f"{run.name}: {run.num_skipped} lines without step_seconds left out")
    return "\n".join(lines)

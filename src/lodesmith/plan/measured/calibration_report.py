"""A calibrated device or program as a file, and what it is worth, for people and machines."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from statistics import median
from typing import Any

from lodesmith.core.units import format_counted
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.measured.calibrate import REACH, Calibration, HeldOut
from lodesmith.plan.measured.program import STACK_REACH, ProgramCalibration


def device_yaml(calibration: Calibration) -> str:
    """Return the calibrated device as the text of a device file, each constant with its source."""
    runs, start = calibration.runs, calibration.start
    num_steps = sum(len(run.step_seconds) for run in runs)
    measured = f"{format_counted(num_steps, 'step')} of {format_counted(len(runs), 'run')}"
    lines = [f"# {measured}: lodesmith plan calibrate"]
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
    lines = list(_compared_lines("Held-out steps", calibration.held_out))
    lines.extend(
        f"{name}: {getattr(calibration.start, name):.4g} -> {getattr(calibration.device, name):.4g}"
        for name in REACH
    )
    for run in calibration.runs:
        if run.ranks_assumed:
            lines.append(f"{run.name} does not say on how many ranks it ran; 1 taken (see --ranks)")
        if run.num_skipped:
            skipped = format_counted(run.num_skipped, "line")
            lines.append(f"{run.name}: {skipped} without step_seconds left out")
    return "\n".join(lines)


def _compared_lines(title: str, rows: Sequence[HeldOut]) -> Iterator[str]:
    """Yield a line for each run, and the medians."""
    yield f"{title:<24}{'measured':>10}    before      after  run left out"
    for row in rows:
        unseen = "" if row.unseen_seconds is None else f"{row.error(row.unseen_seconds):+13.1%}"
        before, after = row.error(row.before_seconds), row.error(row.after_seconds)
        name, measured = row.run[:22], row.measured_seconds
        yield f"  {name:<22}{measured:10.4g} s{before:+10.1%}{after:+11.1%}{unseen}"
    before, after = (
        median(abs(row.error(getattr(row, name))) for row in rows)
        for name in ("before_seconds", "after_seconds")
    )
    yield f"median error {before:.1%} before, {after:.1%} after"


def stack_yaml(calibration: ProgramCalibration) -> str:
    """Return the calibrated program as the text of a stack file, each value with its source."""
    lines = [f"# {len(calibration.runs)} measured layouts: lodesmith plan calibrate"]
    for name, value in calibration.stack.model_dump(exclude_defaults=True).items():
        source = "" if name == "name" else f" # as in {calibration.start.name}"
        if name in STACK_REACH:
            lines.append(f"{name}: {value:.4g} # calibrated")
        else:
            lines.append(f"{name}: {json.dumps(value, ensure_ascii=False)}{source}")
    return "\n".join(lines) + "\n"


def program_data(calibration: ProgramCalibration) -> dict[str, Any]:
    """Return the constants and the errors as JSON data."""
    return {
        "stack": calibration.stack.model_dump(),
        "compared": [asdict(row) for row in calibration.compared],
        "skipped": calibration.skipped,
    }


def program_text(calibration: ProgramCalibration) -> str:
    """Return what a program's calibration is worth, as a person reads it."""
    lines = list(_compared_lines(calibration.start.name[:24], calibration.compared))
    lines.extend(
        f"{name}: {getattr(calibration.start, name):.4g} -> {getattr(calibration.stack, name):.4g}"
        for name in STACK_REACH
    )
    networks = sorted({run.job.cluster.network_gb_per_second for run in calibration.runs})
    shown = " and ".join(f"{rate:g}" for rate in networks)
    lines.append(f"network counted with: {shown} GB/s a device (--cluster names another)")
    lines.extend(f"{count:>6,} rows left out: {why}" for why, count in calibration.skipped.items())
    return "\n".join(lines)

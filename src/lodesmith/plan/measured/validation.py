"""Predictions for measured training runs: `lodesmith plan validate ROWS.csv`.

One row is one published measurement. A row that cannot be computed gets no number and a note that
says why: a wrong number would be worse than none.
"""

import csv
import statistics
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.units import format_counted
from lodesmith.plan.measured.row import Row, explain_unknown, read_number, says_recompute
from lodesmith.plan.measured.table import MeasuredJob, read_job
from lodesmith.plan.step.memory import estimate_memory
from lodesmith.plan.step.step_time import estimate_step_time

_GIGA = 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What the planner says of one measured run."""

    id: str
    predicted_seconds: float | None
    predicted_mem_gb: float | None  # None also where the row does not say what it recomputes
    measured_seconds: float | None
    measured_mem_gb: float | None = None
    note: str  # why there is no prediction, empty if there is one

    @property
    def error(self) -> float | None:
        """Predicted over measured, less one."""
        if not self.predicted_seconds or not self.measured_seconds:
            return None
        return self.predicted_seconds / self.measured_seconds - 1

    @property
    def memory_error(self) -> float | None:
        """The same of memory."""
        if not self.predicted_mem_gb or not self.measured_mem_gb:
            return None
        return self.predicted_mem_gb / self.measured_mem_gb - 1


def predict_rows(path: Path) -> list[Prediction]:
    """Return a prediction for each row of a table of measured runs.

    Raises:
        UserError: the file cannot be read or has no column `id`.
    """
    return [predict_row(row) for row in read_table(path)]


def read_table(path: Path) -> list[Row]:
    """Return the rows of a table of measured runs.

    Raises:
        UserError: the file cannot be read or has no column `id`.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows, columns = list(reader), reader.fieldnames or []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as CSV in UTF-8: {error}") from None
    if "id" not in columns:
        shown = ", ".join(columns[:5])[:80] or "nothing"
        raise UserError(
            f"{path}: has no column id; the first line must name the columns, parted by commas, "
            f"and has {shown}"
        )
    return list(rows)


def predict_row(row: Row) -> Prediction:
    """Return the prediction for one row."""
    note = explain_unknown(row)
    seconds: float | None = None
    memory: float | None = None
    if note is None:
        try:
            seconds, memory = _predict(read_job(row))
            memory = memory if says_recompute(row) else None
        except UserError as error:
            note = f"the row makes no sense: {error}"
    return Prediction(
        id=row["id"] or "",
        predicted_seconds=seconds,
        predicted_mem_gb=memory,
        measured_seconds=_measured(row, "iteration_seconds"),
        measured_mem_gb=_measured(row, "mem_gb"),
        note=note or "",
    )


def _predict(job: MeasuredJob) -> tuple[float, float]:
    step = estimate_step_time(
        job.shape, job.layout, job.training, cluster=job.cluster, device=job.device, stack=job.stack
    )
    reserved = job.device.reserved_gb * _GIGA
    memory = estimate_memory(job.shape, job.layout, job.training, reserved_bytes=reserved)
    return step.total, memory.total / _GIGA


def _measured(row: Row, name: str) -> float | None:
    value = read_number(row, name)
    return value if value is not None and value > 0 else None


def summarise_errors(predictions: list[Prediction]) -> dict[str, float]:
    """Return how many rows were predicted, and the errors of those that were measured."""
    errors = [row.error for row in predictions if row.error is not None]
    memory = [row.memory_error for row in predictions if row.memory_error is not None]
    summary: dict[str, float] = {
        "num_rows": len(predictions),
        "num_predicted": sum(row.predicted_seconds is not None for row in predictions),
        "num_compared": len(errors),
        "num_memory_compared": len(memory),
    }
    if errors:
        summary["median_error"] = statistics.median(errors)
        summary["median_absolute_error"] = statistics.median(abs(error) for error in errors)
        summary["percentile_90_absolute_error"] = _percentile_90(errors)
    if memory:
        summary["median_absolute_memory_error"] = statistics.median(abs(each) for each in memory)
        summary["percentile_90_absolute_memory_error"] = _percentile_90(memory)
    return summary


def _percentile_90(errors: list[float]) -> float:
    return sorted(abs(error) for error in errors)[(9 * len(errors) - 1) // 10]


def validation_data(predictions: list[Prediction]) -> dict[str, Any]:
    """Return the predictions as JSON data, with the errors of those that were measured."""
    rows = [
        {
            "id": row.id,
            "predicted_seconds": row.predicted_seconds,
            "predicted_mem_gb": row.predicted_mem_gb,
            "note": row.note,
        }
        for row in predictions
    ]
    return {"rows": rows, "summary": summarise_errors(predictions)}


def validation_text(predictions: list[Prediction]) -> str:
    """Return the errors as plain text, and why rows have no prediction."""
    summary = summarise_errors(predictions)
    lines = [
        f"{summary['num_predicted']:,} of {format_counted(summary['num_rows'], 'row')} predicted, "
        f"{summary['num_compared']:,} of them measured"
    ]
    if "median_error" in summary:
        lines.append(
            f"median error {summary['median_error']:+.1%}, "
            f"median absolute error {summary['median_absolute_error']:.1%}, "
            f"90th percentile {summary['percentile_90_absolute_error']:.1%}"
        )
    if "median_absolute_memory_error" in summary:
        lines.append(
            f"memory of {format_counted(summary['num_memory_compared'], 'row')}: median absolute "
            f"error {summary['median_absolute_memory_error']:.1%}, 90th percentile "
            f"{summary['percentile_90_absolute_memory_error']:.1%}"
        )
    silent = sum(bool(row.predicted_seconds) and not row.predicted_mem_gb for row in predictions)
    if silent:
        rows = format_counted(silent, "row")
        lines.append(f"memory of {rows}: not told, as they do not say what they recompute")
    notes = Counter(row.note for row in predictions if row.note)
    lines.extend(f"{count:>6,}  {note}" for note, count in notes.most_common())
    return "\n".join(lines)

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
from lodesmith.plan.memory import estimate_memory
from lodesmith.plan.step_time import estimate_step_time
from lodesmith.plan.table import MeasuredJob, Row, explain_unknown, read_job

_GIGA = 1e9


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """What the planner says of one measured run."""

    id: str
    predicted_seconds: float | None
    predicted_mem_gb: float | None
    measured_seconds: float | None
    note: str  # why there is no prediction, empty if there is one

    @property
    def error(self) -> float | None:
        """Predicted over measured, less one."""
        if not self.predicted_seconds or not self.measured_seconds:
            return None
        return self.predicted_seconds / self.measured_seconds - 1


def predict_rows(path: Path) -> list[Prediction]:
    """Return a prediction for each row of a table of measured runs.

    Raises:
        UserError: the file cannot be read or has no column `id`.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as CSV in UTF-8: {error}") from None
    if rows and "id" not in rows[0]:
        raise UserError(f"{path}: has no column id; the first line must name the columns")
    return [predict_row(row) for row in rows]


def predict_row(row: Row) -> Prediction:
    """Return the prediction for one row."""
    note = explain_unknown(row)
    seconds = memory = None
    if note is None:
        try:
            seconds, memory = _predict(read_job(row))
        except (UserError, ValueError, ZeroDivisionError) as error:
            note = f"the row makes no sense: {error}"
    return Prediction(
        id=row["id"],
        predicted_seconds=seconds,
        predicted_mem_gb=memory,
        measured_seconds=_measured(row),
        note=note or "",
    )


def _predict(job: MeasuredJob) -> tuple[float, float]:
    step = estimate_step_time(
        job.shape, job.layout, job.training, cluster=job.cluster, device=job.device, stack=job.stack
    )
    reserved = job.device.reserved_gb * _GIGA
    memory = estimate_memory(job.shape, job.layout, job.training, reserved_bytes=reserved)
    return step.total, memory.total / _GIGA


def _measured(row: Row) -> float | None:
    try:
        return float(row.get("iteration_seconds") or "")
    except ValueError:
        return None


def summarise_errors(predictions: list[Prediction]) -> dict[str, float]:
    """Return how many rows were predicted, and the errors of those that were measured."""
    errors = [row.error for row in predictions if row.error is not None]
    summary: dict[str, float] = {
        "num_rows": len(predictions),
        "num_predicted": sum(row.predicted_seconds is not None for row in predictions),
        "num_compared": len(errors),
    }
    if errors:
        summary["median_error"] = statistics.median(errors)
        summary["median_absolute_error"] = statistics.median(abs(error) for error in errors)
    return summary


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
        f"{summary['num_predicted']:,} of {summary['num_rows']:,} rows predicted, "
        f"{summary['num_compared']:,} of them measured"
    ]
    if "median_error" in summary:
        lines.append(
            f"median error {summary['median_error']:+.1%}, "
            f"median absolute error {summary['median_absolute_error']:.1%}"
        )
    notes = Counter(row.note for row in predictions if row.note)
    lines.extend(f"{count:>6,}  {note}" for note, count in notes.most_common())
    return "\n".join(lines)

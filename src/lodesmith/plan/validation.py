"""Predictions for measured training runs: `lodesmith plan validate ROWS.csv`.

One row is one published measurement. What the planner does not model yet (experts, eight-bit
formats, context parallelism) gets no number and a note that says why: a wrong number would be
worse than none.
"""

import csv
import statistics
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.plan.hardware import Cluster, Device, load_device
from lodesmith.plan.layout import Checkpointing, Layout, Sharded, Training
from lodesmith.plan.memory import estimate_memory
from lodesmith.plan.shape import ModelShape
from lodesmith.plan.step_time import estimate_step_time

_GIGA = 1e9
_ARCHITECTURES = {"gpt", "llama"}
_PRECISIONS = {"bf16", "fp16", "amp_bf16", "te bf16"}
_DEVICES = (  # beginning of the name in the table, shipped device, network GB/s per device
    ("A100-80GB", "a100-80", 25.0),
    ("H100-80GB", "h100", 50.0),
    ("H200-141GB", "h200", 50.0),
    ("B200-SXM", "b200", 50.0),
    ("Ascend-910B", "ascend-910b", 25.0),
)
_NEEDED = ("layers", "hidden", "heads", "seq", "devices", "microbatch", "global_batch")


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


def predict_row(row: Mapping[str, str]) -> Prediction:
    """Return the prediction for one row."""
    measured = _number(row, "iteration_seconds")
    try:
        note = _explain_unknown(row)
        seconds, memory = (None, None) if note else _predict(row)
    except (UserError, ValueError, ZeroDivisionError) as error:
        note, seconds, memory = f"the row makes no sense: {error}", None, None
    return Prediction(
        id=row["id"],
        predicted_seconds=seconds,
        predicted_mem_gb=memory,
        measured_seconds=measured,
        note=note or "",
    )


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


def _explain_unknown(row: Mapping[str, str]) -> str | None:
    missing = [name for name in _NEEDED if _number(row, name) is None]
    reasons = (
        (row.get("level") == "run", "only single steps are predicted"),
        (row.get("arch") not in _ARCHITECTURES, f"architecture {_shown(row, 'arch')}"),
        (row.get("precision") not in _PRECISIONS, f"precision {_shown(row, 'precision')}"),
        ((_number(row, "cp") or 1) > 1, "context parallelism is not modelled"),
        (bool(missing), f"no {', '.join(missing)} in the row"),
        (_find_device(row) is None, f"device {_shown(row, 'device')}"),
    )
    return next((reason for applies, reason in reasons if applies), None)


def _shown(row: Mapping[str, str], name: str) -> str:
    return f"{row.get(name) or '(none)'} is not modelled"


def _predict(row: Mapping[str, str]) -> tuple[float, float]:
    shape, layout, training = _read_shape(row), _read_layout(row), _read_training(row)
    found = _find_device(row)
    assert found is not None, "checked by _explain_unknown"  # noqa: S101 our own invariant
    device, network = found
    cluster = Cluster(
        name="row",
        device=device.name,
        devices_per_node=_whole(row, "devices_per_node", 8),
        num_nodes=1,
        network_gb_per_second=network,
        storage_gb_per_second=1,
        host_watts_per_device=0,
        price_per_device_hour=0,
    )
    if training.num_micro_batches(layout) < 1:
        raise UserError("the batch is smaller than data ranks x micro-batch")
    step = estimate_step_time(shape, layout, training, cluster=cluster, device=device)
    memory = estimate_memory(shape, layout, training, reserved_bytes=device.reserved_gb * _GIGA)
    return step.total, memory.total / _GIGA


def _find_device(row: Mapping[str, str]) -> tuple[Device, float] | None:
    for beginning, name, network in _DEVICES:
        if (row.get("device") or "").startswith(beginning):
            return load_device(name), network
    return None


def _read_shape(row: Mapping[str, str]) -> ModelShape:
    hidden, heads = _whole(row, "hidden"), _whole(row, "heads")
    is_gated = row.get("gated") == "1"
    return ModelShape(
        kind="llama" if is_gated else "gpt",
        vocab_size=_whole(row, "vocab", 51_200),
        hidden_size=hidden,
        intermediate_size=_whole(row, "ffn", 4 * hidden),
        num_hidden_layers=_whole(row, "layers"),
        num_attention_heads=heads,
        num_key_value_heads=_whole(row, "kv_heads", heads),
        head_dim=hidden // heads,
        max_position_embeddings=_whole(row, "seq"),
        tie_word_embeddings=not is_gated,
    )


def _read_layout(row: Mapping[str, str]) -> Layout:
    recompute = row.get("recompute") or ""
    tensor, pipeline = _whole(row, "tp", 1), _whole(row, "pp", 1)
    return Layout(
        tensor_parallel_size=tensor,
        pipeline_parallel_size=pipeline,
        data_parallel_size=_whole(row, "dp", _whole(row, "devices") // (tensor * pipeline)),
        virtual_pipeline_size=_whole(row, "vpp", 1),
        sharded=_read_sharding(row.get("zero") or ""),
        sequence_parallel="sp" in recompute,
        activation_checkpointing=_read_checkpointing(recompute),
        micro_batch_size=_whole(row, "microbatch"),
    )


def _read_sharding(text: str) -> Sharded:
    if "fsdp" in text or text == "3":
        return "everything"
    return "optimizer" if text[:1] in ("1", "2") or text.startswith("zero1") else "nothing"


def _read_checkpointing(text: str) -> Checkpointing:
    if "selective" in text:
        return "selective"
    return "full" if text == "full" else "none"


def _read_training(row: Mapping[str, str]) -> Training:
    return Training(
        global_batch_size=_whole(row, "global_batch"),
        sequence_length=_whole(row, "seq"),
        precision="bf16",
        attention="unfused" if row.get("attn_impl") == "unfused" else "flash",
    )


def _number(row: Mapping[str, str], name: str) -> float | None:
    try:
        return float(row.get(name) or "")
    except ValueError:
        return None


def _whole(row: Mapping[str, str], name: str, otherwise: int | None = None) -> int:
    value = _number(row, name)
    if value is None:
        if otherwise is None:
            raise UserError(f"no {name} in the row")
        return otherwise
    return int(value)

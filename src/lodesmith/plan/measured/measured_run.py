"""A training run of ours as the planner sees it: what ran, and how long its steps took."""

import json
import math
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.model.hugging_face import from_hugging_face
from lodesmith.parallel.config import ParallelConfig
from lodesmith.plan.search.auto import layout_of
from lodesmith.plan.workload.layout import Layout, Optimizer, Precision, Training
from lodesmith.plan.workload.shape import ModelShape, shape_of

_WARM_STEPS = 2  # at the start of a run, which also allocate and compile
_LEAST_STEPS = 4  # of a run that says something


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
    config = from_hugging_face(_read_json(file.parent / "model" / "config.json"))
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

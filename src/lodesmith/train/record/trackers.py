"""Copies the metrics of a run to where people look at them, without holding training up.

Trackers live in the launcher's process, which reads metrics.jsonl anyway, and in a thread of their
own there: a step never waits for one. One that fails is said aloud once and left out from then on;
the run and metrics.jsonl go on.
"""

import os
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, Self

from lodesmith.core.errors import UserError
from lodesmith.core.log import warn
from lodesmith.train.config import TrackerName
from lodesmith.train.record.metrics import Record
from lodesmith.train.record.tensorboard import EventFile

TENSORBOARD_FOLDER = "tensorboard"
_CLOSE_SECONDS = 30.0  # for what is still in the queue when a run ends


class Tracker(Protocol):
    """Takes the numbers of steps."""

    def write(self, values: Record, *, step: int) -> None:
        """Take the numbers of a step."""

    def close(self) -> None:
        """Hand on what is still held."""


def _open_wandb(folder: Path, title: str) -> Tracker:  # noqa: ARG001 one form for all
    os.environ.setdefault("WANDB_MODE", "offline")  # nothing leaves the machine unless asked to
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    os.environ.setdefault("WANDB_SILENT", "true")
    return _Wandb(import_module("wandb"), title)


def _open_mlflow(folder: Path, title: str) -> Tracker:  # noqa: ARG001
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    return _MLflow(import_module("mlflow"), title)


_OPENERS: dict[TrackerName, Callable[[Path, str], Tracker]] = {
    "tensorboard": lambda folder, title: EventFile(folder / TENSORBOARD_FOLDER),  # noqa: ARG005
    "wandb": _open_wandb,
    "mlflow": _open_mlflow,
}


class Trackers:
    """Several trackers behind one queue."""

    def __init__(self, names: Sequence[TrackerName], *, folder: Path, title: str) -> None:
        """Name the trackers; they are opened in the background.

        Args:
            names: which.
            folder: of the run's files; TensorBoard's go into it, the others' where they always do.
            title: of the run.

        Raises:
            UserError: a package is not installed.
        """
        for name in set(names) - {"tensorboard"}:
            if find_spec(name) is None:
                raise UserError(
                    f"the tracker {name} is not installed; `pip install 'lodesmith[{name}]'`, or "
                    "take it out of `trackers`"
                )
        self._names, self._folder, self._title = names, folder, title
        self._trackers: dict[TrackerName, Tracker] = {}
        self._queue: queue.Queue[Record | None] = queue.Queue()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def write(self, record: Record) -> None:
        """Hand over the record of a step; returns at once."""
        self._queue.put(record)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._queue.put(None)
        self._thread.join(_CLOSE_SECONDS)

    def _work(self) -> None:
        for name in self._names:
            with self._forgiving(name):
                self._trackers[name] = _OPENERS[name](self._folder, self._title)
        while (record := self._queue.get()) is not None:
            step = int(record["step"])
            values = {name: value for name, value in record.items() if name != "step"}
            for name, tracker in list(self._trackers.items()):
                with self._forgiving(name):
                    tracker.write(values, step=step)
        for name, tracker in list(self._trackers.items()):
            with self._forgiving(name):
                tracker.close()

    @contextmanager
    def _forgiving(self, name: TrackerName) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 whatever a foreign library raises
            warn(f"{name} takes no metrics ({error}); metrics.jsonl has them all")
            self._trackers.pop(name, None)


class _Wandb:
    def __init__(self, library: Any, title: str) -> None:
        self._run = library.init(project="lodesmith", name=title)

    def write(self, values: Record, *, step: int) -> None:
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        self._run.finish()


class _MLflow:
    def __init__(self, library: Any, title: str) -> None:
        library.set_experiment("lodesmith")
        self._library = library
        library.start_run(run_name=title)

    def write(self, values: Record, *, step: int) -> None:
        self._library.log_metrics(dict(values), step=step)

    def close(self) -> None:
        self._library.end_run()

"""The one call by which stages run shards, whatever engine does the work."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from lodesmith.core.log import Progress
from lodesmith.core.shards.markers import Markers
from lodesmith.core.shards.plan import Call, Plan, Work
from lodesmith.core.shards.watch import Limits
from lodesmith.core.storage import JSON

Engine = Literal["local", "ray", "slurm"]

_RUNNERS = {  # imported when they are wanted
    "local": ("lodesmith.core.shards.local", "run_local"),
    "ray": ("lodesmith.core.shards.ray_tasks", "run_on_ray"),
    "slurm": ("lodesmith.core.shards.slurm_array", "run_on_slurm"),
}


def map_shards(  # noqa: PLR0913 what an engine must know
    work: Work,
    tasks: dict[str, tuple[Any, ...]],
    *,
    markers: Markers,
    num_workers: int,
    progress: Progress | None = None,
    limits: Limits | None = None,
    warm_up: Call | None = None,
    engine: Engine = "local",
) -> "Results":
    """Return each task's result in the order given, running those that are not done yet.

    Args:
        work: a module-level function; called as work(*arguments) in another process. It returns
            JSON data and must not depend on anything else.
        tasks: a stable name for each shard, and its arguments (picklable).
        markers: where results are kept; all nodes of a cluster must see the folder.
        num_workers: shards at once. With 1, no limits and the local engine, they run in this
            process.
        progress: advanced by one for each finished shard, also for those done before.
        limits: what one record may take; `work` then takes a keyword `watch` and notes its records
            in it, so that one which kills or hangs its worker is left out.
        warm_up: a call that loads what every shard needs.
        engine: where the shards run.

    Raises:
        EngineError: workers died again and again on one shard, or the engine has failed.
    """
    missing = {name: tasks[name] for name in tasks if not markers.is_done(name)}
    _advance(progress, len(tasks) - len(missing))
    if engine == "local" and num_workers == 1 and limits is None:
        for name, arguments in missing.items():
            markers.finish(name, work(*arguments))
            _advance(progress, 1)
    elif missing:
        plan = Plan(
            work=work, tasks=missing, markers=markers, num_workers=num_workers, limits=limits,
            warm_up=warm_up,
        )  # fmt: skip
        module, function = _RUNNERS[engine]
        getattr(import_module(module), function)(plan, lambda _: _advance(progress, 1))
    return Results(markers, list(tasks))


@dataclass(frozen=True)
class Results:
    """What tasks returned, each read when its turn comes: of many shards they would fill memory."""

    markers: Markers
    names: list[str]

    def __iter__(self) -> Iterator[JSON]:
        return map(self.markers.result, self.names)


@contextmanager
def open_engine(engine: Engine) -> Iterator[None]:
    """Hold what an engine needs between calls: a cluster of Ray's takes seconds to start."""
    if engine == "ray":
        from lodesmith.core.shards.ray_tasks import connect

        with connect():
            yield
    else:
        yield


def _advance(progress: Progress | None, amount: int) -> None:
    if progress is not None and amount:
        progress.advance(amount)

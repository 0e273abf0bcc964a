"""Work cut into shards: done once, in parallel, and never again after a kill.

A shard is a pure function of its arguments that writes its files by rename. `Markers` remembers in
a folder which pieces of work are done and what they returned; `map_shards` runs the missing ones
on a pool of processes. A killed run therefore repeats at most the shards that were in flight.
"""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from lodesmith.core.errors import EngineError
from lodesmith.core.log import Progress
from lodesmith.core.process import die_with_parent
from lodesmith.core.storage import JSON, read_json, write_json

_ATTEMPTS = 3  # a shard whose worker dies this often is given up


@dataclass(frozen=True)
class Markers:
    """A folder of done-markers, one small JSON file for each finished piece of work."""

    folder: Path

    def is_done(self, name: str) -> bool:
        """Tell whether the work of this name has been done."""
        return self._file(name).exists()

    def result(self, name: str) -> JSON:
        """Return what the finished work of this name returned."""
        return read_json(self._file(name))

    def finish(self, name: str, result: JSON) -> None:
        """Record that the work is done, and what it returned."""
        write_json(self._file(name), result)

    def once(self, name: str, work: Callable[[], JSON]) -> JSON:
        """Return the work's result, doing it only if no earlier run has."""
        if not self.is_done(name):
            self.finish(name, work())
        return self.result(name)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.done.json"


def map_shards(
    work: Callable[..., JSON],
    tasks: dict[str, tuple[Any, ...]],
    *,
    markers: Markers,
    num_workers: int,
    progress: Progress | None = None,
) -> list[JSON]:
    """Return each task's result in the order given, running those that are not done yet.

    Args:
        work: a module-level function; called as work(*arguments) in another process, or in this
            one when `num_workers` is 1. It returns JSON data and must not depend on anything else.
        tasks: a stable name for each shard, and its arguments (picklable).
        markers: where results are kept.
        num_workers: processes.
        progress: advanced by one for each finished shard, also for those done before.

    Raises:
        EngineError: a worker died three times on the same shard.
    """
    missing = [name for name in tasks if not markers.is_done(name)]
    _advance(progress, len(tasks) - len(missing))
    if num_workers == 1 or len(missing) <= 1:
        for name in missing:
            markers.finish(name, work(*tasks[name]))
            _advance(progress, 1)
    else:
        _run_pool(work, {name: tasks[name] for name in missing}, markers, num_workers, progress)
    return [markers.result(name) for name in tasks]


def _advance(progress: Progress | None, amount: int) -> None:
    if progress is not None and amount:
        progress.advance(amount)


def _run_pool(
    work: Callable[..., JSON],
    tasks: dict[str, tuple[Any, ...]],
    markers: Markers,
    num_workers: int,
    progress: Progress | None,
) -> None:
    left, deaths = dict(tasks), dict.fromkeys(tasks, 0)
    while left:
        running: list[str] = []
        try:
            _run_once(work, left, markers, num_workers, progress, running)
        except BrokenProcessPool:
            for name in running:
                deaths[name] += 1
                if deaths[name] >= _ATTEMPTS:
                    raise EngineError(
                        f"a worker process died {_ATTEMPTS} times on shard {name}, most likely out "
                        "of memory; use fewer workers or smaller shards, then run again"
                    ) from None


def _run_once(
    work: Callable[..., JSON],
    left: dict[str, tuple[Any, ...]],
    markers: Markers,
    num_workers: int,
    progress: Progress | None,
    running: list[str],
) -> None:
    context = multiprocessing.get_context("spawn")
    waiting = list(left)
    futures: dict[Future[JSON], str] = {}
    with ProcessPoolExecutor(
        num_workers, mp_context=context, initializer=die_with_parent, initargs=(os.getpid(),)
    ) as pool:
        try:
            while waiting or futures:
                while waiting and len(futures) < num_workers:
                    name = waiting.pop(0)
                    with _hidden_main():
                        futures[pool.submit(work, *left[name])] = name
                running[:] = futures.values()
                done, _ = wait(futures, return_when=FIRST_COMPLETED)
                for future in done:
                    markers.finish(futures[future], future.result())
                    left.pop(futures.pop(future))
                    _advance(progress, 1)
        except BaseException:
            _terminate(pool)
            raise


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Keep a starting worker from importing the user's script.

    A script without `if __name__ == "__main__"` would start the whole run once more in each worker
    and wait there for ever. Shard functions stand in modules, so no worker needs the script.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _terminate(pool: ProcessPoolExecutor) -> None:
    """Stop the workers at once: their shards are repeated, so nothing is lost."""
    for process in list((pool._processes or {}).values()):
        process.terminate()
    pool.shutdown(wait=False, cancel_futures=True)

"""Shards as tasks of a Ray cluster.

Each task runs one shard through the local engine on the node where Ray puts it, so a sick record
is found there; a node that dies has its tasks started elsewhere by Ray, and again by us if Ray
gives them up. Results are done-markers in the folder that all nodes see: Ray carries nothing
but names.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from lodesmith.core.errors import EngineError, LodesmithError
from lodesmith.core.log import warn
from lodesmith.core.shards.plan import Plan

_ATTEMPTS = 3  # times that Ray may give up one shard
_RETRIES = 4  # by Ray itself, each time


def run_on_ray(plan: Plan, on_done: Callable[[str], None]) -> None:
    """Run every task to its done-marker.

    Raises:
        EngineError: Ray is not installed, or its nodes died again and again on one shard.
    """
    with connect() as ray:
        cores = int(ray.cluster_resources().get("CPU", 1))
        _Tasks(plan, ray, max(1, min(plan.num_workers, cores))).run(on_done)


@contextmanager
def connect() -> Iterator[Any]:
    """Yield the module ray, connected to a cluster that is there or to one of this machine.

    Inside another such block it is that one's.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports its use by default
    try:
        import ray
    except ImportError:
        raise EngineError(
            "prepare.engine is ray, but Ray is not installed: pip install 'lodesmith[ray]'"
        ) from None
    ours = not ray.is_initialized()
    if ours:
        there = os.environ.get("RAY_ADDRESS")  # Ray's own way to name a cluster
        alone: dict[str, Any] = {"_node_ip_address": "127.0.0.1", "include_dashboard": False}
        try:
            ray.init(address=there, log_to_driver=False, **({} if there else alone))
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise EngineError(f"no Ray cluster can be reached or started: {error}") from None
    try:
        yield ray
    finally:
        if ours:
            ray.shutdown()


class _Tasks:
    """The shards that Ray has in hand: never more than can run."""

    def __init__(self, plan: Plan, ray: Any, num_at_once: int) -> None:
        self.plan, self.ray, self.num_at_once = plan, ray, num_at_once
        self.waiting = list(plan.tasks)[::-1]
        self.running: dict[Any, str] = {}
        self.lost = dict.fromkeys(plan.tasks, 0)
        self.remote = ray.remote(run_here).options(
            num_cpus=1, max_retries=_RETRIES, scheduling_strategy="SPREAD"
        )

    def run(self, on_done: Callable[[str], None]) -> None:
        try:
            while self.waiting or self.running:
                while self.waiting and len(self.running) < self.num_at_once:
                    name = self.waiting.pop()
                    self.running[self.remote.remote(_only(self.plan, name))] = name
                (reference,), _ = self.ray.wait(list(self.running))
                name = self.running.pop(reference)
                if self._has_ended(reference, name):
                    on_done(name)
        except BaseException:
            for reference in self.running:
                self.ray.cancel(reference, force=True)
            raise

    def _has_ended(self, reference: Any, name: str) -> bool:
        """Tell whether a task has done its shard; one lost with its node waits again."""
        errors = self.ray.exceptions
        try:
            self.ray.get(reference)
        except errors.RayTaskError as error:
            raise _cause_of(error) from None
        except errors.RayError as error:
            self.lost[name] += 1
            if self.lost[name] >= _ATTEMPTS:
                raise EngineError(f"Ray gave up shard {name} {_ATTEMPTS} times: {error}") from None
            warn(f"Ray lost shard {name} ({type(error).__name__}); it is started again")
            self.waiting.append(name)
            return False
        return True


def run_here(plan: Plan) -> None:
    """Run a plan on the node that has been given the task."""
    from lodesmith.core.shards.local import run_local

    if not all(map(plan.markers.is_done, plan.tasks)):  # an earlier attempt may have ended well
        run_local(plan, lambda _: None)


def _only(plan: Plan, name: str) -> Plan:
    """Return the plan for one shard."""
    return replace(plan, tasks={name: plan.tasks[name]}, num_workers=1)


def _cause_of(error: Any) -> BaseException:
    """Return what a shard's function raised, not Ray's wrapper around it."""
    cause = error.cause
    if isinstance(cause, LodesmithError | OSError):
        return cause
    return EngineError(f"a shard failed on a node of the Ray cluster: {error}")

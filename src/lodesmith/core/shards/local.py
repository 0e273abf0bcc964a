"""Shards on the processes of this machine: at most so many at once, and what becomes of deaths.

A shard whose worker dies is done again. A record that was in hand at two deaths, or once at the
end of its CPU time, is condemned and passed over; a shard that dies otherwise is given up after
three attempts, and after twenty in all.
"""

import os
import pickle
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import psutil

from lodesmith.core.errors import EngineError
from lodesmith.core.shards.nursery import (
    Job,
    Nursery,
    NurseryLostError,
    Outcome,
    close_nursery,
    open_nursery,
)
from lodesmith.core.shards.plan import Plan
from lodesmith.core.shards.watch import condemn, record_in_hand

KILLS, SLOW = "record kills its worker", "record takes too long"

_ATTEMPTS = 3  # deaths of a shard without a record in hand
_ATTEMPTS_IN_ALL = 20  # deaths that condemned no record: the machine is at fault, not the input
_POLL_SECONDS = 2.0
_STILL_SECONDS = 900.0  # without CPU time and without an end: a worker that waits for ever


@dataclass(slots=True)
class _Running:
    pid: int | None = None
    cpu_seconds: float = 0.0
    moved: float = field(default_factory=time.monotonic)  # when its CPU time last grew


def run_local(plan: Plan, on_done: Callable[[str], None]) -> None:
    """Run every task to its done-marker.

    Raises:
        EngineError: workers died again and again on one shard, and no record is to blame.
    """
    run = _Run(plan, on_done)
    try:
        run.go()
    except BaseException:
        close_nursery()
        raise


class _Run:
    def __init__(self, plan: Plan, on_done: Callable[[str], None]) -> None:
        self.plan, self.on_done = plan, on_done
        self.waiting = list(plan.tasks)[::-1]
        self.running: dict[str, _Running] = {}
        self.deaths: Counter[str] = Counter()  # of shards, no record condemned
        self.blind: Counter[str] = Counter()  # of shards, no record in hand
        self.suspects: Counter[tuple[str, str]] = Counter()

    def go(self) -> None:
        while self.waiting or self.running:
            try:
                nursery = open_nursery()
                self._fill(nursery)
                news = nursery.await_news(_POLL_SECONDS)
            except NurseryLostError:
                self._begin_again()
                continue
            if isinstance(news, Outcome):
                del self.running[news.name]
                self._settle(news)
            elif news is not None:
                self.running[news.name].pid = news.pid
            else:
                self._end_still_ones()

    def _fill(self, nursery: Nursery) -> None:
        while self.waiting and len(self.running) < self.plan.num_workers:
            name = self.waiting[-1]
            job = Job(
                name=name, work=self.plan.work, arguments=self.plan.tasks[name],
                markers=self.plan.markers, note=self.plan.note(name),
                condemned=self.plan.condemned(name), limits=self.plan.limits,
                warm_up=self.plan.warm_up,
            )  # fmt: skip
            nursery.begin(job)
            self.running[name] = _Running()
            self.waiting.pop()

    def _settle(self, outcome: Outcome) -> None:
        name = outcome.name
        if outcome.error:
            raise pickle.loads(outcome.error)  # noqa: S301 from our own child, through a pipe
        if outcome.status == 0:
            self.plan.note(name).unlink(missing_ok=True)
            self.on_done(name)
            return
        self._judge(name, outcome.status)
        self.waiting.append(name)

    def _judge(self, name: str, status: int) -> None:
        """Find out who is to blame for a worker's death."""
        record = record_in_hand(self.plan.note(name)) if self.plan.limits else None
        if record is not None:
            self.suspects[name, record] += 1
            if status == -signal.SIGPROF or self.suspects[name, record] == 2:
                why = SLOW if status == -signal.SIGPROF else KILLS
                condemn(self.plan.condemned(name), record, why)
                self.deaths[name] = self.blind[name] = 0
                return
        self.deaths[name] += 1
        self.blind[name] += record is None
        if self.blind[name] >= _ATTEMPTS or self.deaths[name] >= _ATTEMPTS_IN_ALL:
            raise EngineError(
                f"a worker process died {self.deaths[name]} times on shard {name}, most likely out "
                "of memory; use fewer workers, then run again"
            )

    def _begin_again(self) -> None:
        """Start a new nursery after the old one was killed, its children with it."""
        close_nursery()
        for name in list(self.running):
            del self.running[name]
            self.waiting.append(name)
            self.deaths[name] += 1
        if not self.deaths:
            self.deaths[""] += 1
        if max(self.deaths.values()) >= _ATTEMPTS:
            raise EngineError(
                f"the process that starts workers died {_ATTEMPTS} times, most likely out of "
                "memory; use fewer workers, then run again"
            )

    def _end_still_ones(self) -> None:
        """Kill workers that used no CPU time for long; their shards are repeated."""
        now = time.monotonic()
        for worker in self.running.values():
            if worker.pid is None:
                continue
            try:
                times = psutil.Process(worker.pid).cpu_times()
            except psutil.Error:
                continue
            spent = times.user + times.system + times.children_user + times.children_system
            if spent > worker.cpu_seconds + 0.05:
                worker.cpu_seconds, worker.moved = spent, now
            elif now - worker.moved > _STILL_SECONDS:
                os.kill(worker.pid, signal.SIGKILL)
                worker.moved = now

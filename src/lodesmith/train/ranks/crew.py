"""Which machines train together now, and their ranks as one thing to start, look at and end.

Every machine has room for the same number of ranks. What is left after a fault decides how many
train: the layout shrinks along data parallelism, and grows again when machines come back.
"""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from lodesmith.core.divisors import list_divisors
from lodesmith.core.errors import EngineError, UserError
from lodesmith.core.gpus import find_gpus
from lodesmith.core.log import say
from lodesmith.core.process import count_free_cores
from lodesmith.parallel.config import ParallelConfig
from lodesmith.train.ahead.checks import as_layout, check_job
from lodesmith.train.config import TrainingConfig
from lodesmith.train.job import RankTask, TrainingJob
from lodesmith.train.ranks.hub import Hub
from lodesmith.train.ranks.local_ranks import LocalRanks, Look
from lodesmith.train.ranks.restart import choose_size
from lodesmith.train.ranks.standby import Starter
from lodesmith.train.ranks.watch import Fault

_POLL_SECONDS = 0.1
_NODES_SECONDS = 600.0  # to wait for nodes without which no layout fits
_BETTER_SECONDS = 1.0  # to wait for a fault that explains another: a death behind a lost connection
_TELLING = ("killed", "frozen", "unreachable", "stalled", "failed")  # the most telling first


class _Ranks(Protocol):
    """The running ranks of one machine, this one or another."""

    def look(self) -> Look:
        """Return how far they are and what is wrong with them."""

    def ask_to_stop(self) -> None:
        """Ask them to save and end."""

    def kill(self) -> None:
        """End them at once."""


class Team:
    """The running ranks of one attempt."""

    def __init__(self, tasks: Sequence[RankTask], nodes: Sequence[_Ranks]) -> None:
        self.tasks, self._nodes = tasks, nodes

    def look(self) -> Look:
        """Return what all machines show together."""
        looks = [node.look() for node in self._nodes]
        faults = [look.fault for look in looks if look.fault is not None]
        return Look(
            step=max(look.step for look in looks),
            ended=all(look.ended for look in looks),
            fault=min(faults, key=_order, default=None),
        )

    def explain(self, fault: Fault) -> Fault:
        """Return what is behind a fault: ranks also fail because another has gone."""
        deadline = time.monotonic() + _BETTER_SECONDS
        while fault.what == "failed" and time.monotonic() < deadline:
            if any(task.error_file.exists() for task in self.tasks):
                return fault  # it has said why
            time.sleep(_POLL_SECONDS)
            fault = min((self.look().fault or fault, fault), key=_order)
        return fault

    def ask_to_stop(self) -> None:
        """Ask all ranks to save and end."""
        for node in self._nodes:
            node.ask_to_stop()


class Crew:
    """The machines of a run."""

    def __init__(
        self, job: TrainingJob, hub: Hub | None, *, starter: Starter, memory: Path | None
    ) -> None:
        """Gather the machines.

        Args:
            job: what is trained.
            hub: where other machines join; None is this machine alone.
            starter: of ranks on this machine.
            memory: this machine's folder of second copies of the state.
        """
        self.job, self._hub, self._starter, self._memory = job, hub, starter, memory
        self.wanted = choose_num_ranks(job.config)
        self.jobs = possible_jobs(job, wanted=self.wanted)
        self._per_node = choose_ranks_here(job.config)

    def wait_for_all(self, stop: Callable[[], bool]) -> None:
        """Return when as many machines as the run was made for are here, or none is to come.

        Raises:
            EngineError: they did not come in time.
        """
        self._wait(lambda: self._places() >= self.wanted or stop())

    def choose(self, *, lost_places: int, stop: Callable[[], bool]) -> int:
        """Return how many ranks train next; waits for machines while no layout fits.

        Args:
            lost_places: ranks to do without.
            stop: whether to stop waiting.

        Raises:
            EngineError: too few machines came back in time.
        """
        sizes = list(self.jobs)
        self._wait(lambda: self._places() >= min(sizes) or stop())
        return choose_size(sizes, available=max(self._places() - lost_places, min(sizes)))

    def could_be(self, size: int) -> bool:
        """Tell whether more than `size` ranks could train now."""
        return choose_size(list(self.jobs), available=self._places()) > size

    @contextmanager
    def start(self, size: int, attempt: Path) -> Iterator[Team]:
        """Start ranks on the machines that are here; none is left when the block ends."""
        members = [] if self._hub is None else self._hub.members
        several = self._hub is not None and size > self._per_node
        meet = f"{self._hub.host}:{self._hub.free_port()}" if self._hub and several else None
        # Whole models are computed on one core each: any number of ranks gives the same bits.
        whole = self.job.config.parallel is None
        threads = 1 if whole else max(1, count_free_cores() // min(size, self._per_node))
        tasks = [
            RankTask(
                job=self.jobs[size], rank=rank, num_ranks=size, num_threads=threads,
                attempt=attempt, parent_pid=os.getpid(), node=rank // self._per_node,
                meeting_point=meet, memory=self._memory,
            )
            for rank in range(size)
        ]  # fmt: skip
        own = [task for task in tasks if task.node == 0]
        address = self._hub.host if self._hub and several else "127.0.0.1"
        with ExitStack() as stack:
            nodes: list[_Ranks] = [
                stack.enter_context(LocalRanks(own, starter=self._starter, address=address))
            ]
            for number, member in enumerate(members, start=1):
                theirs = [task for task in tasks if task.node == number]
                if theirs:
                    stack.callback(member.kill)
                    member.start(theirs)
                    nodes.append(member)
            yield Team(tasks, nodes)

    def _places(self) -> int:
        members = 0 if self._hub is None else len(self._hub.members)
        return min((1 + members) * self._per_node, self.wanted)

    def _wait(self, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _NODES_SECONDS
        said = False
        while not ready():
            if not said and self._hub is not None:
                say(f"{self._places()} of {self.wanted} places for ranks; on the other nodes run:")
                say(f"  lodesmith join {self._hub.address} --key-file {self._hub.key_file}")
                said = True
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{self._places()} of {self.wanted} places for ranks are here after "
                    f"{_NODES_SECONDS:.0f} s; run `lodesmith join` on the other nodes"
                )
            time.sleep(_POLL_SECONDS)


def choose_num_ranks(config: TrainingConfig) -> int:
    """Return how many processes train together: the layout's, else two on two cores or GPUs."""
    if config.parallel is not None:
        return as_layout(config.parallel).num_ranks
    if config.num_ranks == "auto":
        here = count_free_cores() if config.device == "cpu" else len(find_gpus() or [])
        return 2 if here >= 2 or config.nodes is not None else 1
    return config.num_ranks


def choose_ranks_here(config: TrainingConfig) -> int:
    """Return how many of them have a place on each machine."""
    num_nodes = 1 if config.nodes is None else config.nodes.num_nodes
    return -(-choose_num_ranks(config) // num_nodes)


def possible_jobs(job: TrainingJob, *, wanted: int) -> dict[int, TrainingJob]:
    """Return by the number of ranks the ways to train a job, its own the largest.

    Whole models take one rank or two. A layout gives up copies of the model first, then shards;
    what is within a copy (tensor, pipeline, context, experts) stays as it is.
    """
    if job.config.parallel is None:
        return {size: job for size in (1, 2) if size <= wanted}
    full = as_layout(job.config.parallel)
    replicas, shards = full.data_parallel_replicate_size, full.data_parallel_shard_size
    sizes = [(count, shards) for count in reversed(list_divisors(replicas))]
    sizes += [(1, count) for count in reversed(list_divisors(shards))]
    jobs = {wanted: job}
    for replicate, shard in sizes:
        changed = {"data_parallel_replicate_size": replicate, "data_parallel_shard_size": shard}
        try:
            layout = ParallelConfig(**{**full.model_dump(), **changed})
            smaller = replace(job, config=job.config.model_copy(update={"parallel": layout}))
            check_job(smaller, num_ranks=layout.num_ranks)
        except (UserError, ValueError):
            continue  # it does not divide, or does not fit into memory
        jobs.setdefault(layout.num_ranks, smaller)
    return jobs


def _order(fault: Fault) -> int:
    return _TELLING.index(fault.what)

"""The ranks of this machine: processes of their own, started, looked at and ended together."""

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import psutil

from lodesmith.core.errors import EngineError
from lodesmith.train.job import RankTask
from lodesmith.train.loop.pulse import PulseBoard, Sign
from lodesmith.train.ranks.standby import Starter
from lodesmith.train.ranks.watch import Fault, Watcher

_LOG_LINES = 12  # of a dead rank, for the message


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the ranks of one machine show at one moment."""

    step: int  # optimizer steps that the furthest rank has done
    ended: bool = False  # all have ended well
    fault: Fault | None = None


class LocalRanks:
    """Running ranks; none is left when the context ends, however it ends."""

    def __init__(
        self, tasks: Sequence[RankTask], *, starter: Starter, address: str = "127.0.0.1"
    ) -> None:
        """Start the ranks.

        Args:
            tasks: of ranks on this machine, in one attempt.
            starter: of this machine.
            address: of this machine, over which ranks talk to their peers.
        """
        self._tasks = [
            replace(task, slot=slot, parent_pid=os.getpid()) for slot, task in enumerate(tasks)
        ]
        self._board = PulseBoard(self._tasks[0].pulse_file, num_ranks=len(tasks))
        self._watcher = Watcher()
        self._starter, self._trains_since = starter, 0.0
        self._processes = starter.start(self._tasks, interface=find_interface(address))

    def look(self) -> Look:
        """Return how far the ranks are, whether they have ended, and what is wrong if anything."""
        codes = [process.poll() for process in self._processes]
        signs = {
            task.rank: self._read(task.slot)
            for task, code in zip(self._tasks, codes, strict=True)
            if code is None
        }
        steps = [self._board.read(task.slot).step for task in self._tasks]
        self._prepare(max(steps))
        fault = self._dead(codes) if any(codes) else None
        return Look(
            step=max(steps),
            ended=not signs and not any(codes),
            fault=fault or self._watcher.look(signs, now=time.monotonic()),
        )

    def ask_to_stop(self) -> None:
        """Ask the ranks to save and end."""
        self._board.ask_to_stop()

    def kill(self) -> None:
        """End all ranks at once: whatever they were writing is whole or absent."""
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def _prepare(self, step: int) -> None:
        """Have processes wait for the next start once training has gone on for a while."""
        now = time.monotonic()
        if not step:
            self._trains_since = now
        elif now - self._trains_since > self._starter.after_seconds:
            self._starter.prepare(self._tasks[0], num_ranks=len(self._tasks))

    def _read(self, slot: int) -> Sign:
        try:
            halted = psutil.Process(self._processes[slot].pid).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            halted = False  # it has just ended: the next look says so
        return self._board.read(slot, halted=halted)

    def _dead(self, codes: Sequence[int | None]) -> Fault:
        # A signal explains more than the broken connection that other ranks died of.
        code, task = min(
            ((code, task) for code, task in zip(codes, self._tasks, strict=True) if code),
            key=lambda dead: (dead[0], dead[1].rank),
        )
        text = task.log_file.read_text(encoding="utf-8", errors="replace")
        log = "\n".join(text.splitlines()[-_LOG_LINES:])
        if code < 0:
            says = f"rank {task.rank} was killed by signal {-code}"
            return Fault(what="killed", rank=task.rank, says=says, log=log)
        says = f"rank {task.rank} ended with code {code}"
        return Fault(what="failed", rank=task.rank, says=says, log=log)


def find_interface(address: str) -> str:
    """Return the name of the network interface that has an address of this machine.

    Raises:
        EngineError: there is none.
    """
    for name, found in psutil.net_if_addrs().items():
        if any(entry.family == socket.AF_INET and entry.address == address for entry in found):
            return name
    raise EngineError(
        f"no network interface of this machine has the address {address}; `ip address` lists them"
    )

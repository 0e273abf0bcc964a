"""Processes that wait, with everything imported, to become ranks when ranks are lost.

Importing torch takes most of the seconds between a fault and the next step. So when a run has
trained for a while, as many processes as it has ranks here are started and told nothing yet. A run
that ends before never pays for them.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from typing import IO, Self

from lodesmith.core.storage import write_json
from lodesmith.train.job import RankTask

_AFTER_SECONDS = 30.0  # of training; a fault before that waits for imports

Process = subprocess.Popen[bytes]


class Starter:
    """Starts the ranks of this machine, from waiting processes where there are some."""

    def __init__(self) -> None:
        self.after_seconds = _AFTER_SECONDS
        self._waiting: list[Process] = []

    def start(self, tasks: Sequence[RankTask], *, interface: str) -> list[Process]:
        """Return a running process for each task."""
        waiting = []
        for process in self._waiting:
            if process.poll() is None:
                waiting.append(process)
            else:
                _end(process)
        self._waiting = []
        for process in waiting[len(tasks) :]:
            _end(process)
        for task in tasks[len(waiting) :]:
            with task.log_file.open("wb") as log:  # says what the import of torch may say
                waiting.append(_start_waiting(task.num_threads, log))
        for process, task in zip(waiting, tasks, strict=False):
            _tell(process, task, interface)
        return waiting[: len(tasks)]

    def prepare(self, task: RankTask, *, num_ranks: int) -> None:
        """Have processes wait, if none do."""
        if not self._waiting:
            self._waiting = [_start_waiting(task.num_threads) for _ in range(num_ranks)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._waiting:
            _end(process)


def _start_waiting(num_threads: int, log: IO[bytes] | int = subprocess.DEVNULL) -> Process:
    threads = str(num_threads)
    # Large pages: else a sixth of a small model's step goes to fetching memory 4 KB at a time.
    settings = {
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "THP_MEM_ALLOC_ENABLE": os.environ.get("THP_MEM_ALLOC_ENABLE", "1"),
    }
    # -P: a file called torch.py in the user's folder must not be taken for the library.
    command = [sys.executable, "-P", "-m", "lodesmith.train.ranks.worker", str(os.getpid())]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=subprocess.STDOUT,
        env={**os.environ, **settings},
    )


def _tell(process: Process, task: RankTask, interface: str) -> None:
    """Make a waiting process a rank; one that has just died is noticed with the other ranks."""
    task_file = task.attempt / f"rank-{task.rank}.json"
    write_json(task_file, task.to_json())
    task.log_file.touch()
    assert process.stdin is not None  # noqa: S101 a pipe, see above
    try:
        process.stdin.write(f"{interface}\n{task_file}\n".encode())
        process.stdin.close()
    except BrokenPipeError:
        return


def _end(process: Process) -> None:
    process.kill()
    if process.stdin is not None:
        process.stdin.close()
    process.wait()

"""Runs a training job in processes of its own, shows how it goes, and says why if it fails.

This side imports no torch: the ranks do the work, and what they write (metrics, checkpoints, the
model) is on disk. A killed job is run again with the same arguments and goes on from its last
checkpoint.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import psutil

from lodesmith.core.errors import DamagedArtifactError, EngineError, LodesmithError, UserError
from lodesmith.core.log import say, show_progress
from lodesmith.core.process import count_free_cores
from lodesmith.core.storage import JSON, read_json, write_json
from lodesmith.train.config import TrainingConfig
from lodesmith.train.job import RankTask, TrainingJob
from lodesmith.train.metrics import LineReader

_POLL_SECONDS = 0.1
_LOG_LINES = 12  # of a dead rank, for the message
_ERRORS: dict[int, type[LodesmithError]] = {
    error.exit_code: error for error in (UserError, DamagedArtifactError, EngineError)
}
_Process = subprocess.Popen[bytes]


def run_training(job: TrainingJob) -> JSON:
    """Train, or go on training, until the model folder is written; return the run's facts.

    The facts are the same whenever the run is repeated: num_parameters, num_steps, tokens_seen,
    learnt_tokens, samples_consumed, first_loss, final_loss and the settings that matter most.

    Raises:
        UserError: data or settings do not allow it, or the loss is no longer a number.
        DamagedArtifactError: data or the model to start from is damaged.
        EngineError: a rank has died.
    """
    if not job.finished_file.exists():
        job.scratch.mkdir(parents=True, exist_ok=True)
        attempt = Path(tempfile.mkdtemp(prefix="attempt-", dir=job.scratch))
        num_ranks = choose_num_ranks(job.config)
        tasks = [
            RankTask(
                job=job, rank=rank, num_ranks=num_ranks, attempt=attempt, parent_pid=os.getpid()
            )
            for rank in range(num_ranks)
        ]
        with _started(tasks) as processes:
            _watch(tasks, processes)
        shutil.rmtree(attempt)
    return read_json(job.finished_file)


def choose_num_ranks(config: TrainingConfig) -> Literal[1, 2]:
    """Return how many processes train together: two where two cores are free."""
    if config.num_ranks == "auto":
        return 2 if count_free_cores() >= 2 else 1
    return config.num_ranks


@contextmanager
def _started(tasks: Sequence[RankTask]) -> Iterator[list[_Process]]:
    """Yield the running ranks; none is left when the block ends, however it ends."""
    processes: list[_Process] = []
    try:
        for task in tasks:
            processes.append(_start(task))  # noqa: PERF401 known before the next may fail
        yield processes
    finally:
        for process in processes:
            process.kill()  # at once: whatever they were writing is whole or absent
            process.wait()


def _start(task: RankTask) -> _Process:
    task_file = task.attempt / f"rank-{task.rank}.json"
    write_json(task_file, task.to_json())
    one_core = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    loopback = {"GLOO_SOCKET_IFNAME": find_loopback()}
    # -P: a file called torch.py in the user's folder must not be taken for the library.
    command = [sys.executable, "-P", "-m", "lodesmith.train.worker", str(task_file)]
    with task.log_file.open("wb") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **one_core, **loopback},
        )


def find_loopback() -> str:
    """Return the name of the interface that has the address 127.0.0.1.

    Raises:
        EngineError: there is none.
    """
    for name, addresses in psutil.net_if_addrs().items():
        for address in addresses:
            if address.family == socket.AF_INET and address.address == "127.0.0.1":
                return name
    raise EngineError("no network interface has the address 127.0.0.1; set num_ranks to 1")


def _watch(tasks: Sequence[RankTask], processes: Sequence[_Process]) -> None:
    first, config = tasks[0], tasks[0].job.config
    while not first.started_file.exists():
        if _all_ended(tasks, processes):
            return
    started = read_json(first.started_file)
    for message in started["messages"]:
        say(message)
    lines = LineReader(first.job.metrics_file)
    seen = started["step"]
    total = config.max_steps * config.step_tokens
    with show_progress(
        first.job.title, total=total, unit="tokens", done=seen * config.step_tokens
    ) as progress:
        ended = False
        while not ended:
            ended = _all_ended(tasks, processes)  # first, so that the last lines are read after it
            for record in map(json.loads, lines.new_lines()):
                steps = max(0, record["step"] - seen)
                seen += steps
                note = f"loss {record['loss']:.3f}, step {seen:,} of {config.max_steps:,}"
                progress.advance(steps * config.step_tokens, note=note)


def _all_ended(tasks: Sequence[RankTask], processes: Sequence[_Process]) -> bool:
    """Tell whether all ranks have ended well, after a short wait if they have not.

    Raises:
        LodesmithError: one has not ended well.
    """
    codes = [process.poll() for process in processes]
    if any(codes):
        time.sleep(_POLL_SECONDS)  # peers of a dead rank fail too; its own report comes first
        raise _explain(tasks, [process.poll() for process in processes])
    if None in codes:
        time.sleep(_POLL_SECONDS)
    return None not in codes


def _explain(tasks: Sequence[RankTask], codes: Sequence[int | None]) -> LodesmithError:
    for task in tasks:
        if task.error_file.exists():
            fault = read_json(task.error_file)
            return _ERRORS[fault["exit_code"]](fault["message"])
    # A signal explains more than the broken connection that the other rank died of.
    worst = min((code, rank) for rank, code in enumerate(codes) if code)
    code, rank = worst
    log = tasks[rank].log_file.read_text(encoding="utf-8", errors="replace")
    end = "\n".join(log.splitlines()[-_LOG_LINES:])
    how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
    return EngineError(
        f"{tasks[rank].job.title}: rank {rank} {how}; run the same command again to go on from the "
        f"last checkpoint. The end of its log:\n{end or '(nothing)'}"
    )

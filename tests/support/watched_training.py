"""Training in processes of its own that tests can hurt: find the ranks, wait for a step, freeze."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
from tiny_training import make_job

from lodesmith.train.record.metrics import read_metrics
from lodesmith.train.record.record import read_record

_PROGRAM = """
import json, sys
from pathlib import Path
import tiny_training
from lodesmith.core.errors import StoppedError
from lodesmith.train.ranks import crew
from lodesmith.train.ranks.launch import run_training
crew.count_free_cores = lambda: 1  # a rank has one thread, whatever machine this is
try:
    make = getattr(tiny_training, sys.argv[3])
    run_training(make(Path(sys.argv[1]), **json.loads(sys.argv[2])))
except StoppedError as error:
    print(error)
"""


def start_training(
    folder: Path, settings: str, *, make: str = "make_job", prefix=()
) -> subprocess.Popen[bytes]:
    """Start `run_training` of a tiny job in a process of its own.

    Args:
        folder: of the job.
        settings: of the job, as JSON.
        make: the function of `tiny_training` that makes it.
        prefix: command words before Python's, such as those of `ip netns exec`.
    """
    return subprocess.Popen(
        [*prefix, sys.executable, "-c", _PROGRAM, str(folder), settings, make],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def ranks_of(pid: int) -> list[psutil.Process]:
    """Return the ranks that a process has started, by their number; none of those that wait."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            log = Path(f"/proc/{child.pid}/fd/1").readlink()
        except OSError:
            continue
        if log.match("attempt-*/rank-*.log"):
            found.append((log.name, child))
    return [child for _, child in sorted(found, key=lambda pair: pair[0])]


def wait_for(condition, *, seconds: float = 270.0):
    """Return what `condition()` gives once it is true."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError("what was waited for did not come")


def wait_for_step(job, step: int) -> None:
    """Return when a step's line stands in the metrics."""
    wait_for(lambda: len(read_metrics(job.metrics_file)) >= step)


def events_of(job, kind: str) -> list[dict]:
    """Return the events of one kind in a run's record."""
    return [event for event in read_record(job.record_file) if event["event"] == kind]


__all__ = ["events_of", "make_job", "ranks_of", "start_training", "wait_for", "wait_for_step"]

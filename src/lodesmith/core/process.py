"""Child processes that never outlive their parent, memory given back, and what a run cost.

A killed `lodesmith run` must leave no orphan that goes on writing into the workspace, so every
child calls `die_with_parent` first.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

_PR_SET_PDEATHSIG = 1  # prctl(2)
_SAMPLE_SECONDS = 0.5


def die_with_parent(parent_pid: int) -> None:
    """Make this process end when its parent ends, however it ends.

    On Linux the kernel sends SIGKILL; elsewhere a thread looks once a second. Ctrl-C reaches the
    whole terminal group: children leave it to the parent, which stops them in order.

    Args:
        parent_pid: os.getpid() of the parent, taken there before the child started.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch_parent, args=(parent_pid,), daemon=True).start()
    if os.getppid() != parent_pid:  # it ended before we asked
        os._exit(1)


def _watch_parent(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(1)
    os._exit(1)


def count_free_cores() -> int:
    """Return the cores this process may use: affinity and the container's quota counted."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    quota = _read_cgroup_quota()
    return max(1, min(cores or 1, int(quota)) if quota else cores or 1)


def _read_cgroup_quota() -> float | None:
    """Return the CPU limit of cgroup v2 in cores, None where there is none."""
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:  # noqa: PTH123 a kernel file
            limit, period = file.read().split()
    except (OSError, ValueError):
        return None
    return None if limit == "max" else max(1.0, int(limit) / int(period))


def give_back_memory() -> None:
    """Return freed memory to the system.

    glibc keeps freed pieces of less than 32 MB for later; other C libraries are left to themselves.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@dataclass
class Cost:
    """What a piece of work took."""

    seconds: float = 0.0  # wall time
    cpu_seconds: float = 0.0  # of this process and its finished children
    peak_memory_bytes: int = 0  # resident, of the whole process tree, sampled


@contextlib.contextmanager
def measure_cost() -> Iterator[Cost]:
    """Yield a record that holds the block's cost when the block has ended, also by an error."""
    cost, stop = Cost(), threading.Event()
    sampler = threading.Thread(target=_sample_memory, args=(cost, stop), daemon=True)
    started, cpu_started = time.monotonic(), _cpu_seconds()
    sampler.start()
    try:
        yield cost
    finally:
        stop.set()
        sampler.join()
        cost.seconds = time.monotonic() - started
        cost.cpu_seconds = _cpu_seconds() - cpu_started


def _cpu_seconds() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def _sample_memory(cost: Cost, stop: threading.Event) -> None:
    process = psutil.Process()
    while True:
        total = 0
        for member in [process, *process.children(recursive=True)]:
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
        cost.peak_memory_bytes = max(cost.peak_memory_bytes, total)
        if stop.wait(_SAMPLE_SECONDS):
            return

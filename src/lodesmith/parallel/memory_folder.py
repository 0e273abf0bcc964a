"""A folder in memory that outlives a run's ranks, but not the run: its launcher owns it.

When ranks are started again after a fault, the launcher is still there, and so are the copies that
the ranks before left in the folder. It is removed when the launcher is done; one that was killed
leaves it behind, and the next launcher of the same user removes it. No torch here.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

_ROOT = Path("/dev/shm")  # noqa: S108 Linux's memory; folders in it are made for this user only
_PREFIX = "lodesmith-"


@contextmanager
def open_memory_folder(root: Path = _ROOT) -> Iterator[Path | None]:
    """Yield a fresh folder in memory that this process owns; None where the system has none."""
    if not os.access(root, os.W_OK):
        yield None
        return
    _sweep(root)
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{_me()}-", dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _me() -> str:
    """Return this process's number and its start, which a later process of that number has not."""
    return f"{os.getpid()}-{_start_of(os.getpid())}"


def _start_of(pid: int) -> int:
    return int(psutil.Process(pid).create_time() * 100)


def _sweep(root: Path) -> None:
    """Remove the folders of this user's launchers that are no more."""
    for folder in root.glob(f"{_PREFIX}*-*-*"):
        pid, started, _ = folder.name.removeprefix(_PREFIX).split("-", 2)
        if not (pid.isdigit() and started.isdigit() and folder.stat().st_uid == os.getuid()):
            continue
        alive = False
        with suppress(psutil.Error):
            alive = abs(_start_of(int(pid)) - int(started)) <= 1
        if not alive:
            shutil.rmtree(folder, ignore_errors=True)

"""A folder for work in progress beside an output, which does not outlive a killed run for ever.

SIGKILL, a scheduler's SIGTERM or a lost machine leave the folder behind, and it may be as large as
the corpus. So each run holds a lock in its own, and removes those that nobody holds any more.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = ".lodesmith-clean-"
_LOCK = "lock"


@contextmanager
def scratch_folder(beside: Path) -> Iterator[Path]:
    """Yield an empty folder in another one; both are gone when the block ends, and old ones too.

    Args:
        beside: where it is made; on the disk that the output goes to, so that files can be renamed.
    """
    _remove_old(beside)
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=beside) as name:
        folder = Path(name)
        descriptor = _hold(folder)
        try:
            yield folder
        finally:
            os.close(descriptor)


def _hold(folder: Path) -> int:
    """Lock a folder; its lock has a name only once it is held, so that nobody takes it for old."""
    new = folder / "lock.new"
    descriptor = os.open(new, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    with suppress(OSError):  # a file system without locks: then nobody gets this one either
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(folder / _LOCK)
    return descriptor


def _remove_old(beside: Path) -> None:
    for lock in beside.glob(f"{_PREFIX}*/{_LOCK}"):
        with suppress(OSError), lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)

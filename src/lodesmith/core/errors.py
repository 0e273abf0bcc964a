"""Every error that Lodesmith raises on purpose.

LodesmithError
├── UserError              exit 2: what the user wrote or gave is wrong
├── DamagedArtifactError   exit 3: a file on disk is not what its receipt says
├── EngineError            exit 4: a thing we need failed (apt-get, pip, a rank, a port, a disk)
└── StoppedError           exit 0: asked to stop (SIGTERM), saved, and so ended before the end

A message says what is wrong, where, what was got, and what to do. The command line prints it in
one line, without a traceback, and exits with the class's code.
"""

import errno
from typing import ClassVar


class LodesmithError(Exception):
    """Base of all errors raised on purpose."""

    exit_code: ClassVar[int] = 1


class UserError(LodesmithError):
    """The recipe, the command line or the input is wrong."""

    exit_code: ClassVar[int] = 2


class DamagedArtifactError(LodesmithError):
    """A stored file is torn, missing or changed."""

    exit_code: ClassVar[int] = 3


class EngineError(LodesmithError):
    """A program, peer, device or disk that we need has failed."""

    exit_code: ClassVar[int] = 4


class StoppedError(LodesmithError):
    """The work was asked to stop and has saved what it did: no fault, but no result either."""

    exit_code: ClassVar[int] = 0


_DISK_FAULTS = {  # what is wrong, and what to do
    errno.ENOSPC: ("no space left on the disk", "free some"),
    errno.EDQUOT: ("the disk quota is used up", "free some of it"),
    errno.EROFS: ("the disk is read-only", "make it writable"),
    errno.EACCES: ("permission denied", "grant it"),
}


def explain_os_error(error: OSError, *, doing: str) -> EngineError | None:
    """Return a clear error for a full, read-only or forbidden disk; None for any other fault.

    Args:
        error: what the operating system said.
        doing: what was being done, as in "writing pretrain-3f2a".
    """
    if error.errno not in _DISK_FAULTS:
        return None
    fault, remedy = _DISK_FAULTS[error.errno]
    where = f" ({error.filename})" if error.filename else ""
    return EngineError(
        f"{fault} while {doing}{where}; nothing half-written counts as done: "
        f"{remedy} and run the same command again"
    )

"""Runs a command on a disk that is too small for it, and once more after the disk has grown."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """
set -e
mount -t tmpfs -o size=$SIZE none "$DISK"
eval "$BEFORE"
set +e
"$@" >"$LOG.first" 2>&1
echo $? >"$LOG.first.code"
eval "$BETWEEN" >"$LOG.between" 2>&1
mount -o remount,size=500m "$DISK"
"$@" >"$LOG.second" 2>"$LOG.second.err"
echo $? >"$LOG.second.code"
eval "$AFTER" >"$LOG.after" 2>&1
"""
_APART = ("unshare", "--mount", "--map-root-user")


@dataclass(frozen=True)
class SmallDisk:
    """What was said."""

    first: str  # by the command on the small disk
    first_code: int
    between: str  # by the look at the disk before it grows
    second: str
    second_code: int
    second_errors: str
    after: str


def can_mount(folder: Path) -> bool:
    """Tell whether a tmpfs may be mounted over a folder, in a space of mounts of its own."""
    if shutil.which("unshare") is None:
        return False
    script = ["sh", "-c", f"mount -t tmpfs -o size=1m none {folder}"]
    return subprocess.run([*_APART, *script], capture_output=True, check=False).returncode == 0


def run_on_small_disk(
    command: list[str],
    *,
    disk: Path,
    log: Path,
    size: str,
    before: str = "",
    between: str = "",
    after: str = "",
) -> SmallDisk:
    """Run a command twice and shell lines around it.

    Args:
        command: what is run.
        disk: an empty folder.
        log: beginning of the names of files that keep what is said.
        size: of the disk at first, as in "300k"; it has 500 MB later.
        before: run on the disk before the command.
        between: run after the command's first run.
        after: run after its second.
    """
    lines = {"BEFORE": before or ":", "BETWEEN": between or ":", "AFTER": after or ":"}
    result = subprocess.run(
        [*_APART, "sh", "-c", _SCRIPT, "sh", *command],
        env={**os.environ, "DISK": str(disk), "LOG": str(log), "SIZE": size, **lines},
        capture_output=True, check=False, timeout=240,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr

    def said(name: str) -> str:
        return Path(f"{log}.{name}").read_text()

    return SmallDisk(
        first=said("first"), first_code=int(said("first.code")), between=said("between"),
        second=said("second"), second_code=int(said("second.code")),
        second_errors=said("second.err"), after=said("after"),
    )  # fmt: skip

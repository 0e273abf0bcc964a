"""What each caller has used today, in a file that outlives the server.

Beside `keys.txt` stands `keys.txt.used-2026-11-27` with a line for each answer: a name and a number
of tokens. A line is added by one write and never changed, which costs microseconds, and a server
that is killed has lost nothing; of a file that a full disk has torn the other lines still count.
Only a machine that loses its power may lose the last seconds. Files of earlier days are removed.
"""

import os
from collections import Counter
from datetime import date
from pathlib import Path

from lodesmith.core.log import warn

_MARK = ".used-"
_EPOCH = date(1970, 1, 1).toordinal()


class UsageFile:
    """The file of one day after the other, beside a file of keys; used from one thread."""

    def __init__(self, keys: Path) -> None:
        self._keys = keys
        self._is_open = True

    def read(self, day: int) -> Counter[str]:
        """Return the tokens that each caller has used on a day, and remove files of days before.

        Args:
            day: days since 1970, UTC.
        """
        used: Counter[str] = Counter()
        path = self._path(day)
        try:
            for old in self._keys.parent.iterdir():
                if old.name.startswith(f"{self._keys.name}{_MARK}") and old.name < path.name:
                    old.unlink(missing_ok=True)
            lines = path.read_bytes().splitlines() if path.exists() else []
        except OSError as error:
            self._give_up(error)
            return used
        for line in lines:
            name, _, count = line.decode(errors="replace").rpartition(" ")
            if name and count.isdecimal():
                used[name] += int(count)
        return used

    def add(self, day: int, name: str, num_tokens: int) -> None:
        """Note that a caller has used some tokens."""
        if not self._is_open:
            return
        try:
            _append(self._path(day), f"\n{name} {num_tokens}")  # a torn line ends here
        except OSError as error:
            self._give_up(error)

    def _path(self, day: int) -> Path:
        name = date.fromordinal(_EPOCH + day).isoformat()
        return self._keys.with_name(f"{self._keys.name}{_MARK}{name}")

    def _give_up(self, error: OSError) -> None:
        """Answers matter more than counts: say once that they will not outlive the server."""
        self._is_open = False
        warn(f"tokens of today are counted in memory only, {self._keys.parent}: {error}")


def _append(path: Path, line: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, line.encode())
    finally:
        os.close(handle)

"""metrics.jsonl: one JSON line for each step, and each step once, also after a restart."""

import json
import os
from pathlib import Path
from typing import IO, Any, Self

from lodesmith.core.storage import write_bytes

Record = dict[str, int | float]


class MetricsFile:
    """Appends records; open it with the number of steps whose records are kept."""

    def __init__(self, path: Path, *, steps_done: int) -> None:
        kept = [record for record in read_metrics(path) if record["step"] <= steps_done]
        write_bytes(path, b"".join(_line(record) for record in kept))
        self._file: IO[bytes] = path.open("ab", buffering=0)

    def write(self, record: Record) -> None:
        """Append a record; readers see it at once."""
        self._file.write(_line(record))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def read_metrics(path: Path) -> list[Record]:
    """Return the records of a file; a last line that a kill has torn is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [json.loads(line) for line in lines]


class LineReader:
    """Reads what others append to a text file, whole lines at a time.

    A file that was replaced is read from its start again.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._place, self._file_id = path, 0, 0

    def new_lines(self) -> list[str]:
        """Return the lines that were finished since the last call."""
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_ino != self._file_id:  # written anew after a roll-back or restart
                self._file_id, self._place = status.st_ino, 0
            file.seek(self._place)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._place += len(whole)
        return whole.decode(errors="replace").splitlines()


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"

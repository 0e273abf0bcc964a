"""Reads a task's questions: rows of JSON lines or CSV, each with the place that it came from."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.data.entries import plain_name, read_entries, read_text
from lodesmith.evaluate.benchmarks.task_file import TaskFile

_FIELD = re.compile(r"\{([A-Za-z_][\w.]*)\}")
_SUBJECT_END = re.compile(r"_(?:dev|val|test|train)$")
LABEL = "{label}"


@dataclass(frozen=True, slots=True)
class Item:
    """A row of a task's file."""

    row: Mapping[str, Any]
    origin: str  # file:line
    subject: str  # the file's name without its ending and its part
    is_sealed: bool = False  # nothing of it is told in a message

    def fill(self, text: str) -> str:
        """Return a text with the row's values in the place of `{field}`.

        Raises:
            UserError: the row has no such field.
        """
        return _FIELD.sub(lambda match: self._value(match[1]), text)

    def _value(self, path: str) -> str:
        if path == "subject":
            return self.subject
        value: Any = self.row
        for name in path.split("."):
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            raise UserError(
                f"{self.origin}: has no field {path}, which the task's text names; it has "
                f"{', '.join(self.row)}"
            )
        return "、".join(map(str, value)) if isinstance(value, list) else str(value)


def read_items(folder: Path, patterns: Sequence[str], *, task: str) -> list[Item]:
    """Return the rows of the files that the first fitting pattern names.

    Raises:
        UserError: no pattern fits a file, or a file is empty or not what its ending says.
    """
    for pattern in patterns:
        files = sorted(folder.glob(pattern))
        if files:
            items = [item for file in files for item in _read_file(file, folder)]
            if not items:
                raise UserError(f"{files[0]} holds no question of the task {task}")
            return items
    raise UserError(
        f"{folder} has no file {' or '.join(patterns)}, which the task {task} reads; give the "
        "folder of its data with --data"
    )


def find_files(folder: Path, task: TaskFile) -> list[Path]:
    """Return all files of a task that are there: text that no model may be trained on."""
    patterns = (*task.items, *task.examples)
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


def _read_file(path: Path, folder: Path) -> Iterator[Item]:
    name = plain_name(path)
    subject = _SUBJECT_END.sub("", Path(name).stem)
    shown, is_sealed = path.relative_to(folder), name != path.name
    rows = _csv_rows(path) if name.endswith(".csv") else _json_rows(path)
    for line, row in rows:
        yield Item(row=row, origin=f"{shown}:{line}", subject=subject, is_sealed=is_sealed)


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        for row in reader:
            yield reader.line_num, {key or "number": value for key, value in row.items()}
    except csv.Error as error:
        raise UserError(
            f"{path}:{reader.reader.line_num}: is no CSV ({error}); the file may be cut off: "
            "fetch or write it again"
        ) from None


def _json_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, row in read_entries(path):
        if not isinstance(row, dict):
            raise UserError(f"{path}:{line}: is no JSON object; each record is one question")
        yield line, row

"""Where the passes leave a shard's work for each other."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.storage import write_bytes


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard's files; `folder` is scratch, `final` holds what stays."""

    number: int
    folder: Path
    final: Path

    @property
    def name(self) -> str:
        """Number of the shard as it stands in file names."""
        return f"{self.number:05d}"

    @property
    def cleaned(self) -> Path:
        """Stream after the first pass."""
        return self.folder / f"cleaned-{self.name}.jsonl.zst"

    @property
    def text_hashes(self) -> Path:
        """Hash of each document's text, in order."""
        return self.folder / f"text-hashes-{self.name}.npy"

    @property
    def line_counts(self) -> Path:
        """Hashes of lines, and in how many documents each stands."""
        return self.folder / f"line-counts-{self.name}.npy"

    @property
    def known_lines(self) -> Path:
        """Hashes of the shard's lines that stand in an earlier shard as well."""
        return self.folder / f"known-lines-{self.name}.npy"

    @property
    def is_copy(self) -> Path:
        """For each document of `cleaned`, whether an equal one comes before it."""
        return self.folder / f"is-copy-{self.name}.npy"

    @property
    def unique(self) -> Path:
        """Stream after the second pass."""
        return self.folder / f"unique-{self.name}.jsonl.zst"

    @property
    def signatures(self) -> Path:
        """MinHash of each document of `unique`, one a row."""
        return self.folder / f"signatures-{self.name}.npy"

    @property
    def similarities(self) -> Path:
        """For each document of `unique`, how alike an earlier one is; 0 where none is."""
        return self.folder / f"similarities-{self.name}.npy"

    @property
    def documents(self) -> Path:
        """What stays, in the end."""
        return self.final / f"documents-{self.name}.jsonl.zst"

    @property
    def rejected(self) -> Path:
        """What was dropped, in the end."""
        return self.final / f"rejected-{self.name}.jsonl.zst"


def repeated_lines_file(folder: Path) -> Path:
    """Return where the hashes of the corpus's repeated lines are."""
    return folder / "repeated-lines.npy"


def write_array(path: Path, array: NDArray[Any]) -> None:
    """Write an array as .npy, whole or not at all."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    write_bytes(path, buffer.getvalue())


def read_array(path: Path) -> NDArray[Any]:
    """Return an array of `write_array`."""
    array: NDArray[Any] = np.load(path, allow_pickle=False)
    return array

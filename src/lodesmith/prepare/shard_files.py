"""Where the passes leave a shard's work for each other."""

from dataclasses import dataclass
from pathlib import Path

BYTES_PER_BYTE = 8  # memory of a merge for each byte of rows it reads: sorting makes copies
MERGED = {  # step -> the rows that its merge reads
    "exact_duplicates": ("texts", "lines", "runs"),
    "near_duplicates": ("bands",),
}


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
    def unique(self) -> Path:
        """Stream after the second pass."""
        return self.folder / f"unique-{self.name}.jsonl.zst"

    @property
    def documents(self) -> Path:
        """What stays, in the end."""
        return self.final / f"documents-{self.name}.jsonl.zst"

    @property
    def rejected(self) -> Path:
        """What was dropped, in the end."""
        return self.final / f"rejected-{self.name}.jsonl.zst"


@dataclass(frozen=True, slots=True)
class Parts:
    """Files of rows between the passes: of each kind one for each shard or range of keys."""

    folder: Path
    num_shards: int

    def file(self, kind: str, number: int) -> Path:
        """Return the file of one shard or range."""
        return self.folder / f"{kind}-{number:05d}.rows"

    def files(self, kind: str, count: int | None = None) -> list[Path]:
        """Return the files of a kind, of all shards if no number is given."""
        return [
            self.file(kind, number) for number in range(self.num_shards if count is None else count)
        ]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Into how many ranges of keys each merge was cut, 0 where there was none."""

    copies: int = 0
    lines: int = 0
    runs: int = 0
    near: int = 0

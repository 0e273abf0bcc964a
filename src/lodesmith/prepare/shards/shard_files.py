"""Where the passes leave a shard's work for each other.

The first pass cuts what it makes of a shard into `pieces`; each is a shard of the later passes.
"""

from collections.abc import Sequence
from contextlib import suppress
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

    def piece(self, number: int) -> "Shard":
        """Return a piece of this shard, as the first pass leaves it in a folder of the shard's."""
        return Shard(number, self.folder / f"pieces-{self.name}", self.final)

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


def number_pieces(shards: Sequence[Shard], counts: Sequence[int]) -> list[Shard]:
    """Number the pieces of all shards in source order, and put their files in one folder.

    A run that was killed meanwhile does the same again: what has been moved is where it belongs.

    Args:
        shards: as the first pass was given them.
        counts: into how many pieces it has cut each.
    """
    pieces: list[Shard] = []
    for shard, count in zip(shards, counts, strict=True):
        for number in range(count):
            piece = Shard(len(pieces), shard.folder, shard.final)
            for old, new in zip(_files(shard.piece(number)), _files(piece), strict=True):
                with suppress(FileNotFoundError):
                    old.rename(new)
            pieces.append(piece)
    return pieces


def _files(shard: Shard) -> list[Path]:
    """Return what the first pass writes, if its steps are run."""
    kinds = MERGED["exact_duplicates"]
    return [shard.cleaned, *(Parts(shard.folder, 0).file(kind, shard.number) for kind in kinds)]


@dataclass(frozen=True, slots=True)
class Ranges:
    """Into how many ranges of keys each merge was cut, 0 where there was none."""

    copies: int = 0
    lines: int = 0
    runs: int = 0
    near: int = 0

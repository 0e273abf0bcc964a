"""The files that a domain is learnt from, plain or sealed, and their records with their places."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.seal import ENDING, seal
from lodesmith.core.storage import hash_file, write_bytes
from lodesmith.data.entries import JSON_ENDINGS, plain_name, read_entries, read_text

TEXT_ENDINGS = (".txt",)
SEALED_ENDINGS = tuple(ending + ENDING for ending in (".jsonl", ".json", *TEXT_ENDINGS))
_ALL_ENDINGS = (*JSON_ENDINGS, *TEXT_ENDINGS, *SEALED_ENDINGS)


def list_files(names: Sequence[str]) -> list[Path]:
    """Return the files that names stand for: itself, or all that can be read below a folder.

    Raises:
        UserError: a name is neither, or holds nothing that can be read.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = [file for file in sorted(path.rglob("*")) if _can_read(file)]
            if not inside:
                raise UserError(f"{path} holds no file that can be read here ({_endings()})")
            found.extend(inside)
        elif not path.is_file():
            raise UserError(f"{path} is neither a file nor a folder; check the domain's `files`")
        elif not _can_read(path):
            raise UserError(f"{path} is no kind of file known here; give {_endings()}")
        else:
            found.append(path)
    return found


def hash_files(names: Sequence[str]) -> dict[str, str]:
    """Return the SHA-256 of each file that names stand for, by its path as given."""
    return {str(path): hash_file(path) for path in list_files(names)}


def read_records(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the records of a file, each with its place as `file:line`; a text file is one.

    Raises:
        UserError: naming file and line: not UTF-8, not JSON, or cut off.
    """
    if plain_name(path).endswith(TEXT_ENDINGS):
        yield f"{path}:1", {"text": read_text(path)}
        return
    for line, entry in read_entries(path):
        yield f"{path}:{line}", entry


def _can_read(path: Path) -> bool:
    return path.name.lower().endswith(_ALL_ENDINGS) and path.is_file()


def _endings() -> str:
    return ", ".join(_ALL_ENDINGS)


def seal_files(inputs: Sequence[Path], folder: Path, key: bytes) -> list[Path]:
    """Write files sealed, under names that say nothing of them; return where.

    Raises:
        UserError: an input is not there, or of a kind that cannot be learnt from.
    """
    written = []
    for path in list_files([str(path) for path in inputs]):
        if path.name.endswith(ENDING):
            raise UserError(f"{path} is sealed already")
        text = read_text(path)
        for _ in read_records(path):
            pass  # a torn file is found before it is locked away
        data = text.encode()
        kind = ".txt" if path.name.endswith(TEXT_ENDINGS) else ".jsonl"
        number = hashlib.sha256(seal(data, key)).hexdigest()[:16]
        target = folder / f"{number}{kind}{ENDING}"
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(target, seal(data, key))
        written.append(target)
    return written

"""Files that are whole or absent: write beside, flush to disk, rename.

Every durable file of Lodesmith is written through this module, so that a process killed at any
moment leaves either the old file, the new file or nothing, and a stray temporary that the next
run overwrites.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

JSON = Any  # what json.dumps takes; a full recursive type would help nobody here

TEMPORARY_PATTERN = ".*.tmp"  # names of files that are being written

_BLOCK_BYTES = 1 << 20


@contextmanager
def replace_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a binary file that becomes `path` only if the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace the file with these bytes, at once or not at all."""
    with replace_file(path) as file:
        file.write(data)


def write_text(path: Path, text: str) -> None:
    """Replace the file with this text in UTF-8, at once or not at all."""
    write_bytes(path, text.encode())


def write_json(path: Path, value: JSON) -> None:
    """Replace the file with indented JSON, keys in the order given."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def read_json(path: Path) -> JSON:
    """Return the value of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def sync_folder(path: Path) -> None:
    """Make renames inside a folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal text."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def hash_json(value: JSON) -> str:
    """Return the SHA-256 of a value's canonical JSON (sorted keys, no spaces).

    >>> hash_json({"b": 1, "a": 2}) == hash_json({"a": 2, "b": 1})
    True
    """
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()

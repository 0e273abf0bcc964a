"""Records of the files that a domain is learnt from, each with the file and the line it stands on.

JSON files hold one record a line, or one list of records; which it is, the file's first character
says and not its name, for many `.json` files in the wild hold lines. A text file is one record.
A file that was cut off is named with the line where it ends: nothing of it is learnt.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.seal import ENDING, reveal, seal
from lodesmith.core.storage import hash_file, write_bytes
from lodesmith.data.json_record import decode_record, load_record
from lodesmith.data.rows import ROW_FAULTS, open_lines

JSON_ENDINGS = (".jsonl", ".json", ".jsonl.gz", ".jsonl.zst", ".json.gz", ".json.zst")
TEXT_ENDINGS = (".txt",)
SEALED_ENDINGS = tuple(ending + ENDING for ending in (".jsonl", ".json", *TEXT_ENDINGS))
_ALL_ENDINGS = (*JSON_ENDINGS, *TEXT_ENDINGS, *SEALED_ENDINGS)
_SPACE = " \t\r\n"


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


def read_entries(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the records of a file, each with its place as `file:line`.

    Raises:
        UserError: naming file and line: not UTF-8, not JSON, or cut off.
    """
    text = _read_text(path)
    if path.name.removesuffix(ENDING).endswith(TEXT_ENDINGS):
        yield f"{path}:1", {"text": text}
    elif text.lstrip(_SPACE).startswith("["):
        yield from _list_entries(text, path)
    else:
        yield from _line_entries(text, path)


def _line_entries(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    lines = text.split("\n")
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield f"{path}:{number}", load_record(line)
        except json.JSONDecodeError as error:
            if number == last and _is_cut(error, line):
                raise _cut_off(path, number, error) from None
            raise _no_json(path, number, error) from None


def _list_entries(text: str, path: Path) -> Iterator[tuple[str, Any]]:
    at, line, counted = text.index("[") + 1, 1, 0
    while True:
        at = _skip(text, at, _SPACE)
        line, counted = line + text.count("\n", counted, at), at
        if text.startswith("]", at):
            return
        try:
            entry, end = decode_record(text, at)
        except json.JSONDecodeError as error:
            fault_line = text.count("\n", 0, error.pos) + 1
            if _is_cut(error, text):
                raise _cut_off(path, fault_line, error) from None
            raise _no_json(path, fault_line, error) from None
        yield f"{path}:{line}", entry
        at = _skip(text, end, _SPACE)
        if text.startswith(",", at):
            at += 1
        elif not text.startswith("]", at):
            raise UserError(
                f"{path}:{text.count(chr(10), 0, at) + 1}: the list is not closed or misses a "
                "comma here: the file may be cut off; fetch or write it again"
            )


def _skip(text: str, at: int, letters: str) -> int:
    while at < len(text) and text[at] in letters:
        at += 1
    return at


def _is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """Tell whether a text is wrong only in that it ends too early."""
    return error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip())


def _cut_off(path: Path, line: int, error: json.JSONDecodeError) -> UserError:
    return UserError(
        f"{path}:{line}: the file is cut off in the middle of a record ({error.msg}); fetch or "
        "write it again, or remove that record"
    )


def _no_json(path: Path, line: int, error: json.JSONDecodeError) -> UserError:
    return UserError(
        f"{path}:{line}: is not JSON ({error.msg}); write one record a line, or one list of them"
    )


def _read_text(path: Path) -> str:
    try:
        if path.name.endswith(ENDING):
            return reveal(path.read_bytes(), name=str(path)).decode("utf-8-sig")
        with open_lines(path) as file:
            return file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except ROW_FAULTS as error:
        raise UserError(f"{path}: cannot be unpacked ({error}); fetch it again") from None


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
        text = _read_text(path)
        for _ in read_entries(path):
            pass  # a torn file is found before it is locked away
        data = text.encode()
        kind = ".txt" if path.name.endswith(TEXT_ENDINGS) else ".jsonl"
        number = hashlib.sha256(seal(data, key)).hexdigest()[:16]
        target = folder / f"{number}{kind}{ENDING}"
        folder.mkdir(parents=True, exist_ok=True)
        write_bytes(target, seal(data, key))
        written.append(target)
    return written

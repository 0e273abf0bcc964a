"""Records of files that people bring: JSON, packed or sealed or neither, each with its line.

JSON files hold one record a line, or one list of records; which it is, the file's first character
says and not its name, for many `.json` files in the wild hold lines. A file that was cut off is
named with the line where it ends.
"""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.seal import ENDING, reveal
from lodesmith.data.json_record import decode_record, load_record
from lodesmith.data.rows import ROW_FAULTS, unpack

JSON_ENDINGS = (".jsonl", ".json", ".jsonl.gz", ".jsonl.zst", ".json.gz", ".json.zst")

_SPACE = " \t\r\n"


def plain_name(path: Path) -> str:
    """Return a file's name without what says that it is sealed."""
    return path.name.removesuffix(ENDING)


def read_text(path: Path) -> str:
    """Return the text of a file, unpacked as its name says, opened where its key is granted.

    Raises:
        UserError: it is sealed and its key is not granted, torn, or no UTF-8.
        DamagedArtifactError: it was changed after it was sealed.
    """
    try:
        data = reveal(path.read_bytes(), name=str(path))
        with unpack(io.BytesIO(data), Path(plain_name(path)).suffix) as file:
            return file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except ROW_FAULTS as error:
        raise UserError(f"{path}: cannot be unpacked ({error}); fetch it again") from None


def read_entries(path: Path) -> Iterator[tuple[int, Any]]:
    """Return the records of a JSON file, each with the line that it begins on.

    Raises:
        UserError: naming file and line: as `read_text`, not JSON, or cut off.
        DamagedArtifactError: as `read_text`.
    """
    return parse_entries(read_text(path), name=str(path))


def parse_entries(text: str, *, name: str) -> Iterator[tuple[int, Any]]:
    """Yield the records of a JSON file's text, as `read_entries`; its name is for messages."""
    if text.lstrip(_SPACE).startswith("["):
        yield from _list_entries(text, name)
    else:
        yield from _line_entries(text, name)


def _line_entries(text: str, name: str) -> Iterator[tuple[int, Any]]:
    lines = text.split("\n")
    last = max((number for number, line in enumerate(lines, 1) if line.strip()), default=0)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield number, load_record(line)
        except json.JSONDecodeError as error:
            if number == last and _is_cut(error, line):
                raise _cut_off(name, number, error) from None
            raise _no_json(name, number, error) from None


def _list_entries(text: str, name: str) -> Iterator[tuple[int, Any]]:
    at, line, counted = text.index("[") + 1, 1, 0
    while True:
        at = _skip_space(text, at)
        line, counted = line + text.count("\n", counted, at), at
        if text.startswith("]", at):
            return
        try:
            entry, end = decode_record(text, at)
        except json.JSONDecodeError as error:
            fault_line = text.count("\n", 0, error.pos) + 1
            if _is_cut(error, text):
                raise _cut_off(name, fault_line, error) from None
            raise _no_json(name, fault_line, error) from None
        yield line, entry
        at = _skip_space(text, end)
        if text.startswith(",", at):
            at += 1
        elif not text.startswith("]", at):
            raise UserError(
                f"{name}:{text.count(chr(10), 0, at) + 1}: the list is not closed or misses a "
                "comma here: the file may be cut off; fetch or write it again"
            )


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACE:
        at += 1
    return at


def _is_cut(error: json.JSONDecodeError, text: str) -> bool:
    """Tell whether a text is wrong only in that it ends too early."""
    return error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip())


def _cut_off(name: str, line: int, error: json.JSONDecodeError) -> UserError:
    return UserError(
        f"{name}:{line}: the file is cut off in the middle of a record ({error.msg}); fetch or "
        "write it again, or remove that record"
    )


def _no_json(name: str, line: int, error: json.JSONDecodeError) -> UserError:
    return UserError(
        f"{name}:{line}: is not JSON ({error.msg}); write one record a line, or one list of them"
    )

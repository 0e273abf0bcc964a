"""Rows of tables that others made: JSON lines (plain, gzip, Zstandard) and Parquet.

Each row comes once, as a mapping or with the reason why it is none; what a single row has wrong
never costs those behind it. A file that is torn raises one of `ROW_FAULTS` after its last row.
"""

import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import zstandard

ROW_FAULTS = (OSError, EOFError, ValueError, zlib.error, zstandard.ZstdError)

_BATCH_ROWS, _BATCH_BYTES = 256, 4 << 20  # of a table, held at a time
_READ_BYTES = 1 << 20  # of each column of a table; a row group may be as large as its file
_SKIP_BYTES = 1 << 20  # read at once of a line that is too long
_STEP_BYTES = 4096  # of input: a Zstandard bomb of that size unpacks to 128 MiB at most
_MAX_WINDOW_BYTES = 1 << 27  # what a Zstandard decoder should bear (RFC 8878, section 3.1.1.1.2)


_JSON_NAMES = {"NoneType": "null", "bool": "true or false", "int": "a number", "float": "a number",
               "str": "a text", "list": "a list", "dict": "an object"}  # fmt: skip


def name_value(value: Any) -> str:
    """Return what a JSON value is, in JSON's words.

    >>> name_value(None), name_value([1])
    ('null', 'a list')
    """
    return _JSON_NAMES.get(type(value).__name__, f"a {type(value).__name__}")


@dataclass(frozen=True, slots=True)
class Row:
    """One row, or what stands in its place."""

    number: int  # from 1, empty lines counted
    values: dict[str, Any] = field(default_factory=dict)
    """Texts of a Parquet table, and those of a JSON line that are no UTF-8, are bytes."""
    fault: str | None = None  # why there are no values: the same words for all such rows
    value: int | None = None  # what was measured of the fault
    num_bytes: int = 0  # of a line that is at fault


def read_json_rows(
    path: Path, *, max_bytes: int, start: int = 0, end: int | None = None, number: int = 0
) -> Iterator[Row]:
    """Yield the rows of a file of JSON lines.

    Args:
        path: the file; compressed where its name says so.
        max_bytes: a longer line is a fault, and is never held.
        start: byte where a line begins, the first that is meant.
        end: byte where the first line begins that is not meant any more; None: to the end.
        number: lines before `start`.
    """
    left = (end or 0) - start
    with open_lines(path) as file:
        if start:
            file.seek(start)
        while (end is None or left > 0) and (line := file.readline(max_bytes)):
            number += 1
            left -= len(line)
            if len(line) == max_bytes and not line.endswith(b"\n"):
                rest = _skip_line(file)
                left -= rest
                size = len(line) + rest
                yield Row(number, fault="line is too long", value=size, num_bytes=size)
            elif line.strip():
                yield _parse_line(line, number)


def _parse_line(line: bytes, number: int) -> Row:
    try:
        values = _load(line)
    except (ValueError, RecursionError):
        return Row(number, fault="line is no JSON", value=number, num_bytes=len(line))
    if not isinstance(values, dict):
        return Row(number, fault="line is no JSON object", value=number, num_bytes=len(line))
    return Row(number, values)


def _load(line: bytes) -> Any:
    try:
        return json.loads(line)
    except UnicodeDecodeError:
        values = json.loads(line.decode("utf-8", "surrogateescape"))
    if not isinstance(values, dict):
        return values
    return {name: _as_written(value) for name, value in values.items()}


def _as_written(value: Any) -> Any:
    """Return a text that is no UTF-8 as its bytes, so that its reader finds out the charset."""
    if not isinstance(value, str):
        return value
    try:
        value.encode()
    except UnicodeEncodeError:
        return value.encode("utf-8", "surrogateescape")
    return value


def _skip_line(file: IO[bytes]) -> int:
    """Read to the end of a line without holding it, and return how many bytes that were."""
    size = 0
    while piece := file.readline(_SKIP_BYTES):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


def list_columns(path: Path) -> list[str]:
    """Return the names of a Parquet table's columns."""
    import pyarrow
    import pyarrow.parquet

    try:
        return list(pyarrow.parquet.read_schema(path).names)
    except pyarrow.ArrowException as error:  # some are no ValueError
        raise ValueError(str(error)) from None


def read_table_rows(
    path: Path,
    *,
    columns: Sequence[str] | None,
    start: int = 0,
    end: int | None = None,
    number: int = 0,
) -> Iterator[Row]:
    """Yield the rows of a Parquet table.

    Args:
        path: the file.
        columns: those that are wanted, where the table has them; None: all.
        start: the first row group that is meant.
        end: the first that is not meant any more; None: to the end.
        number: rows before `start`.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path, buffer_size=_READ_BYTES, pre_buffer=False) as table:
            there = table.schema_arrow.names
            chosen = there if columns is None else [name for name in columns if name in there]
            groups = range(start, table.metadata.num_row_groups if end is None else end)
            size = _rows_at_once(table.metadata)
            for batch in table.iter_batches(size, columns=chosen, row_groups=groups):
                rows = _list_rows(batch) if chosen else [{}] * batch.num_rows
                for values in rows:
                    number += 1
                    yield Row(number, values)
    except pyarrow.ArrowException as error:  # some are no ValueError
        raise ValueError(str(error)) from None


def _rows_at_once(metadata: Any) -> int:
    """Return how many rows are read together: whole books may stand in them."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    largest = max((each.total_byte_size // max(1, each.num_rows) for each in groups), default=1)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, largest)))


def _list_rows(batch: Any) -> list[dict[str, Any]]:
    """Return the rows of a batch with texts as bytes: one that is no UTF-8 must not cost others."""
    import pyarrow

    columns: dict[str, list[Any]] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pyarrow.types.is_dictionary(column.type):
            column = column.dictionary_decode()  # noqa: PLW2901 what it stands for
        if pyarrow.types.is_string(column.type):
            column = column.cast(pyarrow.binary())  # noqa: PLW2901
        elif pyarrow.types.is_large_string(column.type):
            column = column.cast(pyarrow.large_binary())  # noqa: PLW2901
        columns[name] = column.to_pylist()
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def is_plain(path: Path) -> bool:
    """Tell whether lines of a file can be read without those before them."""
    return path.suffix.lower() not in (".gz", ".zst")


def open_lines(path: Path) -> IO[bytes]:
    """Open a file of lines that may be compressed with gzip or Zstandard, as its name says."""
    return unpack(path.open("rb", buffering=1 << 20), path.suffix)


def unpack(file: IO[bytes], ending: str) -> IO[bytes]:
    """Return a file's bytes unpacked, if its name ends in that of gzip or Zstandard."""
    open_frame = _FRAMES.get(ending.lower())
    return (
        file if open_frame is None else io.BufferedReader(_UnpackedFile(file, open_frame), 1 << 20)
    )


def _open_zstd() -> Any:
    return zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW_BYTES).decompressobj()


# Each opens a decoder of one member or frame, with `decompress`, `eof` and `unused_data`.
_FRAMES: dict[str, Callable[[], Any]] = {
    ".gz": lambda: zlib.decompressobj(16 + zlib.MAX_WBITS),
    ".zst": _open_zstd,
}


class _UnpackedFile(io.RawIOBase):
    """Unpacked bytes of gzip members or Zstandard frames, all that stand before a torn place.

    The libraries' own readers lose what they have unpacked when the file breaks off, or take the
    place for its end.
    """

    def __init__(self, file: IO[bytes], open_frame: Callable[[], Any]) -> None:
        self._file = file
        self._open_frame = open_frame
        self._frame: Any = None  # the open one
        self._is_first = True
        self._raw = self._pending = b""

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._file.close()
        super().close()

    def readinto(self, buffer: Any) -> int:
        while not self._pending:
            self._raw = self._raw or self._file.read(_STEP_BYTES)
            if not self._raw:
                if self._frame is not None:
                    raise EOFError("the file is cut short")
                return 0
            if self._frame is None and not self._is_first:
                self._raw = self._raw.lstrip(b"\0")  # what pads a file that was copied in blocks
                if not self._raw:
                    continue
            self._unpack()
        count = min(len(buffer), len(self._pending))
        buffer[:count] = self._pending[:count]
        self._pending = self._pending[count:]
        return count

    def _unpack(self) -> None:
        self._frame = self._frame or self._open_frame()
        self._is_first = False
        self._pending, self._raw = self._frame.decompress(self._raw), b""
        if self._frame.eof:
            self._raw, self._frame = self._frame.unused_data, None

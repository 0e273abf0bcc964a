"""Records that are beyond doubt, many at a time: the quick way through an archive.

A kernel inflates a block of the file and finds the records in it. It takes those that are just as
the standard wants them and stops at the first that is not; the slower reader then says what can
be saved there, and where to go on.
"""

import functools
from collections.abc import Callable, Iterator
from typing import IO

import numpy as np

from lodesmith.data.warc_http import UndecodableBodyError, split_content_type, unpack_http
from lodesmith.data.warc_record import MAX_PAYLOAD_BYTES, Damage, WarcRecord
from lodesmith.native import warc as kernel

_INPUT_BYTES = 512 << 10
_OUTPUT_BYTES = 4 << 20  # larger records go the slower way, which is not slower for them
_MAX_ROWS = 2048

_split_type = functools.lru_cache(maxsize=1024)(split_content_type)


class RecordBatches:
    """Reads a file of gzip members, or an uncompressed one, as far as it is beyond doubt."""

    def __init__(self, file: IO[bytes], *, compressed: bool) -> None:
        self.stopped_at: int | None = None  # where `read_from` ended; None at the file's end
        self.num_read = 0  # by the last `read_from`
        self._file, self._compressed = file, compressed
        self._reader = kernel.BlockReader(
            output_bytes=_OUTPUT_BYTES if compressed else 0,
            max_rows=_MAX_ROWS,
            max_block_bytes=MAX_PAYLOAD_BYTES,
        )
        room = np.empty(_INPUT_BYTES if compressed else _OUTPUT_BYTES, np.uint8)
        self._address, self._input = room.ctypes.data, room.data
        self._have = 0  # bytes of the input in use

    def read_from(self, start: int, report: Callable[[Damage], None]) -> Iterator[WarcRecord]:
        """Yield records from a place on; afterwards `stopped_at` says where it was left."""
        self._file.seek(start)
        self._reader.start()
        self._have, self.num_read, position = 0, 0, start
        while True:
            is_all = self._fill()
            read = self._reader.read_members if self._compressed else self._reader.read_plain
            reason = read(self._address, self._have, is_all=is_all)
            for row in self._reader.rows():
                try:
                    yield self._make_record(row, position, report)
                except UndecodableBodyError as error:
                    report(Damage(position + row[0] + row[1], str(error)))
                self.num_read += 1
            used = self._reader.num_used
            position += used
            left = self._have - used
            is_stuck = reason == kernel.IS_ODD or (used == 0 and (is_all or self._is_full))
            if is_stuck or (is_all and left == 0):
                self.stopped_at = position if left else None
                return
            self._input[:left] = self._input[used : self._have]
            self._have = left

    @property
    def _is_full(self) -> bool:
        return self._have == len(self._input)

    def _fill(self) -> bool:
        """Read on until the input is full; True at the end of the file."""
        while not self._is_full:
            count = self._file.readinto(self._input[self._have :])  # type: ignore[attr-defined]
            if not count:
                return True
            self._have += count
        return False

    def _make_record(
        self, row: list[int], position: int, report: Callable[[Damage], None]
    ) -> WarcRecord:
        (
            start, ordinal, type_at, type_size, uri, uri_size, date, date_size, record_id,
            id_size, content_type, content_type_size, block, block_size, status, http_type,
            http_type_size, body, is_coded, head_at,
        ) = row  # fmt: skip
        view = self._reader.output if self._compressed else self._input
        head = _decode(view[head_at:block])  # cheaper than each field alone
        is_message = status > 0 and not is_coded
        if is_message:
            type_text = _decode(view[http_type : http_type + http_type_size])
        else:
            type_text = _decode(view[content_type : content_type + content_type_size])
        media_type, charset = _split_type(type_text.strip())
        if head.isascii():
            uri, date, record_id, type_at = (
                uri - head_at, date - head_at, record_id - head_at, type_at - head_at,
            )  # fmt: skip
            texts = [
                head[type_at : type_at + type_size] if type_size > 0 else "",
                head[uri : uri + uri_size] if uri_size > 0 else "",
                head[date : date + date_size] if date_size > 0 else "",
                head[record_id : record_id + id_size] if id_size > 0 else "",
            ]
        else:
            texts = [
                _decode(view[at : at + size]).strip() if size > 0 else ""
                for at, size in ((type_at, type_size), (uri, uri_size), (date, date_size),
                                 (record_id, id_size))
            ]  # fmt: skip
        record = WarcRecord(
            position + start + ordinal,
            texts[0].lower(),
            texts[1].removeprefix("<").removesuffix(">"),
            texts[2],
            texts[3],
            media_type,
            charset,
            status if is_message else None,
            bytes(view[body if is_message else block : block + block_size]),
        )
        return unpack_http(record, report) if status and not is_message else record


def _decode(data: memoryview) -> str:
    return str(data, "utf-8", "replace")

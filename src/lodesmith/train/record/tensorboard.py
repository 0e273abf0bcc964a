"""TensorBoard's event files, written without TensorBoard: a few fields of one message.

A file is a row of records, each framed by its length and masked CRC-32C sums. A record is an
`Event` in protocol-buffer form; numbers of a step stand in one event. A new launch writes a new
file, which begins by saying from which step on the old ones no longer hold.

Source: tensorflow/core/lib/io/record_writer.h (framing), tensorflow/core/util/event.proto and
tensorflow/core/framework/summary.proto (fields).
"""

import struct
import time
from collections.abc import Mapping
from pathlib import Path

_POLYNOMIAL = 0x82F63B78  # CRC-32C, bits reversed
_MASK_DELTA = 0xA282EAD8
_WORD = 0xFFFFFFFF
_DOUBLE, _BYTES, _FLOAT = 1, 2, 5  # wire types; 0 is a varint


def _make_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _make_table()


class EventFile:
    """Appends the numbers of steps to a fresh event file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        number = len(list(folder.glob("events.out.tfevents.*")))
        self._file = (folder / f"events.out.tfevents.{number:06d}").open("wb", buffering=0)
        self._step: int | None = None
        self._append(_field(3, _BYTES, b"brain.Event:2"))

    def write(self, values: Mapping[str, float], *, step: int) -> None:
        """Append the values of a step; going back makes what was written from there on void."""
        if self._step is None or step <= self._step:
            start = _field(1, 0, _varint(1))  # SessionLog.status = START
            self._append(_field(2, 0, _varint(step)) + _field(7, _BYTES, start))
        self._step = step
        summary = b"".join(
            _field(
                1,
                _BYTES,
                _field(1, _BYTES, name.encode()) + _field(2, _FLOAT, struct.pack("<f", value)),
            )
            for name, value in values.items()
        )
        self._append(_field(2, 0, _varint(step)) + _field(5, _BYTES, summary))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _append(self, message: bytes) -> None:
        event = _field(1, _DOUBLE, struct.pack("<d", time.time())) + message
        length = struct.pack("<Q", len(event))
        self._file.write(length + _masked_sum(length) + event + _masked_sum(event))


def _field(number: int, wire_type: int, value: bytes) -> bytes:
    size = _varint(len(value)) if wire_type == _BYTES else b""
    return _varint(number << 3 | wire_type) + size + value


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _masked_sum(data: bytes) -> bytes:
    value = _WORD
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    value ^= _WORD
    return struct.pack("<I", ((value >> 15 | value << 17) + _MASK_DELTA) & _WORD)

"""What a checkpoint consists of: every tensor's pieces, every file's checksums, the facts.

JSON, so that anything can read it and reading it runs nothing. `DamageError` is what is wrong with
a checkpoint, for the one who chooses another.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lodesmith.core.storage import JSON
from lodesmith.parallel.boxes import Box

FORMAT = 1
BLOCK_BYTES = 1 << 16  # what one checksum is of, and the least that is read

DTYPES: dict[str, torch.dtype] = {
    "F64": torch.float64,
    "F32": torch.float32,
    "BF16": torch.bfloat16,
    "F16": torch.float16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}
"""Names of safetensors."""

DTYPE_NAMES = {dtype: name for name, dtype in DTYPES.items()}

Sums = NDArray[np.uint32]


class DamageError(Exception):
    """What is wrong with a stored checkpoint."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A box of a tensor, stored row by row from a byte of a file on."""

    file: str
    offset: int
    box: Box


@dataclass(frozen=True, slots=True)
class Whole:
    """A tensor and where its pieces are."""

    dtype: str
    shape: tuple[int, ...]
    pieces: tuple[Piece, ...]

    @property
    def item_bytes(self) -> int:
        """Bytes of one element."""
        return DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class PartFile:
    """A file of pieces."""

    num_bytes: int
    sums: Sums | None  # of its blocks; None in memory, where nothing is checked


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A checkpoint's table of contents."""

    step: int
    facts: JSON
    tensors: Mapping[str, Whole]
    files: Mapping[str, PartFile]

    def to_bytes(self) -> bytes:
        """Return it as JSON; the same for equal contents."""
        return json.dumps(self._to_json(), ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Return what `to_bytes` gave.

        Raises:
            DamageError: it is torn, of another format, or names bytes that are not there.
        """
        try:
            manifest = cls._from_json(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise DamageError(f"its manifest cannot be read ({error!r})") from None
        manifest.check()
        return manifest

    def check(self) -> None:
        """Make sure that all pieces lie in files and boxes that are there.

        Raises:
            DamageError: one does not.
        """
        for name, whole in self.tensors.items():
            everything = Box.whole(whole.shape)
            for piece in whole.pieces:
                size = piece.box.num_elements * whole.item_bytes
                lies_in = piece.box.num_elements == 0 or piece.box.overlap(everything) == piece.box
                file = self.files.get(piece.file)
                if file is None or not lies_in or not 0 <= piece.offset <= file.num_bytes - size:
                    raise DamageError(f"its manifest gives {name} a piece that is not there")
            if sum(piece.box.num_elements for piece in whole.pieces) < everything.num_elements:
                raise DamageError(f"its manifest lacks pieces of {name}")

    def _to_json(self) -> JSON:
        names = list(self.files)
        number = {name: index for index, name in enumerate(names)}
        return {
            "format": FORMAT,
            "step": self.step,
            "facts": self.facts,
            "block_bytes": BLOCK_BYTES,
            "files": [
                [name, file.num_bytes, _pack(file.sums)] for name, file in self.files.items()
            ],
            "tensors": {
                name: [
                    whole.dtype,
                    whole.shape,
                    [[number[p.file], p.offset, p.box.start, p.box.shape] for p in whole.pieces],
                ]
                for name, whole in self.tensors.items()
            },
        }

    @classmethod
    def _from_json(cls, data: Any) -> "Manifest":
        if data["format"] != FORMAT or data["block_bytes"] != BLOCK_BYTES:
            raise ValueError(f"format {data['format']}, not {FORMAT}")
        names = [str(name) for name, _, _ in data["files"]]
        if any("/" in name or name.startswith(".") for name in names):
            raise ValueError("a file outside its folder")
        files = {
            name: PartFile(int(size), _unpack(sums, int(size)))
            for name, (_, size, sums) in zip(names, data["files"], strict=True)
        }
        tensors = {}
        for name, (dtype, shape, pieces) in data["tensors"].items():
            DTYPES[dtype]
            parts = tuple(
                Piece(names[f], int(at), _box(start, size)) for f, at, start, size in pieces
            )
            tensors[name] = Whole(dtype, tuple(map(int, shape)), parts)
        return cls(step=int(data["step"]), facts=data["facts"], tensors=tensors, files=files)


def _box(start: Any, shape: Any) -> Box:
    box = Box(tuple(map(int, start)), tuple(map(int, shape)))
    if len(box.start) != len(box.shape) or any(value < 0 for value in (*box.start, *box.shape)):
        raise ValueError("a box that is none")
    return box


def _pack(sums: Sums | None) -> str | None:
    return None if sums is None else base64.b64encode(sums.astype("<u4").tobytes()).decode("ascii")


def _unpack(text: str | None, num_bytes: int) -> Sums | None:
    if text is None:
        return None
    sums = np.frombuffer(base64.b64decode(text, validate=True), "<u4").astype(np.uint32)
    if num_bytes < 0 or len(sums) != -(-num_bytes // BLOCK_BYTES):
        raise ValueError("checksums that do not fit their file")
    return sums

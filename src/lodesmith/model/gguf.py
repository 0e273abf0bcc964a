"""GGUF files, as llama.cpp writes them: what they say of a model, and its weights as fp32.

A file is a header of typed entries, a table of tensors and, aligned, the tensors' bytes. The bytes
are mapped, not read; a tensor costs memory only when it is asked for. Four ways of storing weights
are known: F32, F16, and blocks of 32 with one scale (Q8_0) or a scale and a least value (Q4_1).

Source: the format's description and block layouts as published with ggml, docs/gguf.md and
src/ggml-common.h (block_q4_1: two halves, then 16 bytes that hold weights 0-15 in the low and
16-31 in the high four bits; block_q8_0: one half, then 32 signed bytes).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import DamagedArtifactError, UserError

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_BLOCK = 32  # weights of a quantised block
_MAX_DIMS = 4
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q",
            11: "<q", 12: "<d"}  # fmt: skip
_KINDS = {0: "F32", 1: "F16", 3: "Q4_1", 8: "Q8_0"}
_OTHER_KINDS = {2: "Q4_0", 6: "Q5_0", 7: "Q5_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K",
                14: "Q6_K", 30: "BF16"}  # fmt: skip

_Q4_1 = np.dtype([("scale", "<f2"), ("least", "<f2"), ("weights", "u1", _BLOCK // 2)])
_Q8_0 = np.dtype([("scale", "<f2"), ("weights", "i1", _BLOCK)])
_DTYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "Q4_1": _Q4_1,
    "Q8_0": _Q8_0,
}

Weights = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor lies in the file."""

    name: str
    shape: tuple[int, ...]  # rows first, as everywhere but in GGUF
    kind: str  # a key of _DTYPES
    offset: int  # from the start of the file

    @property
    def num_items(self) -> int:
        """How many items of its dtype it takes: weights, or blocks of them."""
        count = int(np.prod(self.shape, dtype=np.int64))
        return count if self.kind in ("F32", "F16") else count // _BLOCK


@dataclass(frozen=True)
class GgufFile:
    """An open file."""

    path: Path
    entries: dict[str, Any]  # the header
    tensors: dict[str, Tensor]

    def read(self, name: str) -> Weights:
        """Return a tensor's weights.

        Raises:
            DamagedArtifactError: it is not there, or the file is too short.
        """
        tensor = self.tensors.get(name)
        if tensor is None:
            raise DamagedArtifactError(f"{self.path} has no tensor {name}; fetch it again")
        items = np.memmap(
            self.path, _DTYPES[tensor.kind], "r", offset=tensor.offset, shape=(tensor.num_items,)
        )
        return _expand(items, tensor.kind).reshape(tensor.shape)

    def entry(self, name: str, kind: type | tuple[type, ...]) -> Any:
        """Return an entry of the header.

        Raises:
            UserError: it is missing or of another type.
        """
        value = self.entries.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise UserError(f"{self.path}: the header's {name} is {value!r}, which is no use here")
        return value


def open_gguf(path: Path) -> GgufFile:
    """Return an open file; no tensor is read yet.

    Raises:
        UserError: it is no GGUF file of a known version, or holds tensors of a kind not known here.
        DamagedArtifactError: it is torn.
    """
    if not path.is_file():
        raise UserError(f"{path} is not a file")
    data: npt.NDArray[np.uint8] = np.memmap(path, np.uint8, "r")
    if bytes(data[:4]) != _MAGIC:
        raise UserError(f"{path} is no GGUF file: it does not begin with {_MAGIC.decode()}")
    try:
        cursor = _Cursor(data, 4)
        version = cursor.number("<I")
        if version not in _VERSIONS:
            raise UserError(f"{path} is GGUF version {version}; known are {_VERSIONS}")
        num_tensors, num_entries = cursor.number("<Q"), cursor.number("<Q")
        entries = dict(_read_entry(cursor) for _ in range(num_entries))
        table = [_read_place(cursor, path) for _ in range(num_tensors)]
    except (struct.error, ValueError, IndexError, KeyError, OverflowError, MemoryError) as error:
        raise DamagedArtifactError(f"{path} is torn ({error}); fetch it again") from None
    alignment = int(entries.get("general.alignment", 32))
    start = -(-cursor.at // alignment) * alignment
    tensors = {tensor.name: tensor for tensor in _placed(table, start)}
    _check_length(path, tensors, len(data))
    return GgufFile(path, entries, tensors)


class _Cursor:
    """Reads typed values one after another."""

    def __init__(self, data: npt.NDArray[np.uint8], at: int) -> None:
        self._data, self.at = data, at

    def number(self, form: str) -> Any:
        size = struct.calcsize(form)
        (value,) = struct.unpack(form, self._take(size))
        return value

    def string(self) -> str:
        return self._take(self.number("<Q")).decode("utf-8")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            inner, count = self.number("<I"), self.number("<Q")
            if inner in _SCALARS:
                size = struct.calcsize(_SCALARS[inner])
                return np.frombuffer(self._take(size * count), _SCALARS[inner]).tolist()
            return [self.value(inner) for _ in range(count)]
        return self.number(_SCALARS[kind])

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise ValueError(f"it ends at byte {len(self._data)}, inside its header")
        piece = self._data[self.at : end].tobytes()
        self.at = end
        return piece


def _read_entry(cursor: _Cursor) -> tuple[str, Any]:
    name = cursor.string()
    return name, cursor.value(cursor.number("<I"))


def _read_place(cursor: _Cursor, path: Path) -> Tensor:
    name, num_dims = cursor.string(), cursor.number("<I")
    if num_dims > _MAX_DIMS:
        raise ValueError(f"{name} has {num_dims} dims")
    shape = tuple(cursor.number("<Q") for _ in range(num_dims))[::-1]
    kind, offset = cursor.number("<I"), cursor.number("<Q")
    if kind not in _KINDS:
        raise UserError(
            f"{path}: tensor {name} is stored as {_OTHER_KINDS.get(kind, f'kind {kind}')}; "
            f"{', '.join(_KINDS.values())} can be read here: fetch the model in one of these"
        )
    if _KINDS[kind] not in ("F32", "F16") and shape[-1] % _BLOCK:
        raise ValueError(f"{name} has rows of {shape[-1]}, no multiple of {_BLOCK}")
    return Tensor(name, shape, _KINDS[kind], offset)


def _placed(table: list[Tensor], start: int) -> Iterator[Tensor]:
    for tensor in table:
        yield Tensor(tensor.name, tensor.shape, tensor.kind, start + tensor.offset)


def _check_length(path: Path, tensors: dict[str, Tensor], length: int) -> None:
    for tensor in tensors.values():
        end = tensor.offset + tensor.num_items * _DTYPES[tensor.kind].itemsize
        if end > length:
            raise DamagedArtifactError(
                f"{path} is torn: {tensor.name} ends at byte {end:,}, the file at {length:,}; "
                "fetch it again"
            )


def _expand(items: npt.NDArray[Any], kind: str) -> Weights:
    if kind in ("F32", "F16"):
        return items.astype(np.float32)
    scale = items["scale"].astype(np.float32)[:, None]
    if kind == "Q8_0":
        return items["weights"].astype(np.float32) * scale
    packed = items["weights"]
    weights = np.concatenate((packed & 15, packed >> 4), axis=1).astype(np.float32)
    return weights * scale + items["least"].astype(np.float32)[:, None]

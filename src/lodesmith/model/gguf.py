"""GGUF files, as llama.cpp writes them: what they say of a model, and its weights as fp32.

A file is a header of typed entries, a table of tensors and, aligned, the tensors' bytes. The bytes
are mapped, not read; a tensor costs memory only when it is asked for. How weights are stored,
`gguf_blocks` knows.

Source: the format's description as published with ggml, docs/gguf.md.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.model.gguf_blocks import STORAGES, Items, Storage, Weights

_MAGIC = b"GGUF"
_VERSIONS = (2, 3)
_MAX_DIMS = 4
_STRING, _ARRAY = 8, 9
_SCALARS = {0: "<B", 1: "<b", 2: "<H", 3: "<h", 4: "<I", 5: "<i", 6: "<f", 7: "<?", 10: "<Q",
            11: "<q", 12: "<d"}  # fmt: skip
_OTHERS = {10: "Q2_K", 11: "Q3_K", 16: "IQ2_XXS", 20: "IQ4_NL", 23: "IQ4_XS"}


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where a tensor lies in the file."""

    name: str
    shape: tuple[int, ...]  # rows first, as everywhere but in GGUF
    storage: Storage
    offset: int  # from the start of the file

    @property
    def num_items(self) -> int:
        """How many items it takes: weights, or blocks of them."""
        return int(np.prod(self.shape, dtype=np.int64)) // self.storage.weights_per_item


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
        items: Items = np.memmap(
            self.path, tensor.storage.item, "r", offset=tensor.offset, shape=(tensor.num_items,)
        )
        return tensor.storage.expand(items).reshape(tensor.shape)

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
    if kind not in STORAGES:
        known = ", ".join(storage.name for storage in STORAGES.values())
        raise UserError(
            f"{path}: tensor {name} is stored as {_OTHERS.get(kind, f'kind {kind}')}; {known} can "
            "be read here: fetch the model in one of these"
        )
    storage = STORAGES[kind]
    if shape[-1] % storage.weights_per_item:
        raise ValueError(
            f"{name} has rows of {shape[-1]}, no multiple of {storage.weights_per_item}"
        )
    return Tensor(name, shape, storage, offset)


def _placed(table: list[Tensor], start: int) -> Iterator[Tensor]:
    for tensor in table:
        yield replace(tensor, offset=start + tensor.offset)


def _check_length(path: Path, tensors: dict[str, Tensor], length: int) -> None:
    for tensor in tensors.values():
        end = tensor.offset + tensor.num_items * tensor.storage.item.itemsize
        if end > length:
            raise DamagedArtifactError(
                f"{path} is torn: {tensor.name} ends at byte {end:,}, the file at {length:,}; "
                "fetch it again"
            )

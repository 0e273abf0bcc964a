"""Samples with loss masks on disk: several short documents in one row, each seeing only itself.

input_ids.npy    int32 [N, T + 1]  row n's tokens; inputs are the first T, labels the last T
loss_mask.npy    bool  [N, T + 1]  which tokens are to be predicted (a row's first never is)
segment_ids.npy  int32 [N, T + 1]  tokens of different segments do not attend to each other
extra-NAME.npy   float32 [N, ...]  what an objective knows of the rows beside their tokens

Positions need not start again in each segment: rotary attention sees differences of positions only.
Ranks are processes of their own, so samples travel in files; these are mapped, not read.
"""

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.seal import MAGIC, protect, reveal
from lodesmith.core.storage import replace_file

Encoded = tuple[Sequence[int], Sequence[bool]]  # a document's ids, and which are to be learnt
Group = Sequence[Encoded]  # documents that must share a row

_EXTRA = "extra-"
_FILES = {"input_ids": np.int32, "loss_mask": np.bool_, "segment_ids": np.int32}


@dataclass(frozen=True)
class PackedSamples:
    """Rows of packed documents."""

    input_ids: npt.NDArray[Any]
    loss_mask: npt.NDArray[Any]
    segment_ids: npt.NDArray[Any]
    extra: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)  # [N, ...], by name


def pack_documents(
    documents: Iterable[tuple[Sequence[int], Sequence[bool]]],
    *,
    sequence_length: int,
    padding_id: int,
) -> PackedSamples:
    """Return documents laid into rows of `sequence_length + 1` tokens, none cut in two.

    From the longest to the shortest, each goes into the row that it leaves the least room in (best
    fit decreasing), so the packing depends on nothing but the documents and their order. Room left
    over is padding, a segment of its own without loss.

    Source: Johnson et al. 1974, SIAM J. Comput. 3(4): at most 11/9 of the fewest rows and a few
    more; with many short documents all but a hundredth of each row is filled.

    Args:
        documents: token ids, and for each whether it is to be learnt.
        sequence_length: input tokens of a row.
        padding_id: any token id.

    Raises:
        UserError: a document is longer than a row; or none is given.
    """
    listed = list(documents)
    rows = pack_groups([[document] for document in listed], sequence_length=sequence_length)
    filled = [[listed[number] for number in row] for row in rows]
    return fill_rows(filled, sequence_length=sequence_length, padding_id=padding_id)


def pack_groups(groups: Sequence[Group], *, sequence_length: int) -> list[list[int]]:
    """Return the numbers of groups of documents by the row that each lies in, whole.

    Raises:
        UserError: a group is longer than a row, a document has nothing to learn from; or none is
            given.
    """
    width = sequence_length + 1
    sizes = [_size(group, number, width) for number, group in enumerate(groups)]
    if not sizes:
        raise UserError("there is no sample to train on")
    rows: list[list[int]] = []
    with_room: list[list[int]] = [[] for _ in range(width + 1)]  # room -> rows with just that room
    rooms = 0  # bit r is set where a row has room r
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        size = sizes[number]
        fitting = rooms >> size
        room = size + (fitting & -fitting).bit_length() - 1 if fitting else width
        if fitting:
            row = with_room[room].pop()
            rooms &= ~(0 if with_room[room] else 1 << room)
        else:
            row = len(rows)
            rows.append([])
        rows[row].append(number)
        with_room[room - size].append(row)
        rooms |= 1 << (room - size)
    return rows


def _size(group: Group, number: int, width: int) -> int:
    size = sum(len(ids) for ids, _ in group)
    fits = size <= width and all(len(ids) == len(mask) > 1 for ids, mask in group)
    if not fits:
        num_mask = sum(len(mask) for _, mask in group)
        raise UserError(
            f"sample {number} has {size} tokens and {num_mask} mask entries; both must be "
            f"equal and between 2 and {width} (sequence_length + 1): shorten it or leave it out"
        )
    return size


def fill_rows(rows: Sequence[Group], *, sequence_length: int, padding_id: int) -> PackedSamples:
    """Return the rows' documents as arrays, each document a segment, numbered from 1."""
    width = sequence_length + 1
    shape = (len(rows), width)
    input_ids = np.full(shape, padding_id, np.int32)
    loss_mask, segment_ids = np.zeros(shape, np.bool_), np.zeros(shape, np.int32)
    for number, row in enumerate(rows):
        start = 0
        for segment, (ids, mask) in enumerate(row, start=1):
            end = start + len(ids)
            input_ids[number, start:end] = ids
            loss_mask[number, start:end] = mask
            loss_mask[number, start] = False  # nothing of its own segment foretells it
            segment_ids[number, start:end] = segment
            start = end
    return PackedSamples(input_ids, loss_mask, segment_ids)


def write_packed(folder: Path, samples: PackedSamples) -> None:
    """Write samples where `PackedData(folder)` finds them; equal samples give equal bytes.

    Raises:
        UserError: the arrays do not fit each other, or no token is to be learnt.
    """
    shapes = {getattr(samples, name).shape for name in _FILES}
    if len(shapes) != 1 or samples.input_ids.ndim != 2:
        raise UserError(f"packed samples must be matrices of one shape, not {sorted(shapes)}")
    if not samples.loss_mask[:, 1:].any():
        raise UserError("no token of the packed samples is to be learnt; check the loss mask")
    arrays = {name: getattr(samples, name).astype(dtype) for name, dtype in _FILES.items()}
    arrays |= {f"{_EXTRA}{name}": np.float32(values) for name, values in samples.extra.items()}
    for name, array in arrays.items():
        written = io.BytesIO()
        np.save(written, np.ascontiguousarray(array))
        with replace_file(folder / f"{name}.npy") as file:
            file.write(protect(written.getvalue()))


def open_packed(folder: Path) -> PackedSamples:
    """Return the samples of a folder, mapped from disk; sealed ones in memory.

    Raises:
        DamagedArtifactError: a file is missing or torn.
    """
    try:
        arrays = {name: _open_array(folder / f"{name}.npy") for name in _FILES}
        extra = {
            path.stem.removeprefix(_EXTRA): _open_array(path)
            for path in sorted(folder.glob(f"{_EXTRA}*.npy"))
        }
        return PackedSamples(**arrays, extra=extra)
    except (OSError, ValueError, EOFError) as error:
        raise DamagedArtifactError(
            f"{folder} holds no whole packed samples ({error}); make them again"
        ) from None


def _open_array(path: Path) -> npt.NDArray[Any]:
    with path.open("rb") as file:
        is_sealed = file.read(len(MAGIC)) == MAGIC
    if is_sealed:
        plain = io.BytesIO(reveal(path.read_bytes(), name=str(path)))
        array: npt.NDArray[Any] = np.load(plain, allow_pickle=False)
        return array
    mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped

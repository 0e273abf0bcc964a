"""Samples with loss masks on disk: several short documents in one row, each seeing only itself.

input_ids.npy    int32 [N, T + 1]  row n's tokens; inputs are the first T, labels the last T
loss_mask.npy    bool  [N, T + 1]  which tokens are to be predicted (a row's first never is)
segment_ids.npy  int32 [N, T + 1]  tokens of different segments do not attend to each other

Positions need not start again in each segment: rotary attention sees differences of positions only.
Ranks are processes of their own, so samples travel in files; these are mapped, not read.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.storage import replace_file

_OPEN_ROWS = 64  # rows that may still be filled: more would pack little better and take longer

_FILES = {"input_ids": np.int32, "loss_mask": np.bool_, "segment_ids": np.int32}


@dataclass(frozen=True)
class PackedSamples:
    """Rows of packed documents."""

    input_ids: npt.NDArray[Any]
    loss_mask: npt.NDArray[Any]
    segment_ids: npt.NDArray[Any]


def pack_documents(
    documents: Iterable[tuple[Sequence[int], Sequence[bool]]],
    *,
    sequence_length: int,
    padding_id: int,
) -> PackedSamples:
    """Return documents laid into rows of `sequence_length + 1` tokens, in order, none cut in two.

    Each goes to the first of the latest rows that has room (first fit), so the packing depends on
    nothing but the order given. Room left over is padding, a segment of its own without loss.

    Args:
        documents: token ids, and for each whether it is to be learnt.
        sequence_length: input tokens of a row.
        padding_id: any token id.

    Raises:
        UserError: a document is longer than a row; or none is given.
    """
    width = sequence_length + 1
    rows: list[list[tuple[Sequence[int], Sequence[bool]]]] = []
    room: list[int] = []
    for number, (ids, mask) in enumerate(documents):
        if not 1 < len(ids) <= width or len(mask) != len(ids):
            raise UserError(
                f"sample {number} has {len(ids)} tokens and {len(mask)} mask entries; both must be "
                f"equal and between 2 and {width} (sequence_length + 1): shorten it or leave it out"
            )
        latest = range(max(0, len(rows) - _OPEN_ROWS), len(rows))
        row = next((row for row in latest if room[row] >= len(ids)), len(rows))
        if row == len(rows):
            rows.append([])
            room.append(width)
        rows[row].append((ids, mask))
        room[row] -= len(ids)
    if not rows:
        raise UserError("there is no sample to train on")
    return _fill(rows, width=width, padding_id=padding_id)


def _fill(
    rows: list[list[tuple[Sequence[int], Sequence[bool]]]], *, width: int, padding_id: int
) -> PackedSamples:
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
    for name, dtype in _FILES.items():
        with replace_file(folder / f"{name}.npy") as file:
            np.save(file, np.ascontiguousarray(getattr(samples, name), dtype))


def open_packed(folder: Path) -> PackedSamples:
    """Return the samples of a folder, mapped from disk.

    Raises:
        DamagedArtifactError: a file is missing or torn.
    """
    try:
        return PackedSamples(
            **{
                name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in _FILES
            }
        )
    except (OSError, ValueError, EOFError) as error:
        raise DamagedArtifactError(
            f"{folder} holds no whole packed samples ({error}); make them again"
        ) from None

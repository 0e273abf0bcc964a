"""Parts of tensors out of stored pieces, whatever layout wrote them; only needed blocks are read.

Each file is seen through a window: virtual memory as long as the file, of which only what is read
becomes real. So a piece keeps its place and its offset, and reading half of it costs half of it.
"""

import mmap
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import torch
from torch import Tensor

from lodesmith.native.blocks import block_sums
from lodesmith.parallel.boxes import Box, byte_spans, merge_spans
from lodesmith.parallel.checkpoint.disk import Bytes, LargeFiles, Span
from lodesmith.parallel.checkpoint.manifest import (
    BLOCK_BYTES,
    DTYPES,
    DamageError,
    Manifest,
    PartFile,
    Piece,
    Whole,
)
from lodesmith.parallel.checkpoint.part_file import Held, is_finite

OpenWindow = Callable[[str, list[Span]], Bytes]
"""Takes a file's name and the spans that will be looked at; returns the file's bytes, those spans
at least."""

_MERGE_BYTES = 1 << 18  # one longer read is quicker than two, up to a gap of about this


def read_parts(
    wanted: Iterable[Held], manifest: Manifest, open_window: OpenWindow
) -> dict[str, Tensor]:
    """Return the wanted part of each tensor, in memory of its own.

    Raises:
        DamageError: something of it is missing, changed or not finite.
    """
    wanted = [one for one in wanted if one.num_bytes]
    parts = {one.name: torch.empty(one.box.shape, dtype=DTYPES[one.dtype]) for one in wanted}
    by_file: dict[str, list[tuple[Held, Piece, Box]]] = defaultdict(list)
    for one in wanted:
        for piece, common in _sources(one, manifest.tensors[one.name]):
            by_file[piece.file].append((one, piece, common))
    for file, uses in by_file.items():
        window = open_window(file, [span for use in uses for span in _spans(*use)])
        for one, piece, common in uses:
            source = _rows(window, one, piece, common)
            parts[one.name][common.inside(one.box).slices] = source
    for name, part in parts.items():
        if not is_finite(part):
            raise DamageError(f"{name} has values that are not finite")
    return parts


def needed_files(wanted: Iterable[Held], manifest: Manifest) -> set[str]:
    """Return the files that hold something of what is wanted."""
    return {
        piece.file
        for one in wanted
        if one.num_bytes
        for piece, _ in _sources(one, manifest.tensors[one.name])
    }


def checked_windows(folder: str, manifest: Manifest, files: LargeFiles) -> OpenWindow:
    """Return what opens windows onto a stored checkpoint's files and checks every block read."""

    def open_window(name: str, spans: list[Span]) -> Bytes:
        file = manifest.files[name]
        window = _virtual_memory(file.num_bytes)
        blocks = merge_spans(
            spans, block_bytes=BLOCK_BYTES, total_bytes=file.num_bytes, gap_bytes=_MERGE_BYTES
        )
        files.read_into(f"{folder}/{name}", blocks, window)
        _check(name, file, window, blocks)
        return window

    return open_window


def check_fits(wanted: Iterable[Held], tensors: Mapping[str, Whole]) -> str | None:
    """Return how tensors differ from those of a checkpoint in name, shape or dtype; None if not."""
    for one in wanted:
        stored = tensors.get(one.name)
        if stored is None:
            if one.num_bytes:
                return f"it has no {one.name}"
        elif (stored.dtype, stored.shape) != (one.dtype, one.shape):
            return (
                f"its {one.name} is {stored.dtype} of shape {stored.shape}, "
                f"not {one.dtype} of shape {one.shape}"
            )
    return None


def _sources(one: Held, whole: Whole) -> Iterable[tuple[Piece, Box]]:
    found = []
    for piece in whole.pieces:
        common = piece.box.overlap(one.box)
        if common is not None:
            found.append((piece, common))
    if sum(common.num_elements for _, common in found) != one.box.num_elements:
        raise DamageError(f"its pieces of {one.name} do not make up the whole")
    return found


def _spans(one: Held, piece: Piece, common: Box) -> Iterable[Span]:
    spans = byte_spans(
        piece.box.shape,
        common.inside(piece.box),
        item_bytes=DTYPES[one.dtype].itemsize,
        gap_bytes=BLOCK_BYTES,
    )
    return ((piece.offset + start, piece.offset + stop) for start, stop in spans)


def _rows(window: Bytes, one: Held, piece: Piece, common: Box) -> Tensor:
    dtype = DTYPES[one.dtype]
    size = piece.box.num_elements * dtype.itemsize
    stored = torch.from_numpy(window[piece.offset : piece.offset + size]).view(dtype)
    return stored.view(piece.box.shape)[common.inside(piece.box).slices]


def _check(name: str, file: PartFile, window: Bytes, spans: Iterable[Span]) -> None:
    assert file.sums is not None  # noqa: S101 what lies on a disk has checksums
    for start, stop in spans:
        first = start // BLOCK_BYTES
        found = block_sums(window[start:stop], block_bytes=BLOCK_BYTES)
        if not np.array_equal(found, file.sums[first : first + len(found)]):
            raise DamageError(f"{name} is not what was written")


def _virtual_memory(num_bytes: int) -> Bytes:
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    return np.frombuffer(mmap.mmap(-1, max(num_bytes, 1), flags=flags), np.uint8)[:num_bytes]

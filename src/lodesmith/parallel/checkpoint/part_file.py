"""One rank's file of a checkpoint, laid out in memory as it will lie on the disk.

The state is copied once, into a buffer that is a whole safetensors file: the header never
changes from save to save, so it stays in the buffer too, and writing the file is one long write
of page-aligned memory, which a disk takes directly.
"""

import json
import mmap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lodesmith.parallel.boxes import Box
from lodesmith.parallel.checkpoint.manifest import DTYPES

PAGE_BYTES = 4096


@dataclass(frozen=True, order=True, slots=True)
class Held:
    """What a rank holds of a tensor."""

    name: str
    dtype: str  # as safetensors names it
    shape: tuple[int, ...]  # of the whole
    box: Box

    @property
    def num_bytes(self) -> int:
        """Of this part."""
        return self.box.num_elements * DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class PartLayout:
    """Where each piece lies in a file."""

    held: tuple[Held, ...]
    offsets: tuple[int, ...]  # from the start of the file
    header: bytes
    num_bytes: int

    @classmethod
    def of(cls, held: Sequence[Held]) -> "PartLayout":
        """Lay pieces out; wide elements come first, so that each lies on a multiple of its size."""
        ordered = sorted(held, key=lambda one: (-DTYPES[one.dtype].itemsize, one.name))
        entries: dict[str, object] = {}
        starts, end = [], 0
        for one in ordered:
            starts.append(end)
            end += one.num_bytes
            entries[one.name] = {
                "dtype": one.dtype,
                "shape": one.box.shape,
                "data_offsets": [starts[-1], end],
            }
        text = json.dumps(entries, ensure_ascii=False, separators=(",", ":")).encode()
        size = _round_up(8 + len(text)) - 8  # spaces fill the header's last page
        header = size.to_bytes(8, "little") + text.ljust(size)
        offsets = tuple(len(header) + start for start in starts)
        return cls(tuple(ordered), offsets, header, len(header) + end)

    @property
    def buffer_bytes(self) -> int:
        """Size of a buffer for the file: whole pages."""
        return _round_up(self.num_bytes)


class Staging:
    """A buffer that holds one rank's file, filled again at every save."""

    def __init__(self, layout: PartLayout, memory: mmap.mmap) -> None:
        """Take over memory of at least `layout.buffer_bytes`, aligned to pages."""
        self.layout, self.memory = layout, memory
        self.bytes: NDArray[np.uint8] = np.frombuffer(memory, np.uint8)
        whole = torch.frombuffer(memory, dtype=torch.uint8)
        self.views: dict[str, Tensor] = {}
        for one, offset in zip(layout.held, layout.offsets, strict=True):
            view = whole[offset : offset + one.num_bytes].view(DTYPES[one.dtype])
            self.views[one.name] = view.view(one.box.shape)

    def fill(self, parts: Mapping[str, Tensor]) -> None:
        """Copy what this rank writes out of what it holds."""
        header = self.layout.header
        self.bytes[: len(header)] = np.frombuffer(header, np.uint8)
        for name, view in self.views.items():
            view.copy_(parts[name], non_blocking=True)
        if any(part.is_cuda for part in parts.values()):
            torch.cuda.current_stream().synchronize()

    def find_not_finite(self) -> str | None:
        """Return the first tensor with an infinite value or none at all (NaN), if there is one."""
        return next((name for name, view in self.views.items() if not is_finite(view)), None)


def anonymous_memory(num_bytes: int) -> mmap.mmap:
    """Return memory of this process, in large pages where the system has them."""
    memory = mmap.mmap(-1, num_bytes)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def is_finite(tensor: Tensor) -> bool:
    """Tell whether every value of a tensor is a number that can be computed with."""
    if not tensor.dtype.is_floating_point or tensor.numel() == 0:
        return True
    if tensor.dtype.itemsize == 1:  # no arithmetic in eight bits
        return bool(torch.isfinite(tensor.float()).all())
    low, high = torch.aminmax(tensor.detach())  # one pass; NaN is passed on
    return bool(torch.isfinite(low) & torch.isfinite(high))


def _round_up(size: int) -> int:
    return max(1, -(-size // PAGE_BYTES)) * PAGE_BYTES

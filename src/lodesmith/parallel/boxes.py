"""Where a piece lies in its whole, and which bytes of a stored piece hold a part of it.

Every rank's part of a tensor is a box: a range along each dimension. Going from one layout to
another is nothing but overlaps of boxes, so this file knows neither tensors nor ranks.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Box:
    """A range along each dimension; a number has none, and one element all the same."""

    start: tuple[int, ...]
    shape: tuple[int, ...]

    @classmethod
    def whole(cls, shape: Sequence[int]) -> "Box":
        """Return the box that is all of a tensor."""
        return cls((0,) * len(shape), tuple(shape))

    @property
    def num_elements(self) -> int:
        """How many numbers are in it."""
        return math.prod(self.shape)

    @property
    def slices(self) -> tuple[slice, ...]:
        """The box as an index of its whole."""
        return tuple(
            slice(start, start + size) for start, size in zip(self.start, self.shape, strict=True)
        )

    def cut(self, dim: int, pieces: int, index: int) -> "Box":
        """Return one of equal pieces along a dimension, the last ones shorter or empty.

        >>> [Box.whole([5, 2]).cut(0, 3, index).shape for index in range(3)]
        [(2, 2), (2, 2), (1, 2)]
        """
        size = -(-self.shape[dim] // pieces)
        first = min(index * size, self.shape[dim])
        length = min(size, self.shape[dim] - first)
        start, shape = list(self.start), list(self.shape)
        start[dim] += first
        shape[dim] = length
        return Box(tuple(start), tuple(shape))

    def overlap(self, other: "Box") -> "Box | None":
        """Return what both boxes of one whole have, None if nothing."""
        start, shape = [], []
        for a, size_a, b, size_b in zip(
            self.start, self.shape, other.start, other.shape, strict=True
        ):
            first, last = max(a, b), min(a + size_a, b + size_b)
            if last <= first:
                return None
            start.append(first)
            shape.append(last - first)
        return Box(tuple(start), tuple(shape))

    def inside(self, outer: "Box") -> "Box":
        """Return the same elements as counted from the start of a box around them."""
        start = (own - first for own, first in zip(self.start, outer.start, strict=True))
        return Box(tuple(start), self.shape)


def byte_spans(
    shape: Sequence[int], part: Box, *, item_bytes: int, gap_bytes: int
) -> Iterator[tuple[int, int]]:
    """Yield the spans (first byte, byte after the last) of a stored tensor that hold a part of it.

    Args:
        shape: of the stored tensor, whose elements lie one after the other.
        part: not empty, counted from the stored tensor's start.
        item_bytes: of one element.
        gap_bytes: gaps up to about this long are read along, instead of making two spans.

    >>> list(byte_spans([4, 8], Box((1, 2), (2, 3)), item_bytes=1, gap_bytes=0))
    [(10, 13), (18, 21)]
    >>> list(byte_spans([4, 8], Box((1, 2), (2, 3)), item_bytes=1, gap_bytes=8))
    [(8, 24)]
    """
    strides = [item_bytes * math.prod(shape[dim + 1 :]) for dim in range(len(shape))]
    last = max((dim for dim in range(len(shape)) if part.shape[dim] < shape[dim]), default=0)
    narrow = next((dim for dim in range(len(shape)) if strides[dim] <= gap_bytes), len(shape) - 1)
    yield from _spans(strides, part, dim=0, base=0, stop_dim=min(last, narrow), item=item_bytes)


def _spans(
    strides: list[int], part: Box, *, dim: int, base: int, stop_dim: int, item: int
) -> Iterator[tuple[int, int]]:
    if not strides:
        yield 0, item
        return
    first = base + part.start[dim] * strides[dim]
    if dim >= stop_dim:
        yield first, first + part.shape[dim] * strides[dim]
        return
    for index in range(part.shape[dim]):
        start = first + index * strides[dim]
        yield from _spans(strides, part, dim=dim + 1, base=start, stop_dim=stop_dim, item=item)


def merge_spans(
    spans: Sequence[tuple[int, int]], *, block_bytes: int, total_bytes: int, gap_bytes: int = 0
) -> list[tuple[int, int]]:
    """Return spans widened to whole blocks, in order, those that touch made one.

    >>> merge_spans([(70, 75), (3, 12), (21, 22)], block_bytes=10, total_bytes=74)
    [(0, 30), (70, 74)]
    """
    merged: list[tuple[int, int]] = []
    for start, stop in sorted(spans):
        first = start // block_bytes * block_bytes
        after = min(-(-stop // block_bytes) * block_bytes, total_bytes)
        if merged and first <= merged[-1][1] + gap_bytes:
            merged[-1] = (merged[-1][0], max(merged[-1][1], after))
        else:
            merged.append((first, after))
    return merged

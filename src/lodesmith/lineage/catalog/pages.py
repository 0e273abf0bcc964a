"""Where a row stands: a table is a hash table in the order of its hashes, in pages of 4,096 bytes.

Of `homes` pages a key belongs to the one that its hash, read as a fraction, points at. Sorted rows
are put down one behind the other, each in its own page or, where that is full already, in the
next. Pages are filled to .95 on average, so a row spills over the end of its page now and then and
almost never over the next one: two pages hold it, whatever the size of the table. Behind its rows
a page says how many they are, how many pages behind it the first row begins that belongs to it or
later, and its CRC-32.

Source: hash tables in order of their keys, O. Amble and D. E. Knuth, Comput. J. 17(2), 1974.
"""

import math
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.lineage.catalog.rows import Rows
from lodesmith.lineage.catalog.sealed import damaged

PAGE_BYTES = 4096
_TAIL_BYTES = 12  # rows in the page, pages to skip, CRC-32 of all before it
_FILLED = 0.95  # of the homes' room; more costs second reads, less costs disk


def rows_per_page(dtype: np.dtype[Any]) -> int:
    """Return how many rows of a table fit a page."""
    return (PAGE_BYTES - _TAIL_BYTES) // dtype.itemsize


def count_homes(num_rows: int, dtype: np.dtype[Any]) -> int:
    """Return over how many pages so many rows are spread."""
    return math.ceil(num_rows / (rows_per_page(dtype) * _FILLED))


def home_of(highs: npt.NDArray[np.uint64], homes: int) -> npt.NDArray[np.int64]:
    """Return the pages to which keys belong, by their first 64 bits: high * homes / 2^64."""
    upper, lower = np.divmod(highs.astype(np.uint64), np.uint64(1 << 32))
    return (upper * np.uint64(homes) + (lower * np.uint64(homes) >> 32) >> 32).astype(np.int64)


def first_of(home: int, homes: int) -> int:
    """Return the smallest 64 bits of a key that belongs to a page."""
    return -(-(home << 64) // homes)


def pack_pages(rows: Rows, *, first: int, limit: int, homes: int) -> tuple[bytes, Rows]:
    """Return at most `limit` pages from page `first` on, and the rows left for those behind.

    Args:
        rows: sorted; what earlier pages had no room for, and all that belong to these pages.
        first: number of the first page.
        limit: pages of the table's file.
        homes: to how many pages its rows belong.
    """
    room, itemsize, each = rows_per_page(rows.dtype), rows.itemsize, np.arange(len(rows))
    home = home_of(rows["high"], homes) - first
    slots = np.maximum.accumulate(home.clip(0) * room - each) + each
    behind = int(slots[-1]) + 1 if len(rows) else 0
    num_pages = min(limit, max(homes - first, -(-behind // room)))
    count = int(slots.searchsorted(num_pages * room))
    packed = np.zeros(num_pages * room, f"V{itemsize}")
    packed[slots[:count]] = rows[:count].view(packed.dtype)
    pages = np.zeros((num_pages, PAGE_BYTES), np.uint8)
    pages[:, : room * itemsize] = packed.view(np.uint8).reshape(num_pages, -1)
    tails, numbers = pages[:, -_TAIL_BYTES:].view("<u4"), np.arange(num_pages)
    tails[:, 0] = np.bincount(slots[:count] // room, minlength=num_pages)
    begins = np.append(slots, behind)[home.searchsorted(numbers)]
    tails[:, 1] = (begins // room - numbers).clip(0)
    tails[:, 2] = [zlib.crc32(page[:-4].data) for page in pages]
    return pages.tobytes(), rows[count:]


def unpack_pages(data: bytes, dtype: np.dtype[Any], where: str) -> tuple[Rows, int]:
    """Return the rows of whole pages, and how many pages the first of them says to skip.

    Raises:
        DamagedArtifactError: a page is not what was written.
    """
    pages = np.frombuffer(data, np.uint8).reshape(-1, PAGE_BYTES)
    tails = pages[:, -_TAIL_BYTES:].view("<u4")
    if tails[:, 2].tolist() != [zlib.crc32(page[:-4].data) for page in pages]:
        raise damaged(f"{where} is torn: a page is not what was written")
    room = rows_per_page(dtype)
    is_row = np.arange(room) < tails[:, :1]
    packed = pages[:, : room * dtype.itemsize].reshape(-1).view(f"V{dtype.itemsize}")
    return packed[is_row.reshape(-1)].view(dtype), int(tails[0, 1])

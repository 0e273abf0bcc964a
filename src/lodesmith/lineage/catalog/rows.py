"""How a catalog's rows lie on disk: sorted by hash, in pages that each carry a checksum.

Two tables. A *place* (36 bytes) leads from a document's key to where its bytes are; a *link* (24
bytes) leads from the key of a URL or of a content hash to the document's key. A key is 96 bits of
BLAKE2b: of 1e11 documents some two share a key with a chance of 6e-8, and nobody can make two
share one. A page is 4,096 bytes: as many whole rows as fit, zeros, and a CRC-32 of all before it.
"""

import hashlib
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.native.catalog import KEY_BYTES, hash_column

Rows = npt.NDArray[Any]  # one dimension, of PLACE or LINK

PAGE_BYTES = 4096
_CRC_BYTES = 4
PLACE = np.dtype(
    [
        ("key", f"V{KEY_BYTES}"),  # compared byte by byte, or as two big-endian numbers
        ("offset", "<u8"),  # the language's number in the upper 16 bits, the offset below
        ("length", "<u4"),
        ("archive", "<u4"),  # number in the run's list of names
        ("digest", "V8"),  # first bytes of the content's key; zeros where nobody gave a hash
    ]
)
LINK = np.dtype([("key", f"V{KEY_BYTES}"), ("document", f"V{KEY_BYTES}")])
TABLES = {"places": PLACE, "links": LINK}

REMOVED = 0xFFFF_FFFF  # in `archive`: older rows of this document do not count
OFFSET_BITS = 48


def damaged(what: str) -> DamagedArtifactError:
    """Return the error for a fault of the catalog's files."""
    return DamagedArtifactError(
        f"{what}; rebuild the catalog from the artifacts (`lodesmith catalog --rebuild`)"
    )


def key_of(kind: str, name: str | bytes) -> bytes:
    """Return the key of a name: `kind` is `document`, `url` or `content`."""
    data = name.encode("utf-8", "surrogatepass") if isinstance(name, str) else name
    return hashlib.blake2b(data, digest_size=KEY_BYTES, person=kind.encode()).digest()


def keys_of(kind: str, names: Any) -> npt.NDArray[np.uint8]:
    """Return the keys of a column of text or bytes, shape (rows, 12).

    Args:
        kind: as for `key_of`.
        names: as for `as_binary`.
    """
    column = as_binary(names)
    _, offsets, data = column.buffers()
    starts = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    content = np.frombuffer(data or b"", np.uint8)
    return hash_column(content, starts, person=kind.encode())


def as_binary(names: Any) -> Any:
    """Return a column of text or bytes as an Arrow array of large binaries.

    Args:
        names: an Arrow array, or a list of str or bytes, without nulls.

    Raises:
        UserError: it holds something else.
    """
    import pyarrow as pa

    if isinstance(names, list) and any(isinstance(name, str) for name in names):
        names = [n.encode("utf-8", "surrogatepass") if isinstance(n, str) else n for n in names]
    try:
        column = names if isinstance(names, pa.Array) else pa.array(names, pa.large_binary())
        column = column.cast(pa.large_binary())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise UserError(f"a catalog's names must be text or bytes: {error}") from None
    if column.null_count:
        raise UserError(f"{column.null_count} rows of a column have no name; leave them out")
    return column


def halves_of(rows: Rows) -> Rows:
    """Return the keys of rows, or keys alone, as the two numbers `high` and `low`."""
    halves = np.dtype(
        {"names": ["high", "low"], "formats": [">u8", ">u4"], "offsets": [0, 8],
         "itemsize": rows.itemsize}
    )  # fmt: skip
    return rows.view(halves)


def high_of(rows: Rows) -> npt.NDArray[np.uint64]:
    """Return the first 64 bits of keys as numbers."""
    return halves_of(rows)["high"].astype(np.uint64)


def rows_with_keys(keys: npt.NDArray[np.uint8], dtype: np.dtype[Any]) -> Rows:
    """Return rows of a table that hold nothing but their keys."""
    rows: Rows = np.zeros(len(keys), dtype)
    rows["key"] = keys.view(f"V{KEY_BYTES}").reshape(-1)
    return rows


def sort_rows(rows: Rows) -> Rows:
    """Return rows in the order of their keys; rows of equal key stay in the order given."""
    high = high_of(rows)
    order = np.argsort(high, kind="stable")
    high = high[order]
    equal = high[1:] == high[:-1]
    if equal.any():  # rare but for rows of one key: only those are looked at again
        tied = np.concatenate([equal, [False]]) | np.concatenate([[False], equal])
        group = order[tied]
        order[tied] = group[np.lexsort((group, halves_of(rows[group])["low"], high[tied]))]
    words = rows.view(np.uint32).reshape(len(rows), rows.itemsize // 4)
    return np.take(words, order, axis=0).reshape(-1).view(rows.dtype)


def rows_per_page(dtype: np.dtype[Any]) -> int:
    """Return how many rows of a table fit a page."""
    return (PAGE_BYTES - _CRC_BYTES) // dtype.itemsize


def num_pages(num_rows: int, dtype: np.dtype[Any]) -> int:
    """Return how many pages so many rows fill."""
    return -(-num_rows // rows_per_page(dtype))


def pack_pages(rows: Rows) -> bytes:
    """Return sorted rows as pages."""
    room = rows_per_page(rows.dtype) * rows.itemsize
    pages = np.zeros((num_pages(len(rows), rows.dtype), PAGE_BYTES), np.uint8)
    flat = np.zeros(len(pages) * room, np.uint8)
    flat[: rows.nbytes] = rows.view(np.uint8)
    pages[:, :room] = flat.reshape(-1, room)
    sums = [zlib.crc32(page[:-_CRC_BYTES].data) for page in pages]
    pages[:, -_CRC_BYTES:] = np.array(sums, "<u4").view(np.uint8).reshape(-1, _CRC_BYTES)
    return pages.tobytes()


def check_page(page: bytes | memoryview, where: str) -> None:
    """Raise unless a page is what was written.

    Raises:
        DamagedArtifactError: it is not.
    """
    wanted = int.from_bytes(page[-_CRC_BYTES:], "little")
    if len(page) != PAGE_BYTES or zlib.crc32(page[:-_CRC_BYTES]) != wanted:
        raise damaged(f"{where} is torn: a page is not what was written")


def unpack_pages(data: bytes, dtype: np.dtype[Any], where: str) -> Rows:
    """Return the rows of whole pages, those that fill up the last page too.

    Raises:
        DamagedArtifactError: a page is torn.
    """
    view = memoryview(data)
    for start in range(0, len(data), PAGE_BYTES):
        check_page(view[start : start + PAGE_BYTES], where)
    room = rows_per_page(dtype) * dtype.itemsize
    pages = np.frombuffer(data, np.uint8).reshape(-1, PAGE_BYTES)
    return pages[:, :room].reshape(-1).view(dtype)

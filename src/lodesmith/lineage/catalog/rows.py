"""A catalog's rows: what they hold, by which keys they are found, and in which order they lie.

Two tables. A *place* (36 bytes) leads from a document's key to where its bytes are; a *link* (24
bytes) leads from the key of a URL or of a content hash to the document's key. A key is 96 bits of
BLAKE2b: of 1e11 documents some two share a key with a chance of 6e-8, and nobody can make two
share one.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lodesmith.core.errors import UserError
from lodesmith.native.catalog import KEY_BYTES, hash_column

Rows = npt.NDArray[Any]  # one dimension, of PLACE or LINK


def _layout(num_bytes: int, **fields: tuple[str, int]) -> np.dtype[Any]:
    """Return the type of a row from its fields' types and first bytes; every row has a key."""
    every = {"key": (f"V{KEY_BYTES}", 0), "high": (">u8", 0), "low": (">u4", 8), **fields}
    formats, offsets = zip(*every.values(), strict=True)
    return np.dtype(
        {"names": list(every), "formats": formats, "offsets": offsets, "itemsize": num_bytes}
    )


PLACE = _layout(
    36,
    offset=("<u8", 12),  # its upper 16 bits are the language's
    language=("<u2", 18),  # number in the run's list of languages
    length=("<u4", 20),
    archive=("<u4", 24),  # number in the run's list of archives
    digest=("V8", 28),  # first bytes of the content's key; zeros where nobody gave a hash
)
LINK = _layout(24, document=(f"V{KEY_BYTES}", 12))
TABLES = {"places": PLACE, "links": LINK}
OFFSET_BITS = 48


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

    if isinstance(names, list):
        names = [n.encode("utf-8", "surrogatepass") if isinstance(n, str) else n for n in names]
    try:
        column = names if isinstance(names, pa.Array) else pa.array(names, pa.large_binary())
        column = column.cast(pa.large_binary())
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise UserError(f"a catalog's names must be text or bytes: {error}") from None
    if column.null_count:
        raise UserError(f"{column.null_count} rows of a column have no name; leave them out")
    return column


def join_rows(pieces: Sequence[Rows]) -> Rows:
    """Return the rows of one table or more pieces, one behind the other."""
    opaque = [rows.view(f"V{rows.itemsize}") for rows in pieces]  # numpy would pack the fields
    return np.concatenate(opaque).view(pieces[0].dtype)


def words_of(rows: Rows) -> npt.NDArray[np.uint32]:
    """Return the bytes of rows as numbers that mean nothing, shape (rows, words)."""
    return rows.view(np.uint32).reshape(len(rows), rows.itemsize // 4)


def sort_rows(rows: Rows) -> Rows:
    """Return rows in the order of their keys' first 64 bits; of equal ones, in the order given."""
    order = np.argsort(rows["high"].astype(np.uint64), kind="stable")
    return np.take(words_of(rows), order, axis=0).reshape(-1).view(rows.dtype)


def select_rows(rows: Rows, low: int, high: int) -> Rows:
    """Return a copy of those rows whose first 64 bits are from `low` to `high`, both included."""
    highs = rows["high"]
    chosen: Rows = rows[(highs >= low) & (highs <= high)]
    return chosen

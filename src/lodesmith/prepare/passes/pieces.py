"""What the first pass makes of a shard, cut into pieces that can be held in memory one at a time.

A shard may be a file that can be cut only as it is read (packed JSON lines, of any size), or hold
millions of texts of a few words, each with a kilobyte of signatures and keys later on. A piece is
full at so many records or so much text, whatever the workers; the later passes know pieces only.
"""

from collections.abc import Iterator

from lodesmith.prepare.config import ExactDuplicatesConfig
from lodesmith.prepare.duplicates.exact_duplicates import TextHashes
from lodesmith.prepare.passes.carried import Carried, Rejected, write_carried
from lodesmith.prepare.shards.shard_files import Parts, Shard

_MOST_RECORDS = 1 << 16  # signatures, keys and what sorts them: a kilobyte and a half each
_MOST_CHARS = 1 << 23  # of text: twelve bytes a word where repeated stretches are cut out

Items = Iterator[Carried | Rejected]


def write_pieces(shard: Shard, items: Items, exact: ExactDuplicatesConfig | None) -> int:
    """Write the pieces of a shard, and what their documents leave for the search for copies.

    Args:
        shard: they are named after it.
        items: its records, cleaned.
        exact: settings of the search for copies; None where there is none.

    Returns:
        Their number; one where there is no record.
    """
    num_pieces, item = 0, next(items, None)
    while item is not None or not num_pieces:
        piece, filling = shard.piece(num_pieces), _Filling(exact)
        write_carried(piece.cleaned, () if item is None else filling.take(item, items))
        if filling.hashes is not None:
            filling.hashes.write(Parts(piece.folder, 0), piece.number)
        num_pieces, item = num_pieces + 1, next(items, None)
    return num_pieces


class _Filling:
    """One piece while it is filled."""

    def __init__(self, exact: ExactDuplicatesConfig | None) -> None:
        self.hashes = None if exact is None else TextHashes(exact)
        self._num_records = self._num_chars = 0

    def take(self, first: Carried | Rejected, others: Items) -> Items:
        """Yield records until the piece is full."""
        self._count(first)
        yield first
        while not self._is_full() and (item := next(others, None)) is not None:
            self._count(item)
            yield item

    def _is_full(self) -> bool:
        return self._num_records >= _MOST_RECORDS or self._num_chars >= _MOST_CHARS

    def _count(self, item: Carried | Rejected) -> None:
        self._num_records += 1
        if isinstance(item, Rejected):
            return
        self._num_chars += len(item.document.text)
        if self.hashes is not None:
            self.hashes.add(item.document, item.code_lines)

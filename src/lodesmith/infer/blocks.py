"""Blocks of the key-value cache: who uses which, and which prompts' beginnings they still hold.

A sequence's keys and values lie in blocks of `block_size` positions. A full block has a key, a
digest of all tokens up to its end, so two sequences that begin alike share the blocks of their
common beginning. Blocks that nobody uses keep their content until they are needed: the one unused
for longest goes first. Nothing here knows of tensors or threads.
"""

import hashlib
from array import array
from collections import Counter, OrderedDict
from collections.abc import Sequence

BlockKey = bytes
ROOT: BlockKey = b""


def key_of(parent: BlockKey, input_ids: Sequence[int], *, adapter: str | None) -> BlockKey:
    """Return the key of a full block that follows the block `parent`.

    A cryptographic digest: whoever chooses the tokens must not be able to make two blocks alike.
    """
    digest = hashlib.sha256(parent)
    if parent == ROOT:
        digest.update(repr(adapter).encode())
    digest.update(array("i", input_ids).tobytes())
    return digest.digest()


class BlockPool:
    """All blocks of one cache."""

    def __init__(self, *, num_blocks: int, block_size: int) -> None:
        self.num_blocks, self.block_size = num_blocks, block_size
        self._num_users: Counter[int] = Counter()
        self._unused: OrderedDict[int, None] = OrderedDict.fromkeys(range(num_blocks))
        self._block_of: dict[BlockKey, int] = {}
        self._key_of: dict[int, BlockKey] = {}

    @property
    def num_unused(self) -> int:
        """Blocks that can be had."""
        return len(self._unused)

    @property
    def used_fraction(self) -> float:
        """Share of the blocks that a sequence uses."""
        return 1 - self.num_unused / self.num_blocks

    def reuse(self, keys: Sequence[BlockKey]) -> list[int]:
        """Return the blocks of as many of the first keys as are there, now used once more."""
        blocks: list[int] = []
        for key in keys:
            block = self._block_of.get(key)
            if block is None:
                break
            self._num_users[block] += 1
            self._unused.pop(block, None)
            blocks.append(block)
        return blocks

    def take(self, count: int) -> list[int] | None:
        """Return so many blocks of no known content, None if there are not as many."""
        if count > len(self._unused):
            return None
        blocks = [self._unused.popitem(last=False)[0] for _ in range(count)]
        for block in blocks:
            self._forget(block)
            self._num_users[block] = 1
        return blocks

    def name(self, block: int, key: BlockKey) -> None:
        """Say what a block that is in use holds; another one of the same content is left alone."""
        if key not in self._block_of and block not in self._key_of:
            self._block_of[key] = block
            self._key_of[block] = key

    def give_back(self, blocks: Sequence[int]) -> None:
        """Use blocks once less, the last ones first: a beginning is of use to more than an end."""
        for block in reversed(blocks):
            self._num_users[block] -= 1
            if self._num_users[block] == 0:
                del self._num_users[block]
                self._unused[block] = None
                if block not in self._key_of:
                    self._unused.move_to_end(block, last=False)

    def forget_all(self) -> None:
        """Forget every content, as when the model changes."""
        self._block_of.clear()
        self._key_of.clear()

    def _forget(self, block: int) -> None:
        key = self._key_of.pop(block, None)
        if key is not None:
            del self._block_of[key]

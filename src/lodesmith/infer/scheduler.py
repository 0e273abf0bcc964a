"""Who is computed when: first come, first served, within the blocks and tokens of a step.

Each step every running sequence that lacks one token gets it, and what is left of the token budget
reads prompts on, the oldest first. Where blocks run short, the sequence that came last gives its
blocks up and waits at the head of the line; its tokens are kept and read again (`preempt`).
The oldest sequence is never the one to give up, so it always goes on to its end, and then the next
one is the oldest: nobody starves. Nothing here knows of tensors or threads.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from lodesmith.infer.blocks import ROOT, BlockPool, key_of
from lodesmith.infer.sequence import Sequence


@dataclass(slots=True)
class Chunk:
    """Tokens of one sequence that go through the model in this step."""

    sequence: Sequence
    start: int
    count: int

    @property
    def is_last(self) -> bool:
        """Whether a new token can be chosen after it."""
        return self.start + self.count == len(self.sequence.tokens)


class Scheduler:
    """The line, the running sequences and their blocks."""

    def __init__(
        self, pool: BlockPool, *, max_num_seqs: int, max_num_batched_tokens: int, reuse: bool
    ) -> None:
        self.pool, self.max_num_seqs = pool, max_num_seqs
        self.max_num_batched_tokens, self.reuse = max_num_batched_tokens, reuse
        self.waiting: deque[Sequence] = deque()
        self.running: list[Sequence] = []  # by the time they came
        self.num_preemptions = self.num_queried_tokens = self.num_reused_tokens = 0

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return bool(self.waiting or self.running)

    def add(self, sequence: Sequence) -> None:
        """Put a sequence at the end of the line."""
        self.waiting.append(sequence)

    def remove(self, sequence: Sequence) -> None:
        """Take a sequence out, wherever it is, and give its blocks back."""
        if sequence in self.running:
            self.running.remove(sequence)
        else:
            self.waiting.remove(sequence)
        self._drop_blocks(sequence)

    def plan(self) -> list[Chunk]:
        """Return what to compute now, its blocks taken; at least one chunk if there is work."""
        chunks: dict[Sequence, Chunk] = {}
        budget = self.max_num_batched_tokens
        for sequence in [each for each in self.running if each.num_left == 1]:
            self._grant(chunks, sequence, 1)
        for sequence in [each for each in self.running if each.num_left > 1]:
            count = min(budget, sequence.num_left)
            if count and self._grant(chunks, sequence, count):
                budget -= count
        for sequence in self._admissible():
            count = min(budget, sequence.num_left)
            if not count or not self._extend(sequence, count):
                self._drop_blocks(sequence)
                break
            self.waiting.popleft()
            self.running.append(sequence)
            self._count(sequence)
            chunks[sequence] = Chunk(sequence, sequence.num_computed, count)
            budget -= count
        return list(chunks.values())

    def advance(self, chunk: Chunk) -> None:
        """Note that a chunk's keys and values are there, and what full blocks hold now."""
        sequence = chunk.sequence
        sequence.num_computed = chunk.start + chunk.count
        size = self.pool.block_size
        num_full = sequence.num_computed // size if self.reuse else 0
        for index in range(chunk.start // size, num_full):
            self.pool.name(sequence.blocks[index], self._keys(sequence, index + 1)[index])

    def _admissible(self) -> Iterator[Sequence]:
        """Yield the head of the line while there may be one more running sequence."""
        num_preemptions = self.num_preemptions
        while self.waiting and len(self.running) < self.max_num_seqs:
            sequence = self.waiting[0]
            if self.num_preemptions != num_preemptions or sequence.blocks:
                return
            self._find_prefix(sequence)
            yield sequence

    def _grant(self, chunks: dict[Sequence, Chunk], sequence: Sequence, count: int) -> bool:
        """Give a running sequence its tokens, taking the blocks of later ones if need be."""
        if sequence not in self.running:
            return False  # it gave up its blocks a moment ago
        while not self._extend(sequence, count):
            last = self.running[-1]
            self._preempt(last)
            chunks.pop(last, None)
            if last is sequence:
                return False
        chunks[sequence] = Chunk(sequence, sequence.num_computed, count)
        return True

    def _preempt(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        self._drop_blocks(sequence)
        self.waiting.appendleft(sequence)
        self.num_preemptions += 1

    def _extend(self, sequence: Sequence, count: int) -> bool:
        """Take the blocks that so many more tokens need, all or none."""
        needed = -(-(sequence.num_computed + count) // self.pool.block_size)
        blocks = self.pool.take(max(0, needed - len(sequence.blocks)))
        if blocks is None:
            return False
        sequence.blocks.extend(blocks)
        return True

    def _find_prefix(self, sequence: Sequence) -> None:
        """Let a sequence that is about to start share the blocks of its known beginning."""
        if not self.reuse or sequence.must_read_all:
            return
        num_keys = (len(sequence.tokens) - 1) // self.pool.block_size  # one token must be read
        sequence.blocks = self.pool.reuse(self._keys(sequence, num_keys)[:num_keys])
        sequence.num_computed = len(sequence.blocks) * self.pool.block_size

    def _count(self, sequence: Sequence) -> None:
        """Count what the prefix cache was worth, once for each request."""
        if self.reuse and sequence.num_reused is None:
            sequence.num_reused = sequence.num_computed
            self.num_queried_tokens += len(sequence.request.input_ids)
            self.num_reused_tokens += sequence.num_reused

    def _drop_blocks(self, sequence: Sequence) -> None:
        self.pool.give_back(sequence.blocks)
        sequence.blocks = []
        sequence.num_computed = 0

    def _keys(self, sequence: Sequence, count: int) -> list[bytes]:
        """Return the keys of at least the first `count` blocks, made as they are needed."""
        keys, size = sequence.block_keys, self.pool.block_size
        for index in range(len(keys), count):
            parent = keys[-1] if keys else ROOT
            ids = sequence.tokens[index * size : (index + 1) * size]
            keys.append(key_of(parent, ids, adapter=sequence.adapter_key))
        return keys

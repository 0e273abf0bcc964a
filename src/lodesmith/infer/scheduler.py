"""Who is served when: a bounded queue, first come first served, and dense rows of the cache.

Rows 0 .. num_running-1 of the cache belong to the running sequences, so that a step reads one
slice of it and copies nothing. The sequence whose prompt is being read, at most one, has the row
after them. When a sequence leaves, the last running one moves to its row; the scheduler says so
by a list of moves and the engine copies the rows. Nothing here knows of tensors or threads.
"""

from collections import deque
from typing import Generic, TypeVar

SequenceType = TypeVar("SequenceType")

Move = tuple[int, int]  # from row, to row


class Scheduler(Generic[SequenceType]):
    """The waiting line and the rows."""

    def __init__(self, *, max_num_seqs: int, max_num_queued_seqs: int) -> None:
        self.max_num_seqs = max_num_seqs
        self.max_num_queued_seqs = max_num_queued_seqs
        self.waiting: deque[SequenceType] = deque()
        self.running: list[SequenceType] = []  # its place in the list is its row
        self.reading: SequenceType | None = None  # its prompt is being read

    @property
    def num_rows(self) -> int:
        """Rows in use."""
        return len(self.running) + (self.reading is not None)

    @property
    def has_work(self) -> bool:
        """Whether a step would do anything."""
        return bool(self.waiting) or self.num_rows > 0

    def has_room_for(self, count: int) -> bool:
        """Tell whether so many more may wait."""
        return len(self.waiting) + count <= self.max_num_queued_seqs

    def add(self, sequence: SequenceType) -> None:
        """Put a sequence at the end of the line; the caller has asked `has_room_for`."""
        self.waiting.append(sequence)

    def next_to_read(self) -> SequenceType | None:
        """Return the sequence whose prompt is to be read on, taking one from the line if need be.

        Its row is `len(running)`.
        """
        if self.reading is None and self.waiting and self.num_rows < self.max_num_seqs:
            self.reading = self.waiting.popleft()
        return self.reading

    def start_running(self, sequence: SequenceType) -> None:
        """Let the sequence whose prompt has been read run, in the row that it has."""
        self.running.append(sequence)
        self.reading = None

    def remove(self, sequence: SequenceType) -> list[Move]:
        """Take a sequence out, wherever it is, and return which rows to copy, in order."""
        if sequence is self.reading:
            self.reading = None
            return []
        if sequence not in self.running:
            self.waiting.remove(sequence)
            return []
        row, last = self.running.index(sequence), len(self.running) - 1
        moves = [(last, row)] if row != last else []
        self.running[row] = self.running[last]
        self.running.pop()
        if self.reading is not None:
            moves.append((last + 1, last))
        return moves

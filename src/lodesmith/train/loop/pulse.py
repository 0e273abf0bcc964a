"""Signs of life: a few numbers that each rank keeps changing and its supervisor looks at.

They lie in a small file that both map into memory, so a sign costs a rank less than a microsecond
and no clock is compared: the supervisor asks only whether a number has changed since it last
looked.

    alive   counted up by a thread of the rank, whatever its main thread waits for; stands still
            when the process is frozen (SIGSTOP, a hanging machine)
    beats   counted up by the rank's own work, at each micro-batch; stands still while it waits
    phase   what it is doing: how long it may be silent depends on it
    step    optimizer steps done

The first row goes the other way: the supervisor asks all ranks to save and stop.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

_WORDS = 8  # a row is a cache line: ranks do not slow each other down
_ALIVE, _BEATS, _PHASE, _STEP = range(4)
_STOP = 0  # in the supervisor's row
_ALIVE_SECONDS = 0.2


class Phase(IntEnum):
    """What a rank is doing."""

    STARTING = 0  # not yet in our code: importing torch
    LOADING = 1  # joining its peers, reading weights, data or a checkpoint
    COMPILING = 2  # the first step, in which kernels may be compiled and memory is first taken
    TRAINING = 3
    SAVING = 4  # a checkpoint or the finished model


@dataclass(frozen=True, kw_only=True)
class Sign:
    """What was read of one rank."""

    alive: int
    beats: int
    phase: Phase
    step: int
    halted: bool = False  # the kernel says that the process is stopped


class PulseBoard:
    """The supervisor's side: a fresh file for some ranks."""

    def __init__(self, path: Path, *, num_ranks: int) -> None:
        # Written out, not truncated to size: a full disk must fail here, not kill a rank later.
        path.write_bytes(bytes(8 * _WORDS * (num_ranks + 1)))
        self._rows = _map(path)

    def read(self, slot: int, *, halted: bool = False) -> Sign:
        """Return the sign of a rank.

        Args:
            slot: counts the ranks of this file from 0.
            halted: what the kernel says of its process.
        """
        row = self._rows[slot + 1]
        return Sign(
            alive=int(row[_ALIVE]),
            beats=int(row[_BEATS]),
            phase=Phase(int(row[_PHASE])),
            step=int(row[_STEP]),
            halted=halted,
        )

    def ask_to_stop(self) -> None:
        """Ask all ranks to save and end after the step that they are in."""
        self._rows[0, _STOP] = 1


class Pulse:
    """A rank's side; a context in which the rank counts as alive."""

    def __init__(self, path: Path, *, slot: int) -> None:
        self._rows = _map(path)
        self._row = self._rows[slot + 1]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._stay_alive, daemon=True)
        self.enter(Phase.LOADING)

    @property
    def asked_to_stop(self) -> bool:
        """Whether the supervisor wants the run to save and end."""
        return bool(self._rows[0, _STOP])

    def beat(self) -> None:
        """Say that work has moved on."""
        self._row[_BEATS] += 1

    def enter(self, phase: Phase) -> None:
        """Say what is being done from now on."""
        self._row[_PHASE] = phase
        self.beat()

    def finish_step(self, step: int) -> None:
        """Say that an optimizer step is done, its number counted from 1."""
        self._row[_STEP] = step
        self.enter(Phase.TRAINING)

    @contextmanager
    def during(self, phase: Phase) -> Iterator[None]:
        """Be in a phase for the time of the block."""
        before = Phase(int(self._row[_PHASE]))
        self.enter(phase)
        yield
        self.enter(before)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()

    def _stay_alive(self) -> None:
        while not self._ended.wait(_ALIVE_SECONDS):
            self._row[_ALIVE] += 1


def _map(path: Path) -> npt.NDArray[np.int64]:
    num_rows = path.stat().st_size // (8 * _WORDS)
    return np.memmap(path, np.int64, mode="r+", shape=(num_rows, _WORDS))

"""Which record a worker has in hand, so that one that kills or hangs it can be left out.

A worker writes the number of each record into a small file that is mapped into its memory, which
costs no system call and outlives a SIGKILL. When a worker dies, the note names the record: one
that was in hand at two deaths is *condemned*, and the next attempt at the shard passes it over
and reports it. Time is CPU time, so that a busy machine condemns nobody: the kernel ends a worker
that spends more than `Limits.record_seconds` on one record, and one such end is enough.
"""

import mmap
import signal
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.storage import read_json, write_json

READING, WORKING = "read", "work"  # what a worker was doing with its record

_NOTE = struct.Struct("<qq")  # number of the record in hand + 1, and whether it is read yet
_PLACES = {0: "", 1: READING, 2: WORKING}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What one record may take from the worker that has it in hand."""

    record_seconds: float = 120.0  # CPU time; a page of 16 MiB takes about five
    memory_bytes: int = 3 << 30  # of the worker, above what it began with; held on Linux only


class Watch:
    """A shard's account of its records, by their numbers from 0 on."""

    def __init__(
        self, note: Path | None, condemned: Mapping[str, str], limits: Limits | None = None
    ) -> None:
        """Begin with what earlier attempts found; without a note file nothing is watched."""
        self._condemned = condemned
        self._seconds = limits.record_seconds if limits is not None else 0.0
        self._note: mmap.mmap | None = None
        if note is not None:
            note.write_bytes(bytes(_NOTE.size))
            with note.open("r+b") as file:
                self._note = mmap.mmap(file.fileno(), _NOTE.size)

    def read(self, number: int) -> str | None:
        """Note that this record is going to be read, or return why no attempt may read it."""
        return self._take(number, 1, READING)

    def work(self, number: int) -> str | None:
        """Note that this record is worked on, or return why it must be left out."""
        return self._take(number, 2, WORKING)

    def end(self) -> None:
        """Note that no record is in hand any more."""
        if self._note is not None:
            signal.setitimer(signal.ITIMER_PROF, 0)
            _NOTE.pack_into(self._note, 0, 0, 0)

    def _take(self, number: int, place: int, name: str) -> str | None:
        if self._note is None:
            return None
        if self._condemned and (why := self._condemned.get(f"{name}-{number}")) is not None:
            self.end()
            return why
        _NOTE.pack_into(self._note, 0, number + 1, place)
        signal.setitimer(signal.ITIMER_PROF, self._seconds)  # its signal ends the process
        return None


UNWATCHED = Watch(None, {})
"""For work that is called directly."""


def record_in_hand(note: Path) -> str | None:
    """Return what a worker that died was doing, as in `work-17`; None where nobody can tell."""
    try:
        number, place = _NOTE.unpack(note.read_bytes())
    except (OSError, struct.error):
        return None
    return f"{_PLACES[place]}-{number - 1}" if place in (1, 2) else None


def read_condemned(path: Path) -> dict[str, str]:
    """Return the records that earlier attempts at a shard condemned, and why."""
    return dict(read_json(path)) if path.exists() else {}


def condemn(path: Path, record: str, why: str) -> None:
    """Remember a record that must be left out."""
    write_json(path, {**read_condemned(path), record: why})


def limit_memory(num_bytes: int) -> None:
    """Let the kernel refuse memory to this process beyond what it has and so many bytes."""
    if sys.platform != "linux":
        return  # elsewhere the kernel does not hold to it
    import resource

    fields = Path("/proc/self/status").read_text(encoding="ascii").split("VmData:")[1].split()
    limit = int(fields[0]) * 1024 + num_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or limit < hard:
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))

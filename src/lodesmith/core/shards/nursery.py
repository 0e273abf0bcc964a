"""Worker processes that start in a millisecond: forked from one that has imported everything.

A fresh Python needs half a CPU-second to import what cleaning needs, and each holds it in memory
again. The nursery is one quiet process with a single thread that imports the work's module once
and then forks a child for each shard. So a shard's memory goes back when it ends, a crash costs
one shard, and limits can be set for each. Nothing of the user's script is imported.

The child leaves its result as a done-marker; an error comes back through a pipe, so that it is
heard also when the disk is full.
"""

import atexit
import contextlib
import gc
import os
import pickle
import select
import signal
import socket
import subprocess
import sys
import traceback
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from lodesmith.core.errors import EngineError
from lodesmith.core.process import die_with_parent
from lodesmith.core.shards.markers import Markers
from lodesmith.core.shards.plan import Call, Work
from lodesmith.core.shards.watch import Limits, Watch, limit_memory, read_condemned
from lodesmith.core.storage import JSON

_MAX_ERROR_BYTES = 1 << 15  # half of what a pipe holds without a reader
_START = "import sys; sys.path[:] = {path!r}; from {module} import serve; serve({fd}, {pid})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One attempt at one shard."""

    name: str
    work: Work
    arguments: tuple[Any, ...]
    markers: Markers
    note: Path
    condemned: Path
    limits: Limits | None  # None: the work takes no watch
    warm_up: Call | None  # made once in the nursery, before the first fork


@dataclass(frozen=True, slots=True)
class Begun:
    """An attempt has a process now."""

    name: str
    pid: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: well, by an error of the work, or by the worker's death."""

    name: str
    status: int  # as of subprocess: 0, or minus the signal that ended it
    error: bytes  # pickled exception


class Nursery:
    """The parent's end."""

    def __init__(self) -> None:
        """Start the process."""
        ours, theirs = socket.socketpair()
        module, pid = __name__, os.getpid()
        with theirs:
            code = _START.format(path=sys.path, module=module, fd=theirs.fileno(), pid=pid)
            self.process = subprocess.Popen(
                [sys.executable, "-c", code],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                # One thread each: there is a process for every core.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                process_group=0,
            )
        self.owner = pid
        self.link = Connection(ours.detach())

    def begin(self, job: Job) -> None:
        """Start an attempt."""
        try:
            self.link.send((Path.cwd(), job))
        except OSError as error:
            raise NurseryLostError("the process that starts workers has died") from error

    def await_news(self, seconds: float) -> Begun | Outcome | None:
        """Return what happened next, None if nothing does in that time."""
        try:
            news: Begun | Outcome | None = self.link.recv() if self.link.poll(seconds) else None
        except (EOFError, OSError) as error:
            raise NurseryLostError("the process that starts workers has died") from error
        return news

    def close(self) -> None:
        """Stop all attempts at once: what they did is repeated, so nothing is lost."""
        self.link.close()
        if os.getpid() == self.owner:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


class NurseryLostError(EngineError):
    """The process that starts workers has died; what ran must be started again."""


_open: list[Nursery] = []  # the one of this process


def open_nursery() -> Nursery:
    """Return this process's nursery, starting it at the first call."""
    if not _open or _open[0].owner != os.getpid():
        _open[:] = [Nursery()]
    return _open[0]


def close_nursery() -> None:
    """End it, so that its memory goes back and its CPU time counts as this process's children's."""
    while _open:
        _open.pop().close()


atexit.register(close_nursery)


def serve(descriptor: int, parent_pid: int) -> None:
    """Fork a child for each job that comes, and tell how each ended; the nursery's own life."""
    die_with_parent(parent_pid)
    link = Connection(descriptor)
    wake, wakened = os.pipe()
    os.set_blocking(wakened, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakened)
    children: dict[int, tuple[str, int]] = {}
    while True:
        ready, _, _ = select.select([link.fileno(), wake], [], [])
        if wake in ready:
            os.read(wake, 1 << 12)
            _reap(link, children)
        if link.fileno() in ready:
            try:
                folder, job = link.recv()
            except EOFError:
                os.killpg(0, signal.SIGKILL)  # the parent is gone: neither we nor they are needed
            os.chdir(folder)
            _fork(job, link, children)


def _reap(link: Connection, children: dict[int, tuple[str, int]]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        name, reader = children.pop(pid)
        with os.fdopen(reader, "rb") as file:
            error = file.read()
        link.send(Outcome(name, os.waitstatus_to_exitcode(status), error))


_warmed: set[Call] = set()


def _fork(job: Job, link: Connection, children: dict[int, tuple[str, int]]) -> None:
    import_module(job.work.__module__)
    if job.warm_up is not None and job.warm_up not in _warmed:
        _warmed.add(job.warm_up)
        with contextlib.suppress(Exception):  # the child meets the same fault and reports it
            function, arguments = job.warm_up
            function(*arguments)
    reader, writer = os.pipe()
    gc.collect()
    gc.freeze()  # so that a child's collector leaves shared pages shared
    pid = os.fork()
    if pid == 0:
        link.close()
        os.close(reader)
        _live(job, writer)
    os.close(writer)
    children[pid] = (job.name, reader)
    link.send(Begun(job.name, pid))


def _live(job: Job, writer: int) -> None:
    """Do one shard in the child, which ends here."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        die_with_parent(os.getppid())
        job.markers.finish(job.name, _attempt(job))
        status = 0
    except BaseException as error:  # noqa: BLE001 the edge of a process: it must be heard of
        os.write(writer, _pack(error))
    finally:
        sys.stderr.flush()
        os._exit(status)


def _attempt(job: Job) -> JSON:
    if job.limits is None:
        return job.work(*job.arguments)
    job.note.parent.mkdir(parents=True, exist_ok=True)
    limit_memory(job.limits.memory_bytes)
    watch = Watch(job.note, read_condemned(job.condemned), job.limits)
    return job.work(*job.arguments, watch=watch)


def _pack(error: BaseException) -> bytes:
    """Return an exception as bytes, with the place where it arose as a note."""
    error.add_note("in a worker:\n" + "".join(traceback.format_tb(error.__traceback__))[-4000:])
    try:
        packed = pickle.dumps(error)
        pickle.loads(packed)  # noqa: S301 our own bytes: some exceptions cannot be made again
    except Exception:  # noqa: BLE001 whatever an exception's own code raises
        packed = b""
    if not packed or len(packed) > _MAX_ERROR_BYTES:
        packed = pickle.dumps(EngineError(f"{type(error).__name__}: {error}"[:2000]))
    return packed

"""Saves and loads a run's state: the step waits for one copy in memory, the rest is background.

A save, on every rank:

    step waits   copy what this rank writes into its staging buffer
    background   write the buffer as one file, flushed to disk, its checksums computed meanwhile
                 tell rank 0; when all files are durable, rank 0 commits and drops old checkpoints

One save is under way at a time: a second waits for the first. What goes wrong in the background
is said at once and raised at the next save, on all ranks alike.
"""

import copy
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from torch import Tensor

from lodesmith.core.errors import EngineError, LodesmithError, explain_os_error
from lodesmith.core.log import warn
from lodesmith.core.storage import JSON
from lodesmith.native.blocks import block_sums
from lodesmith.parallel.checkpoint.loading import Loaded, load_latest
from lodesmith.parallel.checkpoint.manifest import BLOCK_BYTES, Manifest, PartFile
from lodesmith.parallel.checkpoint.memory import Copies
from lodesmith.parallel.checkpoint.part_file import Held, Staging, anonymous_memory
from lodesmith.parallel.checkpoint.plan import Plan, describe, make_plan
from lodesmith.parallel.checkpoint.shelf import Retention, Shelf, folder_of
from lodesmith.parallel.checkpoint.team import Team
from lodesmith.parallel.parts import local_part

MAX_FAILURES = 3
"""Saves that may fail one after the other before the run stops."""


@dataclass
class _Save:
    """A save under way, or the outcome of one."""

    step: int
    fault: str | None = None  # why it was not committed, for people


class Checkpoints:
    """The checkpoints of a run, seen from one rank; all ranks call its methods together."""

    def __init__(
        self,
        place: str | Path,
        *,
        memory: Path | None = None,
        keep: Retention = Retention(),  # noqa: B008 frozen
        say: Callable[[str], None] = warn,
    ) -> None:
        """Open a folder or fsspec URL.

        Args:
            place: of this run's checkpoints and nothing else.
            memory: this node's folder of second copies, see `open_memory_folder`; without one on
                every node there are none.
            keep: how many stay.
            say: tells people, on rank 0, what they should not overlook.
        """
        self.team = Team()
        attempt = self.team.decide(lambda: secrets.token_hex(4))
        self.shelf, self.keep, self.say = Shelf(place, attempt=attempt), keep, say
        self._plan: Plan | None = None
        self._held: list[Held] = []
        self._staging: Staging | None = None  # unless there are copies in memory
        folders = [folder for folder in self.team.share(memory) if folder is not None]
        self._copies: Copies | None = None
        if len(folders) == self.team.size:
            self._copies = Copies(folders, team=self.team, attempt=attempt)
        # A thread that is there already: starting one waits until the system lets it run.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._last: _Save | None = None
        self._failures, self._has_committed = 0, False

    def save(self, *, step: int, tensors: Mapping[str, Tensor], facts: JSON) -> None:
        """Begin a checkpoint; return when the state may change again.

        Args:
            step: optimizer steps done.
            tensors: the whole state, by names that are the same on all ranks and at every save.
            facts: the rest of it, as JSON data; rank 0's counts.

        Raises:
            EngineError: earlier saves have failed, too many to go on without.
        """
        self.wait()
        if self._last is not None and (self._last.step, self._last.fault) == (step, None):
            return  # it is there already
        staging = self._prepare(tensors)
        staging.fill({name: local_part(tensor) for name, tensor in tensors.items()})
        self._last = _Save(step)
        facts = copy.deepcopy(facts)
        self._writing = self._writer.submit(self._write, self._last, staging, facts)

    @property
    def is_saving(self) -> bool:
        """Whether a save is under way."""
        return self._writing is not None and not self._writing.done()

    def wait(self) -> None:
        """Return when no save is under way.

        Raises:
            EngineError: it has failed, and there is no whole checkpoint or it was the last straw.
        """
        if self._writing is None:
            return
        self._writing.result()
        save, self._writing = self._last, None
        assert save is not None  # noqa: S101 set with the future
        if save.fault is None:
            self._failures, self._has_committed = 0, True
            return
        self._failures += 1
        if self._failures >= MAX_FAILURES or not self._has_committed:
            why = f"{self._failures} saves in a row" if self._has_committed else "the first save"
            raise EngineError(f"{save.fault} ({why} of this run failed, so it stops)")

    def load(self, tensors: Mapping[str, Tensor], *, expect: JSON = None) -> Loaded | None:
        """Fill tensors from the latest whole checkpoint, whatever layout it was written by.

        A copy in memory is taken if the disk has nothing newer.

        Args:
            tensors: this rank's, under the names that were saved; changed only if all is there.
            expect: facts that the checkpoint must have been saved with.

        Returns:
            What was loaded and what should be said of it; None if there was no checkpoint at all.

        Raises:
            UserError: the latest checkpoint is of another run or of another model.
        """
        self.wait()
        found = load_latest(self.shelf, tensors, team=self.team, copies=self._copies, expect=expect)
        self._has_committed = found is not None and found.step > 0
        if self._copies is not None:
            self._copies.drop_after(found.step if found is not None else 0)
        return found

    def drop_after(self, step: int) -> None:
        """Remove all checkpoints and copies of later steps: training goes back."""
        self.wait()
        self.team.decide(lambda: self.shelf.drop_after(step))
        if self._copies is not None:
            self._copies.drop_after(step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for what is under way; what went wrong there is raised unless something else is."""
        if kind is None:
            self.wait()
            self.team.close()
        self._writer.shutdown()

    def _prepare(self, tensors: Mapping[str, Tensor]) -> Staging:
        held = describe(tensors)
        if self._plan is None:
            self._plan, self._held = self._start(held), held
        elif held != self._held:
            raise ValueError("names, shapes and layout must be the same at every save of a run")
        if self._copies is not None:
            return self._copies.next_staging()
        assert self._staging is not None  # noqa: S101 see _start
        return self._staging

    def _start(self, held: list[Held]) -> Plan:
        """Get ready for the first save."""
        plan = make_plan(held, team=self.team, attempt=self.shelf.attempt)
        self.team.decide(self._claim)
        if self._copies is not None and not self._copies.reserve(plan.layout):
            self._copies = None
            if self.team.rank == 0:
                self.say("too little memory for second copies: a lost rank will read the disk")
        if self._copies is None:
            self._staging = Staging(plan.layout, anonymous_memory(plan.layout.buffer_bytes))
        return plan

    def _claim(self) -> None:
        self.shelf.claim()
        self.shelf.sweep()

    def _write(self, save: _Save, staging: Staging, facts: JSON) -> None:
        try:
            if self._copies is not None:
                self._copies.keep(save.step, staging, facts)
            self.team.decide(lambda: self.shelf.clear(save.step))
            reports = self.team.gather(self._write_part(save.step, staging))
            save.fault = self.team.decide(lambda: self._commit(save.step, facts, reports))
            if self._copies is not None:
                self._copies.forget_others()
        except Exception as error:  # noqa: BLE001 of a thread; raised at the next save
            save.fault = _explain(error, save.step)
        if save.fault is not None and self.team.rank == 0:
            self.say(save.fault)

    def _write_part(self, step: int, staging: Staging) -> PartFile | str:
        """Write this rank's file; return what it is, or why it could not be written."""
        assert self._plan is not None  # noqa: S101 there is a staging buffer
        size = staging.layout.num_bytes
        name = f"{folder_of(step)}/{self._plan.files[self.team.rank]}"
        try:
            with ThreadPoolExecutor(1) as other:
                sums = other.submit(block_sums, staging.bytes[:size], block_bytes=BLOCK_BYTES)
                bad = other.submit(staging.find_not_finite)
                self.shelf.files.write(name, staging.bytes, size)
            if bad.result() is not None:
                return f"step {step} is not saved: {bad.result()} has values that are not finite"
            return PartFile(size, sums.result())
        except Exception as error:  # noqa: BLE001 told to rank 0, which waits for it
            return _explain(error, step)

    def _commit(self, step: int, facts: JSON, reports: list[PartFile | str]) -> str | None:
        """Commit on rank 0 if every rank's file is there; else return why not."""
        assert self._plan is not None  # noqa: S101
        faults = [report for report in reports if isinstance(report, str)]
        if faults:
            self.shelf.clear(step)
            return faults[0]
        names = [piece.file for whole in self._plan.tensors.values() for piece in whole.pieces]
        files = {
            name: report
            for name, report in zip(self._plan.files, reports, strict=True)
            if isinstance(report, PartFile)
        }
        used = {name: files[name] for name in sorted(set(names))}
        manifest = Manifest(step=step, facts=facts, tensors=self._plan.tensors, files=used)
        self.shelf.commit(manifest, keep=self.keep)
        return None


def _explain(error: Exception, step: int) -> str:
    doing = f"saving the checkpoint of step {step}"
    clear: Exception | None = error if isinstance(error, LodesmithError) else None
    if isinstance(error, OSError):
        clear = explain_os_error(error, doing=doing)
    return str(clear) if clear is not None else f"{doing} failed: {error!r}"

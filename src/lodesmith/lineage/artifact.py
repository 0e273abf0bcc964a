"""Artifacts: folders that are whole or absent, made by one function and known by what went in.

`Workspace.build` is the only way to make one:

    artifact = workspace.build(order, make)

`order` says what is wanted (kind, settings, parents) and so fixes the id. If that artifact is
there, it is returned at once. Otherwise `make(draft)` writes files into a folder below
`unfinished/`, which survives a kill, so that `make` finds there what an earlier attempt finished.
When `make` returns, every file is hashed, the receipt is written and the folder is renamed into
place.
"""

import datetime
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lodesmith.core.config import Config
from lodesmith.core.errors import DamagedArtifactError, UserError, explain_os_error
from lodesmith.core.process import Cost, measure_cost
from lodesmith.core.shards import Markers
from lodesmith.core.shards.nursery import close_nursery
from lodesmith.core.storage import (
    TEMPORARY_PATTERN,
    hash_file,
    hash_json,
    read_json,
    sync_folder,
    write_json,
    write_text,
)
from lodesmith.core.version import VERSION
from lodesmith.lineage.receipt import (
    RECEIPT_NAME,
    FileEntry,
    ParentEntry,
    Receipt,
    content_digest,
    read_receipt,
)

_SCRATCH = "scratch"  # inside a draft: work in progress, gone when the artifact is whole
_ATTEMPTS_FILE = "attempts.json"


@dataclass(frozen=True)
class Artifact:
    """A finished artifact."""

    path: Path
    receipt: Receipt

    @property
    def id(self) -> str:
        """Kind and hash, as in `prepare-3f2a91c07b1e`."""
        return self.receipt.id

    @property
    def kind(self) -> str:
        """The stage that made it."""
        return self.receipt.kind

    def file(self, name: str) -> Path:
        """Return the path of one of its files or folders.

        Raises:
            DamagedArtifactError: it is not there.
        """
        path = self.path / name
        if not path.exists():
            raise DamagedArtifactError(
                f"{self.id} has lost {name}; remove {self.path} and run the recipe again"
            )
        return path

    def verify(self) -> None:
        """Check every content file against the receipt.

        Raises:
            DamagedArtifactError: naming the first file that is missing or changed.
        """
        for name, entry in self.receipt.files.items():
            path = self.file(name)
            if path.stat().st_size != entry.bytes or hash_file(path) != entry.sha256:
                raise DamagedArtifactError(
                    f"{self.id}: {name} is not what the receipt says; "
                    f"remove {self.path} and run again"
                )


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is wanted: enough to know the artifact's id before it is made."""

    kind: str
    version: int  # raised whenever the same inputs begin to give other bytes
    config: Mapping[str, Config]  # recipe section -> its settings
    parents: Mapping[str, Artifact] = field(default_factory=dict)  # kind -> artifact

    @property
    def config_digest(self) -> str:
        """Hash of the settings that can change the content."""
        return hash_json({name: section.identity() for name, section in self.config.items()})

    @property
    def id(self) -> str:
        """The artifact's id: equal for equal kind, version, settings and parents."""
        parents = {kind: parent.id for kind, parent in self.parents.items()}
        key = [self.kind, self.version, self.config_digest, parents]
        return f"{self.kind}-{hash_json(key)[:12]}"


@dataclass(kw_only=True)
class Draft:
    """An artifact in the making: the folder to write to, and what the receipt shall say."""

    path: Path  # content goes here; what an earlier attempt wrote is still there
    counts: dict[str, int | float] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    sources: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    observations: set[str] = field(default_factory=set)  # file names left out of the digest

    @property
    def scratch(self) -> Path:
        """A folder for work in progress: kept through a kill, gone when the artifact is whole."""
        folder = self.path / _SCRATCH
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def markers(self) -> Markers:
        """Done-markers of this artifact's pieces of work."""
        return Markers(self.scratch / "done")


Make = Callable[[Draft], None]


def make_artifact(order: Order, *, final: Path, unfinished: Path, make: Make) -> Artifact:
    """Return the artifact, making it in `unfinished` and renaming it to `final` when whole.

    Raises:
        EngineError: the disk is full, read-only or forbidden; what was done so far is kept.
        UserError: `make` refused its input.
        DamagedArtifactError: what it was to be made from is torn.
    """
    try:
        unfinished.mkdir(parents=True, exist_ok=True)
        attempts = _count_attempt(unfinished)
        draft = Draft(path=unfinished)
        with measure_cost() as cost:
            try:
                make(draft)
            except (UserError, DamagedArtifactError):
                _drop_if_nothing_is_done(draft)
                raise
            close_nursery()  # its workers' CPU time counts only when it has ended
        receipt = _write_receipt(order, draft, cost=cost, attempts=attempts)
        final.parent.mkdir(parents=True, exist_ok=True)
        sync_folder(unfinished)
        unfinished.rename(final)
        sync_folder(final.parent)
    except OSError as error:
        clear = explain_os_error(error, doing=f"making {order.id}")
        if clear is None:
            raise
        raise clear from error
    return Artifact(path=final, receipt=receipt)


def _drop_if_nothing_is_done(draft: Draft) -> None:
    """Remove a draft whose input was refused before there was work to go on with."""
    if all(path.name == _ATTEMPTS_FILE for path in draft.scratch.iterdir()):
        shutil.rmtree(draft.path)


def open_artifact(folder: Path) -> Artifact:
    """Return the finished artifact of a folder."""
    return Artifact(path=folder, receipt=read_receipt(folder))


def _count_attempt(folder: Path) -> dict[str, Any]:
    path = folder / _SCRATCH / _ATTEMPTS_FILE
    earlier: dict[str, Any] = {"num_attempts": 0, "started": _now()}
    if path.exists():
        earlier = read_json(path)
    attempts = {**earlier, "num_attempts": earlier["num_attempts"] + 1}
    write_json(path, attempts)
    return attempts


def _write_receipt(order: Order, draft: Draft, *, cost: Cost, attempts: dict[str, Any]) -> Receipt:
    shutil.rmtree(draft.path / _SCRATCH, ignore_errors=True)
    for stray in draft.path.rglob(TEMPORARY_PATTERN):  # of an earlier attempt that was killed
        stray.unlink()
    entries = {
        path.relative_to(draft.path).as_posix(): path
        for path in sorted(draft.path.rglob("*"))
        if path.is_file() and path.name != RECEIPT_NAME
    }
    hashed = {name: _entry(path) for name, path in entries.items()}
    files = {name: entry for name, entry in hashed.items() if name not in draft.observations}
    receipt = Receipt(
        id=order.id,
        kind=order.kind,
        digest=content_digest(files),
        parents={
            kind: ParentEntry(id=parent.id, digest=parent.receipt.digest)
            for kind, parent in order.parents.items()
        },
        config={name: section.model_dump(mode="json") for name, section in order.config.items()},
        config_digest=order.config_digest,
        stage_version=order.version,
        code_version=VERSION,
        files=files,
        observations={name: hashed[name] for name in hashed if name in draft.observations},
        counts=draft.counts,
        dropped=draft.dropped,
        sources=draft.sources,
        notes=draft.notes,
        started=attempts["started"],
        finished=_now(),
        num_attempts=attempts["num_attempts"],
        seconds=round(cost.seconds, 3),
        cpu_seconds=round(cost.cpu_seconds, 3),
        peak_memory_bytes=cost.peak_memory_bytes,
    )
    write_text(draft.path / RECEIPT_NAME, receipt.model_dump_json(indent=2) + "\n")
    return receipt


def _entry(path: Path) -> FileEntry:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return FileEntry(bytes=path.stat().st_size, sha256=hash_file(path))


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")

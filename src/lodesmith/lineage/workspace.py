"""A workspace: the folder that holds all artifacts, with one writer at a time.

artifacts/<id>/     finished artifacts
unfinished/<id>/    artifacts in the making; a later run goes on in them
cache/              downloads; may be deleted at any time
runs/<recipe>.json  which artifacts the last run of a recipe ended with
reports/            pages for people
lock                who is writing
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lodesmith.core.errors import DamagedArtifactError, UserError, explain_os_error
from lodesmith.core.log import say
from lodesmith.lineage.artifact import Artifact, Make, Order, make_artifact, open_artifact


@dataclass(frozen=True)
class Workspace:
    """All artifacts below one folder."""

    root: Path

    @property
    def artifacts(self) -> Path:
        """Folder of the finished artifacts."""
        return self.root / "artifacts"

    @property
    def cache(self) -> Path:
        """Folder of downloads."""
        return self.root / "cache"

    @property
    def runs(self) -> Path:
        """Folder of the runs' records."""
        return self.root / "runs"

    @property
    def reports(self) -> Path:
        """Folder of pages for people."""
        return self.root / "reports"

    def get(self, order: Order) -> Artifact | None:
        """Return the finished artifact that an order asks for, None if it is still to be made."""
        folder = self.artifacts / order.id
        return open_artifact(folder) if folder.exists() else None

    def build(self, order: Order, make: Make) -> Artifact:
        """Return the artifact that an order asks for, making it if it is not there.

        The caller holds the lock. An interrupted attempt is gone on with.
        """
        done = self.get(order)
        if done is not None:
            return done
        return make_artifact(
            order,
            final=self.artifacts / order.id,
            unfinished=self.root / "unfinished" / order.id,
            make=make,
        )

    def list_artifacts(self) -> list[Artifact]:
        """Return all finished artifacts, oldest first."""
        folders = [path for path in self.artifacts.glob("*-*") if path.is_dir()]
        artifacts = [open_artifact(folder) for folder in folders]
        return sorted(artifacts, key=lambda artifact: (artifact.receipt.finished, artifact.id))

    def list_unfinished(self) -> list[Path]:
        """Return the folders of artifacts that are, or were once, in the making."""
        return sorted(path for path in (self.root / "unfinished").glob("*-*") if path.is_dir())

    def find(self, name: str) -> Artifact:
        """Return the artifact of an id or of the unique beginning of one.

        Raises:
            UserError: none or several artifacts have that name.
        """
        matches = _folders_named(self.artifacts, name)
        exact = [path for path in matches if path.name == name]
        if len(exact or matches) == 1:
            return open_artifact((exact or matches)[0])
        if matches:
            names = ", ".join(path.name for path in matches[:5])
            raise UserError(f"{name} stands for several artifacts ({names}); write more of the id")
        raise UserError(
            f"no artifact {name} in {self.root}; `lodesmith ls --workspace {self.root}` lists them"
        )

    def find_unfinished(self, name: str) -> Path | None:
        """Return the folder of an artifact in the making, by the beginning of its id.

        None if there is not exactly one, or if the name stands for a finished artifact.
        """
        if _folders_named(self.artifacts, name):
            return None
        matches = _folders_named(self.root / "unfinished", name)
        return matches[0] if len(matches) == 1 else None

    def find_ancestor(self, artifact: Artifact, kind: str) -> Artifact:
        """Return the nearest artifact of a kind that this one was made from, itself included.

        Raises:
            UserError: none of its ancestors is of that kind.
            DamagedArtifactError: an ancestor is no longer in the workspace.
        """
        found = self.look_for_ancestor(artifact, kind)
        if found is None:
            raise UserError(f"{artifact.id} was not made from any {kind} artifact")
        return found

    def look_for_ancestor(self, artifact: Artifact, kind: str) -> Artifact | None:
        """Return the same, None where no ancestor is of that kind.

        Raises:
            DamagedArtifactError: an ancestor is no longer in the workspace.
        """
        level = [artifact]
        while level:
            for candidate in level:
                if candidate.kind == kind:
                    return candidate
            level = [
                self.open_parent(child, name) for child in level for name in child.receipt.parents
            ]
        return None

    def open_parent(self, artifact: Artifact, kind: str) -> Artifact:
        """Return a parent of an artifact."""
        parent_id = artifact.receipt.parents[kind].id
        folder = self.artifacts / parent_id
        if not folder.exists():
            raise DamagedArtifactError(
                f"{artifact.id} was made from {parent_id}, which is no longer in {self.root}; "
                "run its recipe again"
            )
        return open_artifact(folder)

    @contextmanager
    def lock(self, *, wait: bool = True) -> Iterator[None]:
        """Hold the workspace as its only writer; the lock ends with the process, however it ends.

        Args:
            wait: wait for the present holder, saying who it is; else raise.

        Raises:
            UserError: another process holds it and `wait` is False, or it cannot be written.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            file = (self.root / "lock").open("a+", encoding="utf-8")
        except OSError as error:
            clear = explain_os_error(error, doing=f"opening the workspace {self.root}")
            raise clear or UserError(
                f"{self.root} cannot be a workspace: {error.strerror}"
            ) from None
        with file:
            self._acquire(file, wait=wait)
            file.seek(0)
            file.truncate()
            json.dump({"pid": os.getpid(), "command": " ".join(sys.argv)[:200]}, file)
            file.flush()
            yield

    def _acquire(self, file: IO[str], *, wait: bool) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = _read_holder(file)
        if not wait:
            raise UserError(
                f"{self.root} is in use by {holder}; wait for it or use another --workspace"
            )
        say(f"{self.root} is in use by {holder}; waiting for it to end (Ctrl-C to give up)")
        fcntl.flock(file, fcntl.LOCK_EX)


def _read_holder(file: IO[str]) -> str:
    file.seek(0)
    try:
        holder = json.load(file)
        return f"process {holder['pid']} ({holder['command']})"
    except (ValueError, KeyError):
        return "another process"


def _folders_named(parent: Path, beginning: str) -> list[Path]:
    """Return the folders in a folder whose names begin so; a name is no pattern and no path."""
    if not parent.is_dir():
        return []
    return [path for path in sorted(parent.iterdir())
            if path.name.startswith(beginning) and path.is_dir()]  # fmt: skip

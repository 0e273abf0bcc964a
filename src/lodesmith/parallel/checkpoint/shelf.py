"""The checkpoints of one run side by side: which are committed, which are kept, who may write.

    PLACE/writer.json                          who writes here: the attempt that came last
    PLACE/step-00000200/part-00000-*.safetensors   one file of each rank
    PLACE/step-00000200/manifest-*.json        what is where
    PLACE/step-00000200/committed.json         which manifest counts, and its hash

Without `committed.json`, which is put last and only where there is none, a folder is no
checkpoint. That needs no rename, so it is the same on a disk and on object storage.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.errors import EngineError
from lodesmith.parallel.checkpoint.disk import open_place
from lodesmith.parallel.checkpoint.manifest import DamageError, Manifest

_MARKER, _OWNER = "committed.json", "writer.json"
_NAME = re.compile(r"step-(\d{8,})")


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Which checkpoints are kept when a newer one is whole."""

    last: int = 2
    """The newest so many."""

    every_steps: int | None = None
    """Besides, for good, those after a multiple of so many steps."""

    def dropped(self, steps: list[int]) -> list[int]:
        """Return which of the steps are not kept.

        >>> Retention(last=2, every_steps=100).dropped([50, 100, 150, 200, 250])
        [50, 150]
        """
        old = sorted(steps)[: -self.last]
        return [step for step in old if not self.every_steps or step % self.every_steps]


class Shelf:
    """All checkpoints of a run; only rank 0 calls what writes."""

    def __init__(self, place: str | Path, *, attempt: str) -> None:
        self.place, self.attempt = str(place), attempt
        self.store, self.files = open_place(place)

    def claim(self) -> None:
        """Become the one writer here; what an earlier attempt still writes is not committed."""
        self.store.write(_OWNER, json.dumps({"attempt": self.attempt}).encode())

    def steps(self) -> list[int]:
        """Return the steps of all committed checkpoints, ascending."""
        return [step for step in self._folders() if self._marker(step) is not None]

    def read(self, step: int) -> Manifest:
        """Return the manifest of a committed checkpoint.

        Raises:
            DamageError: it is not what was committed.
        """
        try:
            marker = json.loads(self._marker(step) or b"")
            name, expected = str(marker["manifest"]), marker["sha256"]
        except (ValueError, KeyError, TypeError):
            raise DamageError(f"{_MARKER} cannot be read") from None
        data = self.store.read(f"{folder_of(step)}/{name}") if "/" not in name else None
        if data is None or hashlib.sha256(data).hexdigest() != expected:
            raise DamageError("its manifest is missing or not what was written")
        manifest = Manifest.from_bytes(data)
        if manifest.step != step:
            raise DamageError(f"its manifest is of step {manifest.step}")
        return manifest

    def clear(self, step: int) -> None:
        """Remove what is there of a step, its marker first, so that it never looks whole."""
        self.store.remove(f"{folder_of(step)}/{_MARKER}")
        self.store.remove(folder_of(step))

    def commit(self, manifest: Manifest, *, keep: Retention) -> None:
        """Make a checkpoint count whose files are all durable, and remove what need not be kept.

        Later ones go too: they are of a course that training went back from.

        Raises:
            EngineError: another run has begun to write here.
        """
        folder, data = folder_of(manifest.step), manifest.to_bytes()
        name = f"manifest-{self.attempt}.json"
        self.store.write(f"{folder}/{name}", data)
        marker = {"manifest": name, "sha256": hashlib.sha256(data).hexdigest()}
        self._check_owner()
        if not self.store.put_if_absent(f"{folder}/{_MARKER}", json.dumps(marker).encode()):
            raise self._other_writer()
        self.drop_after(manifest.step)
        for step in keep.dropped(self.steps()):
            self.clear(step)

    def drop_after(self, last: int) -> None:
        """Remove all that comes after a step."""
        for step in self._folders():
            if step > last:
                self.clear(step)

    def sweep(self) -> None:
        """Remove what killed saves have left: folders without a marker."""
        for step in set(self._folders()) - set(self.steps()):
            self.store.remove(folder_of(step))

    def _folders(self) -> list[int]:
        matches = (_NAME.fullmatch(name) for name in self.store.list_names(""))
        return sorted(int(match[1]) for match in matches if match)

    def _marker(self, step: int) -> bytes | None:
        return self.store.read(f"{folder_of(step)}/{_MARKER}")

    def _check_owner(self) -> None:
        try:
            owner = json.loads(self.store.read(_OWNER) or b"")["attempt"]
        except (ValueError, KeyError, TypeError):
            owner = None
        if owner != self.attempt:
            raise self._other_writer()

    def _other_writer(self) -> EngineError:
        return EngineError(
            f"another run has begun to write checkpoints into {self.place}; this one stops writing "
            "there: end one of them, or give each its own folder"
        )


def folder_of(step: int) -> str:
    """Return the name of a step's folder."""
    return f"step-{step:08d}"

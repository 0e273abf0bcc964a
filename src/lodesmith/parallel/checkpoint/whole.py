"""Whole tensors out of a checkpoint of any layout, one at a time and without a single rank."""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.parallel.boxes import Box
from lodesmith.parallel.checkpoint.manifest import DamageError, Manifest
from lodesmith.parallel.checkpoint.part_file import Held
from lodesmith.parallel.checkpoint.reading import checked_windows, read_parts
from lodesmith.parallel.checkpoint.shelf import Shelf, folder_of


class StoredCheckpoint:
    """A committed checkpoint of a run, opened for reading."""

    def __init__(self, place: str | Path, *, step: int | None = None) -> None:
        """Open it; None takes the latest.

        Raises:
            UserError: there is none.
            DamagedArtifactError: its manifest is damaged.
        """
        self._shelf = Shelf(place, attempt="")
        steps = self._shelf.steps()
        if not steps or step not in (None, *steps):
            raise UserError(f"{place} holds no checkpoint{f' of step {step}' if step else ''}")
        step = steps[-1] if step is None else step
        self._folder = folder_of(step)
        try:
            self.manifest: Manifest = self._shelf.read(step)
        except DamageError as fault:
            raise self._damaged(fault) from None

    def tensors(self, prefix: str) -> Iterator[tuple[str, Tensor]]:
        """Yield the tensors whose names begin with a prefix, whole, without it.

        Raises:
            DamagedArtifactError: something of one is missing, changed or not finite.
        """
        windows = checked_windows(self._folder, self.manifest, self._shelf.files)
        for name, whole in self.manifest.tensors.items():
            if name.startswith(prefix):
                held = Held(name, whole.dtype, whole.shape, Box.whole(whole.shape))
                try:
                    found = read_parts([held], self.manifest, windows)
                except DamageError as fault:
                    raise self._damaged(fault) from None
                yield name.removeprefix(prefix), found[name]

    def _damaged(self, fault: DamageError) -> DamagedArtifactError:
        return DamagedArtifactError(
            f"checkpoint {self._shelf.place}/{self._folder} is damaged: {fault}; remove that "
            "folder to use the one before it"
        )

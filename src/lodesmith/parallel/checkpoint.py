"""Checkpoints of a run in progress: whole, checked, and the one before kept for the worst case.

checkpoints/step-00000200/   tensors.safetensors, facts.json, checksums.json

A checkpoint is written into a folder beside, flushed to disk and renamed, so a kill leaves none or
a whole one; what a disk does to it later, the checksums tell. It holds everything that the next
step depends on, and nothing of how many ranks there were. Nothing in it is pickled.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from safetensors.torch import load_file, save
from torch import Tensor

from lodesmith.core.storage import (
    JSON,
    hash_file,
    read_json,
    sync_folder,
    write_bytes,
    write_json,
)

NUM_KEPT = 2
_TENSORS, _FACTS, _CHECKSUMS = "tensors.safetensors", "facts.json", "checksums.json"
_UNFINISHED = "unfinished"  # one at a time, so one name is enough


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """What was saved after a step."""

    step: int
    tensors: dict[str, Tensor]
    facts: JSON
    damaged: list[str] = field(default_factory=list)  # later checkpoints that could not be read


def save_checkpoint(folder: Path, *, step: int, tensors: Mapping[str, Tensor], facts: JSON) -> None:
    """Write a checkpoint, whole or not at all, and remove all but the last two.

    Args:
        folder: holds all checkpoints of one run.
        step: optimizer steps done.
        tensors: weights and optimizer state by name.
        facts: the rest of the state, as JSON data.
    """
    draft, final = folder / _UNFINISHED, folder / f"step-{step:08d}"
    shutil.rmtree(draft, ignore_errors=True)
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    write_bytes(draft / _TENSORS, save(contiguous))
    write_json(draft / _FACTS, facts)
    sums = {name: hash_file(draft / name) for name in (_TENSORS, _FACTS)}
    write_json(draft / _CHECKSUMS, sums)
    shutil.rmtree(final, ignore_errors=True)  # only a damaged one can have this name
    draft.rename(final)
    sync_folder(folder)
    for old in list_checkpoints(folder)[:-NUM_KEPT]:
        shutil.rmtree(old)


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the folders of all checkpoints, the oldest first."""
    return sorted(folder.glob("step-*"))


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the latest checkpoint that is whole; None if there is none.

    Its `damaged` names those that were passed over, for the caller to say aloud.
    """
    damaged: list[str] = []
    for path in reversed(list_checkpoints(folder)):
        if _is_whole(path):
            return Checkpoint(
                step=int(path.name.removeprefix("step-")),
                tensors=load_file(path / _TENSORS),
                facts=read_json(path / _FACTS),
                damaged=damaged,
            )
        damaged.append(path.name)
    return Checkpoint(step=0, tensors={}, facts={}, damaged=damaged) if damaged else None


def _is_whole(path: Path) -> bool:
    try:
        sums = read_json(path / _CHECKSUMS)
        return sums.keys() == {_TENSORS, _FACTS} and all(
            hash_file(path / name) == expected for name, expected in sums.items()
        )
    except (OSError, ValueError, AttributeError):
        return False

"""The latest whole checkpoint: found, checked by every rank, and only then filled in.

A rank that finds a torn file tells the others, and all go back to the checkpoint before together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from lodesmith.core.errors import UserError
from lodesmith.core.storage import JSON
from lodesmith.parallel.checkpoint.manifest import DamageError, Manifest
from lodesmith.parallel.checkpoint.memory import Copies
from lodesmith.parallel.checkpoint.part_file import Held
from lodesmith.parallel.checkpoint.plan import describe
from lodesmith.parallel.checkpoint.reading import (
    OpenWindow,
    check_fits,
    checked_windows,
    read_parts,
)
from lodesmith.parallel.checkpoint.shelf import Shelf, folder_of
from lodesmith.parallel.checkpoint.team import Team
from lodesmith.parallel.parts import local_part


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What a run goes on from."""

    step: int  # 0 if every checkpoint is damaged: then nothing was filled
    facts: JSON
    messages: list[str] = field(default_factory=list)  # for people
    source: Literal["memory", "disk"] = "disk"


def load_latest(
    shelf: Shelf,
    tensors: Mapping[str, Tensor],
    *,
    team: Team,
    copies: Copies | None = None,
    expect: JSON = None,
) -> Loaded | None:
    """Fill tensors from the latest whole checkpoint; arguments as of `Checkpoints.load`."""
    messages: list[str] = []
    steps = team.decide(shelf.steps)
    kept = copies.find() if copies is not None else None
    if copies is not None and kept is not None and kept.manifest.step >= max(steps, default=0):
        try:
            windows = copies.windows(kept, describe(tensors))
            fill(tensors, kept.manifest, windows, team=team, expect=expect, where=shelf.place)
            return Loaded(step=kept.manifest.step, facts=kept.manifest.facts, source="memory")
        except DamageError as fault:
            messages.append(f"the copy of step {kept.manifest.step} in memory is unfit: {fault}")
    for step in reversed(steps):
        try:
            manifest = team.decide(lambda step=step: shelf.read(step))  # type: ignore[misc]
            windows = checked_windows(folder_of(step), manifest, shelf.files)
            fill(tensors, manifest, windows, team=team, expect=expect, where=shelf.place)
        except DamageError as fault:
            messages.append(f"checkpoint {folder_of(step)} is damaged and passed over: {fault}")
            continue
        return Loaded(step=step, facts=manifest.facts, messages=messages)
    return Loaded(step=0, facts={}, messages=messages) if messages else None


@torch.no_grad()
def fill(
    tensors: Mapping[str, Tensor],
    manifest: Manifest,
    windows: OpenWindow,
    *,
    team: Team,
    expect: JSON,
    where: str,
) -> None:
    """Fill this rank's tensors, if every rank finds what it needs; else change nothing.

    Raises:
        UserError: the checkpoint is of another run or of another model.
        DamageError: a rank has found something missing, changed or not finite.
    """
    wanted = describe(tensors)
    _check_run(wanted, manifest, team=team, expect=expect, where=where)
    parts, fault = {}, None
    try:
        parts = read_parts(wanted, manifest, windows)
    except DamageError as error:
        fault = str(error)
    faults = [fault for fault in team.share(fault) if fault]
    if faults:
        raise DamageError(faults[0])
    for name, part in parts.items():
        # Copied, not taken over: where a tensor lies in memory may decide how products round.
        local_part(tensors[name]).copy_(part)


def _check_run(
    wanted: Sequence[Held], manifest: Manifest, *, team: Team, expect: JSON, where: str
) -> None:
    for name, value in (expect or {}).items():
        if manifest.facts.get(name) != value:
            raise UserError(
                f"{where} holds checkpoints of a run with other settings ({name} differs); "
                "remove it to start over"
            )
    faults = [fault for fault in team.share(check_fits(wanted, manifest.tensors)) if fault]
    if faults:
        raise UserError(f"{where} holds a checkpoint of another model: {faults[0]}")

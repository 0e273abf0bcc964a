"""Second copies in memory: a lost rank gets its state back without a look at the disk.

FOLDER (one of each node, kept by its launcher, so that it outlives the ranks)
    own-00003-0, own-00003-1       what rank 3 of this node has staged, by turns
    peer-00011-0, peer-00011-1     the same of a rank of another node, sent by it
    *.json                         what is in it; there only while the copy is whole

A rank stages right into its file, so the copy on its own node costs no second copying. Saves take
turns between two files, and one begins when all ranks have ended the one before: so at any moment
one step is whole on all nodes, and, where there is more than one node, on all but any one of them.
"""

import json
import mmap
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import Tensor

from lodesmith.core.storage import JSON
from lodesmith.parallel.boxes import Box
from lodesmith.parallel.checkpoint.disk import Bytes, Span
from lodesmith.parallel.checkpoint.manifest import Manifest, PartFile
from lodesmith.parallel.checkpoint.part_file import Held, PartLayout, Staging
from lodesmith.parallel.checkpoint.plan import collect
from lodesmith.parallel.checkpoint.reading import OpenWindow, needed_files
from lodesmith.parallel.checkpoint.team import Team

NUM_TURNS = 2
_MOST_OF_MEMORY = 0.5  # of what is free now; the rest is training's


@dataclass(frozen=True, kw_only=True)
class Copy:
    """What a file in memory holds."""

    attempt: str
    step: int
    rank: int
    num_ranks: int
    held: tuple[Held, ...]
    facts: JSON

    @property
    def save(self) -> tuple[int, str, int]:
        """What its fellows of other ranks have in common with it."""
        return self.step, self.attempt, self.num_ranks

    @property
    def file(self) -> str:
        """What its bytes are called in a manifest."""
        return f"rank-{self.rank:05d}"

    def to_text(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Copy":
        """Return what `to_text` gave."""
        data = json.loads(text)
        held = tuple(
            Held(
                one["name"],
                one["dtype"],
                tuple(one["shape"]),
                Box(tuple(one["box"]["start"]), tuple(one["box"]["shape"])),
            )
            for one in data["held"]
        )
        return cls(**{**data, "held": held})


@dataclass(frozen=True)
class Kept:
    """A save that is whole in memory."""

    attempt: str
    manifest: Manifest


class Copies:
    """The copies in memory, seen from one rank; all ranks call its methods together."""

    def __init__(self, folders: Sequence[Path], *, team: Team, attempt: str) -> None:
        """Use the folder of this rank's node.

        Args:
            folders: of every rank; ranks of one node have the same.
            team: the ranks.
            attempt: tells the copies of this attempt from those of earlier ones.
        """
        self._folder, self._team, self._attempt = folders[team.rank], team, attempt
        self._folders = list(folders)
        self._target, self._source = partners(self._folders, team.rank)
        self._stagings: list[Staging] = []  # by turn

    def reserve(self, layout: PartLayout) -> bool:
        """Take the memory that saves will need; tell whether every rank has got it."""
        share = NUM_TURNS * (1 if self._target is None else 2)
        sizes = self._team.share(layout.buffer_bytes * share)
        here = zip(self._folders, sizes, strict=True)
        wanted = sum(size for folder, size in here if folder == self._folder)
        self._remove_leftovers()
        there = sum(path.stat().st_size for path in self._folder.glob("*-*"))
        fits = wanted - there <= _MOST_OF_MEMORY * psutil.virtual_memory().available
        if not all(self._team.share(fits)):
            return False
        try:
            memories = [_take(self._own(turn), layout.buffer_bytes) for turn in range(NUM_TURNS)]
        except OSError:
            memories = []
        if not all(self._team.share(bool(memories))):
            return False
        self._stagings = [Staging(layout, memory) for memory in memories]
        return True

    def next_staging(self) -> Staging:
        """Return the buffer for a save; what was in it is a copy no more."""
        turn = self._oldest_turn("own", self._team.rank)
        path = self._own(turn)
        path.with_suffix(".json").unlink(missing_ok=True)
        if path.with_suffix(".new").exists():
            path.with_suffix(".new").replace(path)
        return self._stagings[turn]

    def keep(self, step: int, staging: Staging, facts: JSON) -> None:
        """Make a filled buffer count as this rank's copy, and send it to a rank of another node."""
        copy = Copy(
            attempt=self._attempt,
            step=step,
            rank=self._team.rank,
            num_ranks=self._team.size,
            held=staging.layout.held,
            facts=facts,
        )
        _mark(self._own(self._stagings.index(staging)), copy.to_text())
        if self._target is not None and self._source is not None:
            self._exchange(copy.to_text(), staging, target=self._target, source=self._source)

    def forget_others(self) -> None:
        """Remove the copies of earlier attempts: this one has a whole one."""
        for path, copy in self._list():
            if copy.attempt != self._attempt and not self._is_in_use(path):
                path.with_suffix(".json").unlink(missing_ok=True)
                path.unlink(missing_ok=True)

    def drop_after(self, last: int) -> None:
        """Forget what comes after a step."""
        for path, copy in self._list():
            if copy.step > last:
                path.with_suffix(".json").unlink(missing_ok=True)

    def find(self) -> Kept | None:
        """Return the latest save of which every rank's copy is on some node."""
        leads = self._folders.index(self._folder) == self._team.rank
        everyone = self._team.gather([copy for _, copy in self._list()] if leads else [])
        return self._team.decide(lambda: _latest_whole(copy for some in everyone for copy in some))

    def windows(self, kept: Kept, wanted: Sequence[Held]) -> OpenWindow:
        """Return what opens copies: this node's as they lie, others as another node sends them."""
        here = {
            copy.file: path
            for path, copy in self._list()
            if (copy.step, copy.attempt) == (kept.manifest.step, kept.attempt)
        }
        missing = needed_files(wanted, kept.manifest) - here.keys()
        sent = self._fetch(kept.manifest, here, missing)

        def open_window(name: str, spans: list[Span]) -> Bytes:  # noqa: ARG001 all of it is there
            return sent[name] if name in sent else _map(here[name])

        return open_window

    def _fetch(
        self, manifest: Manifest, here: dict[str, Path], missing: set[str]
    ) -> dict[str, Bytes]:
        team, found = self._team, {}
        views = team.share((sorted(here), sorted(missing)))
        for target, (_, files) in enumerate(views):
            for file in files:
                source = next(rank for rank, (have, _) in enumerate(views) if file in have)
                size = manifest.files[file].num_bytes
                if team.rank == source:
                    data = torch.from_numpy(_map(here[file])[:size])
                    team.pass_on(data, source=source, target=target)
                elif team.rank == target:
                    data = torch.empty(size, dtype=torch.uint8)
                    team.pass_on(data, source=source, target=target)
                    found[file] = data.numpy()
        return found

    def _exchange(self, text: str, staging: Staging, *, target: int, source: int) -> None:
        team = self._team
        note = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)
        sizes = torch.tensor([note.numel(), staging.layout.num_bytes])
        theirs = torch.empty_like(sizes)
        team.exchange(sizes, theirs, target=target, source=source)
        their_note = torch.empty(int(theirs[0]), dtype=torch.uint8)
        team.exchange(note, their_note, target=target, source=source)
        path = self._folder / f"peer-{source:05d}-{self._oldest_turn('peer', source)}"
        path.with_suffix(".json").unlink(missing_ok=True)
        into = self._room_for(path, int(theirs[1]))
        data = torch.from_numpy(staging.bytes[: staging.layout.num_bytes])
        team.exchange(data, into, target=target, source=source)
        if path.exists():
            _mark(path, their_note.numpy().tobytes().decode())

    def _room_for(self, path: Path, num_bytes: int) -> Tensor:
        """Return the memory of a peer's copy; where there is none left, what is thrown away."""
        try:
            memory = _take(path, num_bytes)
        except OSError:  # the peer sends all the same; it has its own copy and the disk
            path.unlink(missing_ok=True)
            return torch.empty(num_bytes, dtype=torch.uint8)
        if path.with_suffix(".new").exists():
            path.with_suffix(".new").replace(path)
        return torch.frombuffer(memory, dtype=torch.uint8)[:num_bytes]

    def _own(self, turn: int) -> Path:
        return self._folder / f"own-{self._team.rank:05d}-{turn}"

    def _oldest_turn(self, kind: str, rank: int) -> int:
        """Return which file of a rank holds no copy, or the older one."""
        steps = dict.fromkeys(range(NUM_TURNS), -1)
        for path, copy in self._list():
            if path.name.startswith(f"{kind}-{rank:05d}-"):
                steps[int(path.name.rpartition("-")[2])] = copy.step
        return min(steps, key=lambda turn: (steps[turn], turn))

    def _is_in_use(self, path: Path) -> bool:
        _, rank, _ = path.name.split("-")
        return path.name.startswith("own-") and int(rank) < self._team.size

    def _remove_leftovers(self) -> None:
        """Remove files of ranks that are no more, unless they are copies."""
        for path in self._folder.glob("own-?????-?"):
            if not self._is_in_use(path) and not path.with_suffix(".json").exists():
                path.unlink(missing_ok=True)

    def _list(self) -> list[tuple[Path, Copy]]:
        found = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                found.append((path.with_suffix(""), Copy.from_text(path.read_text())))
            except FileNotFoundError:
                continue  # another rank of this node has just removed it
        return found


def partners(folders: Sequence[object], rank: int) -> tuple[int | None, int | None]:
    """Return to which rank a rank sends its copies and from which it gets some; None on one node.

    >>> [partners(["a", "a", "b", "b"], rank) for rank in range(4)]
    [(2, 2), (3, 3), (0, 0), (1, 1)]
    """
    nodes = list(dict.fromkeys(folders))
    if len(nodes) == 1:
        return None, None
    order = sorted(range(len(folders)), key=lambda one: (nodes.index(folders[one]), one))
    shift = max(folders.count(node) for node in nodes)
    place = order.index(rank)
    return order[(place + shift) % len(order)], order[(place - shift) % len(order)]


def _latest_whole(copies: Iterable[Copy]) -> Kept | None:
    saves: dict[tuple[int, str, int], dict[int, Copy]] = defaultdict(dict)
    for copy in copies:
        saves[copy.save][copy.rank] = copy
    whole = [save for save, ranks in saves.items() if len(ranks) == save[2]]
    if not whole:
        return None
    parts = [copy for _, copy in sorted(saves[max(whole)].items())]
    layouts = [PartLayout.of(copy.held) for copy in parts]
    files = [copy.file for copy in parts]
    sizes = (PartFile(layout.num_bytes, None) for layout in layouts)
    manifest = Manifest(
        step=parts[0].step,
        facts=parts[0].facts,
        tensors=collect(layouts, files),
        files=dict(zip(files, sizes, strict=True)),
    )
    return Kept(parts[0].attempt, manifest)


def _mark(path: Path, text: str) -> None:
    note = path.with_suffix(".part")
    with suppress(OSError):  # no room: then it is no copy, and nobody waits in vain for this rank
        note.write_text(text)
        note.replace(path.with_suffix(".json"))


def _take(path: Path, num_bytes: int) -> mmap.mmap:
    """Return the memory of a file that is written again; of one beside it if the size differs.

    Raises:
        OSError: there is not so much; said now, and not by a signal in the middle of a copy.
    """
    if path.exists() and path.stat().st_size == num_bytes:
        with path.open("rb+") as file:
            return mmap.mmap(file.fileno(), num_bytes)
    with path.with_suffix(".new").open("wb+") as file:
        os.posix_fallocate(file.fileno(), 0, num_bytes)
        return mmap.mmap(file.fileno(), num_bytes)


def _map(path: Path) -> Bytes:
    with path.open("rb") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), np.uint8)

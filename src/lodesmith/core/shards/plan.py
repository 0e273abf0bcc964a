"""What an engine is given to run."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodesmith.core.shards.markers import Markers
from lodesmith.core.shards.watch import Limits
from lodesmith.core.storage import JSON

Work = Callable[..., JSON]
Call = tuple[Callable[..., None], tuple[Hashable, ...]]  # a module-level function, its arguments


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What to run, and under which rules; the same for every engine."""

    work: Work
    tasks: dict[str, tuple[Any, ...]]  # name -> arguments; none of them done yet
    markers: Markers
    num_workers: int
    limits: Limits | None = None  # None: the work takes no watch
    warm_up: Call | None = None

    def note(self, name: str) -> Path:
        """Return the file where a worker notes its record."""
        return self.markers.folder / f"{name}.note"

    def condemned(self, name: str) -> Path:
        """Return the file of a shard's condemned records."""
        return self.markers.folder / f"{name}.condemned.json"

"""Done-markers: which pieces of work are done, and what they returned."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.storage import JSON, read_json, write_json


@dataclass(frozen=True)
class Markers:
    """A folder of done-markers, one small JSON file for each finished piece of work."""

    folder: Path

    def is_done(self, name: str) -> bool:
        """Tell whether the work of this name has been done."""
        return self._file(name).exists()

    def result(self, name: str) -> JSON:
        """Return what the finished work of this name returned."""
        return read_json(self._file(name))

    def finish(self, name: str, result: JSON) -> None:
        """Record that the work is done, and what it returned."""
        write_json(self._file(name), result)

    def once(self, name: str, work: Callable[[], JSON]) -> JSON:
        """Return the work's result, doing it only if no earlier run has."""
        if not self.is_done(name):
            self.finish(name, work())
        return self.result(name)

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.done.json"

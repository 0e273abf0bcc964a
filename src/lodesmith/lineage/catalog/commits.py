"""The log of a catalog: numbered commits, each the whole list of runs, put only where none is.

A commit is one small object, `commits/00000000000000000042.json`. It names every run, so that one
read opens any snapshot, old ones too. Of several writers that put number 42 the store lets one
win; the others read what won, apply their change to it and try 43. `latest` is a hint where to
look first: it may lag behind, and nothing is lost with it.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

from lodesmith.core.errors import UserError
from lodesmith.core.store import Store
from lodesmith.lineage.catalog.sealed import seal, unseal

Change = Callable[[list[str]], list[str] | None]  # runs before -> runs after, None: leave it


@dataclass(frozen=True)
class Commit:
    """A state of the catalog."""

    number: int
    runs: tuple[str, ...]  # oldest first
    seconds: float  # when it was made, Unix time of the writer's clock; for vacuum only


EMPTY = Commit(0, (), 0.0)
_HINT = "latest"


class CommitLog:
    """Reads commits and appends new ones."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, number: int) -> Commit:
        """Return a commit; number 0 is the empty catalog.

        Raises:
            UserError: it was never made, or a vacuum has taken it.
        """
        commit = EMPTY if number == 0 else self._try_read(number)
        if commit is None:
            numbers = self.numbers()
            there = f"{numbers[0]} to {numbers[-1]}" if numbers else "none yet"
            raise UserError(f"the catalog has no snapshot {number}; there are {there}")
        return commit

    def latest(self) -> Commit:
        """Return the last commit."""
        hint = self._store.read(_HINT) or b""
        commit = self._try_read(int(hint)) if hint.isdigit() else None
        if commit is None:
            numbers = self.numbers()
            commit = self.read(numbers[-1]) if numbers else EMPTY
        while (after := self._try_read(commit.number + 1)) is not None:
            commit = after
        return commit

    def numbers(self) -> list[int]:
        """Return the numbers of all commits that are still there, ascending."""
        names = (name.removesuffix(".json") for name in self._store.list_names("commits"))
        return sorted(int(name) for name in names if name.isdigit())

    def publish(self, change: Change) -> Commit | None:
        """Append a commit that applies a change to whatever the last one is.

        Returns:
            The commit, or None if the change left the runs as they were.
        """
        while True:
            last = self.latest()
            runs = change(list(last.runs))
            if runs is None:
                return None
            commit = Commit(last.number + 1, tuple(runs), time.time())
            data = seal(vars(commit))
            if self._store.put_if_absent(_name(commit.number), data):
                if commit.number == 1:
                    self._refuse_a_store_that_overwrites(data)
                self._store.write(_HINT, str(commit.number).encode())
                return commit

    def remove(self, number: int) -> None:
        """Forget a commit."""
        self._store.remove(_name(number))

    def _try_read(self, number: int) -> Commit | None:
        data = self._store.read(_name(number))
        if data is None:
            return None
        content = unseal(data, _name(number))
        return Commit(**{**content, "runs": tuple(content["runs"])})

    def _refuse_a_store_that_overwrites(self, data: bytes) -> None:
        """Some servers that speak S3 take the condition and ignore it: ask once, at the start."""
        if self._store.put_if_absent(_name(1), data):
            raise UserError(
                "this store overwrites where it was asked not to (`If-None-Match: *` is ignored), "
                "so writers would lose each other's rows; use another store for the catalog"
            )


def _name(number: int) -> str:
    return f"commits/{number:020d}.json"

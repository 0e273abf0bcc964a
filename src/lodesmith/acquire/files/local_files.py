"""Files of this machine: what a list of files, folders and patterns stands for.

A page's address is `file:///` and its path from the folder that the recipe names, that folder's
own name first; where the folder lies on this machine is not part of it, so that equal pages give
equal bytes wherever they are.
"""

import os
import stat
import sysconfig
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lodesmith.acquire.pages.members import Member
from lodesmith.acquire.pages.patterns import matches_any, split_root
from lodesmith.core.errors import UserError
from lodesmith.core.seal import ENDING
from lodesmith.core.storage import hash_json

_NOT_STANDARD_LIBRARY = frozenset(
    {"site-packages", "dist-packages", "__pycache__", "test", "tests", "idle_test"}
)


@dataclass(kw_only=True)
class Listing:
    """What was found."""

    members: dict[str, Member] = field(default_factory=dict)
    places: dict[str, Path] = field(default_factory=dict)  # where each member lies
    others: list[str] = field(default_factory=list)  # paths that fit no pattern
    notes: list[str] = field(default_factory=list)  # what was passed over, and why

    def fingerprint(self) -> str:
        """Return a hash of names, sizes and times: it changes when a file does."""
        facts = [[path, member.size, member.modified] for path, member in self.members.items()]
        return hash_json(facts)[:16]


def list_files(entries: Sequence[str], *, patterns: Sequence[str]) -> Listing:
    """Return the files that a recipe's list stands for, sorted by address.

    Args:
        entries: files, folders and patterns; a file or a pattern's file is taken as it is.
        patterns: what is taken of a folder.

    Raises:
        UserError: an entry does not exist.
    """
    listing = Listing()
    labels: dict[Path, str] = {}
    for entry in entries:
        # what is there under that very name is no pattern, even with brackets in it
        root, pattern = (entry, "") if os.path.lexists(entry) else split_root(entry)
        if not pattern and not Path(entry).is_dir():
            if not os.path.lexists(entry):
                raise UserError(f"{entry} does not exist; give a file, a folder or a pattern")
            place = Path(entry)
            _add(listing, _address(_label(place.parent, labels), place.name), place)
            continue
        if not Path(root).is_dir():
            raise UserError(f"{entry}: there is no folder {root}; correct the pattern")
        label = _label(Path(root), labels)
        wanted = [pattern] if pattern else patterns
        for path, place in _walk(Path(root), listing.notes, depth=_depth(pattern)):
            if matches_any(path, wanted):
                _add(listing, _address(label, path), place)
            else:
                listing.others.append(path)
    listing.members = dict(sorted(listing.members.items()))
    return listing


def list_standard_library(patterns: Sequence[str]) -> Listing:
    """Return the source files of the running Python's standard library, without its tests."""
    listing = Listing()
    root = Path(sysconfig.get_paths()["stdlib"])
    for path, place in _walk(root, listing.notes, skip=_NOT_STANDARD_LIBRARY):
        if matches_any(path, patterns):
            _add(listing, path, place)
    listing.members = dict(sorted(listing.members.items()))
    return listing


def _address(label: str, path: str) -> str:
    return f"{label}/{path}" if label else path


def _depth(pattern: str) -> int | None:
    """Return how many folders deep a pattern can look, None for any number."""
    return None if not pattern or "**" in pattern else pattern.count("/")


def _label(folder: Path, labels: dict[Path, str]) -> str:
    """Return a name for a folder that no other folder of the list has."""
    real = Path(os.path.realpath(folder))
    if real not in labels:
        name = os.path.basename(os.path.normpath(folder)).strip(".")  # noqa: PTH119 of ".." is ".."
        taken = sum(label.partition("~")[0] == name for label in labels.values())
        labels[real] = f"{name}~{taken + 1}" if taken else name
    return labels[real]


def _walk(
    root: Path, notes: list[str], *, depth: int | None = None, skip: Container[str] = ()
) -> Iterator[tuple[str, Path]]:
    """Yield what lies below a folder, sorted; linked folders are entered, but never in circles."""
    stack = [("", root, frozenset[tuple[int, int]]())]
    while stack:
        prefix, folder, above = stack.pop()
        try:
            facts = folder.stat()
            places = sorted(folder.iterdir())
        except OSError as error:
            notes.append(f"{folder} was passed over: {error.strerror}")
            continue
        if (facts.st_dev, facts.st_ino) in above:
            notes.append(f"{folder} was passed over: it is a link to a folder above itself")
            continue
        inside = above | {(facts.st_dev, facts.st_ino)}
        for place in places:
            if not place.is_dir():
                yield prefix + place.name, place
            elif place.name not in skip and (depth is None or prefix.count("/") < depth):
                stack.append((f"{prefix}{place.name}/", place, inside))


def _add(listing: Listing, path: str, place: Path) -> None:
    if place.name.endswith(ENDING):
        raise UserError(
            f"{place} is sealed, and pages are stored for everybody to read; only the domains of a "
            "chain open it (tune, method: pretraining learns plain texts)"
        )
    try:
        facts = place.stat()
        if not stat.S_ISREG(facts.st_mode):
            listing.notes.append(f"{place} was passed over: it is not a regular file")
            return
        if not os.access(place, os.R_OK):
            listing.notes.append(f"{place} was passed over: permission denied")
            return
    except OSError as error:
        listing.notes.append(f"{place} was passed over: {error.strerror}")
        return
    listing.places[path] = place
    listing.members[path] = Member(path, facts.st_size, int(facts.st_mtime), FileReader(place))


@dataclass(frozen=True)
class FileReader:
    """Reads a file of this machine from its start."""

    place: Path

    def __call__(self, limit: int) -> bytes:
        """Return at most so many bytes."""
        with self.place.open("rb") as file:
            return file.read(limit)

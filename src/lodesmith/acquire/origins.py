"""Opening a source, whatever its kind: from here on there are only pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lodesmith.acquire.archives import copy_pages
from lodesmith.acquire.debian import open_debian
from lodesmith.acquire.local_files import list_files, list_standard_library
from lodesmith.acquire.members import Package
from lodesmith.acquire.npm import open_npm
from lodesmith.acquire.pages import Page, Tally, make_pages
from lodesmith.acquire.patterns import matches_any, show_some
from lodesmith.acquire.pypi import open_pypi
from lodesmith.acquire.sources import (
    ARCHIVE_PATTERNS,
    DebianSource,
    FilesSource,
    NpmSource,
    PackageSource,
    PlainSource,
    PypiSource,
    PythonSource,
    WarcSource,
)
from lodesmith.core.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A source, opened."""

    pages: Iterator[Page]
    num_members: int | None = None  # to be read; None where nobody knows before
    version: str = ""
    licence: str | None = None


@contextmanager
def open_origin(source: PlainSource, downloads: Path, tally: Tally) -> Iterator[Origin]:
    """Yield the pages of a source.

    Args:
        source: an entry of the recipe.
        downloads: where packages are fetched to.
        tally: counts and notes what is left out.

    Raises:
        UserError: the package does not exist, or nothing in it fits the patterns.
        EngineError: a client failed or its download is damaged.
    """
    if isinstance(source, WarcSource):
        yield _open_archives(source, tally)
    elif isinstance(source, DebianSource):
        with open_debian(source, downloads) as package:
            yield _choose(source, package, tally)
    elif isinstance(source, PypiSource):
        with open_pypi(source, downloads) as package:
            yield _choose(source, package, tally)
    elif isinstance(source, NpmSource):
        with open_npm(source, downloads) as package:
            yield _choose(source, package, tally)
    elif isinstance(source, PythonSource | FilesSource):
        yield _choose(source, _open_local(source), tally)


def _open_archives(source: WarcSource, tally: Tally) -> Origin:
    listing = list_files(source.warc, patterns=ARCHIVE_PATTERNS)
    tally.take(listing.notes)
    if not listing.members:
        raise UserError(
            f"source {source.label}: no archive fits {', '.join(source.warc)}; there are "
            f"{show_some(listing.others)}"
        )
    archives = {path: listing.places[path] for path in listing.members}
    return Origin(pages=copy_pages(archives, tally))


def _open_local(source: PythonSource | FilesSource) -> Package:
    if isinstance(source, PythonSource):
        listing, licence = list_standard_library(source.patterns), "PSF-2.0"
    else:
        listing, licence = list_files(source.files, patterns=source.patterns), None
    return Package(
        version=(source.fingerprint or "") if isinstance(source, PythonSource) else "",
        licence=licence,
        members=listing.members,
        others=listing.others,
        notes=listing.notes,
    )


def _choose(source: PackageSource, package: Package, tally: Tally) -> Origin:
    tally.take(package.notes)
    # what lies in local folders was chosen when it was listed
    patterns = ("**",) if isinstance(source, FilesSource) else source.patterns
    chosen = [member for path, member in package.members.items() if matches_any(path, patterns)]
    if not chosen:
        there = show_some([*package.members, *package.others])
        raise UserError(
            f"source {source.label}: no file fits {', '.join(source.patterns)}; there are {there}"
        )
    address = "file:///" if isinstance(source, FilesSource) else f"{source.origin}/"
    pages = make_pages(chosen, address=address, split_lists=source.use == "pages", tally=tally)
    return Origin(
        pages=pages, num_members=len(chosen), version=package.version, licence=package.licence
    )

"""Opening a source, whatever its kind: from here on there are only pages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lodesmith.acquire.files.archives import copy_pages
from lodesmith.acquire.files.datasets import Table, choose_split, read_licence, read_pages
from lodesmith.acquire.files.local_files import FileReader, list_files, list_standard_library
from lodesmith.acquire.files.remote import access_of, fetch_all, is_remote, list_remote
from lodesmith.acquire.files.source_files import (
    DatasetSource,
    FilesSource,
    ReachingSource,
    WarcSource,
)
from lodesmith.acquire.packages.debian import open_debian
from lodesmith.acquire.packages.npm import open_npm
from lodesmith.acquire.packages.pypi import open_pypi
from lodesmith.acquire.packages.source_packages import (
    DebianSource,
    NpmSource,
    PypiSource,
    PythonSource,
)
from lodesmith.acquire.pages.members import Member, Package
from lodesmith.acquire.pages.pages import Page, Tally, make_pages
from lodesmith.acquire.pages.patterns import matches_any, show_some
from lodesmith.acquire.source_base import (
    ARCHIVE_PATTERNS,
    DATASET_PATTERNS,
    PackageSource,
    PlainSource,
)
from lodesmith.core.errors import UserError
from lodesmith.core.units import format_counted, format_endings

_REMEDIES = {  # what makes pages of files that are none
    (".docx", ".doc", ".odt", ".rtf", ".pptx", ".xlsx"): (
        "office documents become pages by `soffice --headless --convert-to html FILE`"
    ),
    (".pdf",): "a PDF becomes text by `pdftotext FILE`",
    (".jsonl", ".parquet"): "tables and JSON lines with texts are a source `dataset:`",
}


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
        yield _open_archives(source, downloads, tally)
    elif isinstance(source, DatasetSource):
        yield _open_dataset(source, downloads, tally)
    elif isinstance(source, DebianSource):
        with open_debian(source, downloads) as package:
            yield _choose(source, package, tally)
    elif isinstance(source, PypiSource):
        with open_pypi(source, downloads) as package:
            yield _choose(source, package, tally)
    elif isinstance(source, NpmSource):
        with open_npm(source, downloads) as package:
            yield _choose(source, package, tally)
    elif isinstance(source, FilesSource):
        yield _choose(source, _open_files(source, downloads), tally)
    elif isinstance(source, PythonSource):
        yield _choose(source, _open_standard_library(source), tally)


def _open_archives(source: WarcSource, downloads: Path, tally: Tally) -> Origin:
    files = _gather(source, source.warc, ARCHIVE_PATTERNS, downloads, tally)
    return Origin(pages=copy_pages({path: file.place for path, file in files.items()}, tally))


def _open_dataset(source: DatasetSource, downloads: Path, tally: Tally) -> Origin:
    files = _gather(source, source.dataset, DATASET_PATTERNS, downloads, tally)
    cards = [file.place for path, file in files.items() if path.endswith("README.md")]
    chosen = choose_split(files, source.split)
    if not chosen:
        raise UserError(
            f"source {source.label}: no table is of the split {source.split}; there are "
            f"{show_some(files)}"
        )
    pages = read_pages(
        [files[path] for path in chosen],
        address=f"{source.origin}/", text_field=source.text_field, tally=tally,
    )  # fmt: skip
    return Origin(pages=pages, licence=read_licence(cards))


def _gather(
    source: ReachingSource,
    entries: Sequence[str],
    patterns: Sequence[str],
    downloads: Path,
    tally: Tally,
) -> dict[str, Table]:
    """Return the files that local and remote entries stand for, the latter fetched, by name."""
    listing = list_files([entry for entry in entries if not is_remote(entry)], patterns=patterns)
    tally.take(listing.notes)
    found = {
        path: Table(path, listing.places[path], member.modified)
        for path, member in listing.members.items()
    }
    access = access_of(source)
    remote = list_remote(
        [entry for entry in entries if is_remote(entry)], patterns=patterns, access=access
    )
    places = fetch_all(remote, downloads / source.label, access=access)
    for file in remote:
        path = file.url if isinstance(source, WarcSource) else file.path
        found.setdefault(path, Table(path, places[file.url], file.modified))
    if not found:
        raise UserError(
            f"source {source.label}: no file fits {', '.join(entries)}; there are "
            f"{show_some(listing.others)}"
        )
    return found


def _open_files(source: FilesSource, downloads: Path) -> Package:
    """Return files of this machine, and those that lie elsewhere, fetched."""
    local = [entry for entry in source.files if not is_remote(entry)]
    listing = list_files(local, patterns=source.patterns)
    access = access_of(source)
    remote = list_remote(
        [entry for entry in source.files if is_remote(entry)],
        patterns=source.patterns,
        access=access,
    )
    places = fetch_all(remote, downloads / source.label, access=access)
    fetched = {
        file.url: Member(
            path=file.path,
            size=file.size or 0,
            modified=file.modified,
            read=FileReader(places[file.url]),
            uri=file.url,
        )
        for file in remote
    }
    return Package(
        version="",
        licence=None,
        members={**listing.members, **fetched},
        others=listing.others,
        notes=listing.notes,
    )


def _open_standard_library(source: PythonSource) -> Package:
    listing = list_standard_library(source.patterns)
    return Package(
        version=source.fingerprint or "",
        licence="PSF-2.0",
        members=listing.members,
        others=listing.others,
        notes=listing.notes,
    )


def _choose(source: PackageSource, package: Package, tally: Tally) -> Origin:
    tally.take(package.notes)
    if isinstance(source, FilesSource) and package.others:
        tally.note(_tell_others(package.others))
    # what lies in folders was chosen when it was listed
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


def _tell_others(paths: Sequence[str]) -> str:
    """Return a line on the files of a folder that are no pages, and what may be done with them."""
    line = f"{format_counted(len(paths), 'file')} of other kinds left out: {format_endings(paths)}"
    endings = {PurePosixPath(path).suffix.lower() for path in paths}
    remedies = [text for kinds, text in _REMEDIES.items() if not endings.isdisjoint(kinds)]
    return "; ".join([line, *remedies])

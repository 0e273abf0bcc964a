"""Debian packages: fetched by apt-get from wherever the system is set up to fetch, read as tar.

A fresh container has no package lists, and an old one has lists of versions that are gone; then
lists are fetched into a scratch folder, which needs no root and leaves the system as it is.

Source: apt-get(8), apt.conf(5) "Dir::State::lists"; Debian's machine-readable copyright format
1.0, https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/.
"""

import re
import tempfile
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from lodesmith.acquire.packages.client import ClientError, run_client, unpack_to
from lodesmith.acquire.packages.fetching import explain_refusal, fetch_once
from lodesmith.acquire.packages.source_packages import DebianSource
from lodesmith.acquire.pages.members import Member, Package, open_tar
from lodesmith.core.log import say

_UNKNOWN = (r"Unable to locate package", r"was not found", r"No packages found", r"no candidate")
_QUIET = ("-qq", "-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=3")
_MAX_COPYRIGHT_BYTES = 1 << 20


@contextmanager
def open_debian(source: DebianSource, downloads: Path) -> Iterator[Package]:
    """Yield a package's files.

    Raises:
        UserError: there is no such package or version.
        EngineError: apt-get or dpkg-deb failed.
    """
    deb = fetch_once(downloads / source.label, ".deb", lambda folder: _fetch(source, folder))
    spool = downloads / f"{source.label}.tar"  # tar is read out of order, so it must be seekable
    unpack_to(spool, ["dpkg-deb", "--fsys-tarfile", str(deb)])
    try:
        with open_tar(spool) as members:
            yield Package(
                version=urllib.parse.unquote(deb.name.split("_")[1]),
                licence=_read_licence(source.origin_name, members),
                members=members,
            )
    finally:
        spool.unlink(missing_ok=True)


def fetch_together(sources: Sequence[DebianSource], downloads: Path) -> None:
    """Fetch several packages with one start of apt-get, whose reading of lists takes the most time.

    Where that fails nothing is said: each is then fetched alone, and that says why.
    """
    missing = [source for source in sources if not (downloads / source.label).exists()]
    if len(missing) < 2:
        return
    downloads.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=downloads, prefix=".fetch-") as working:
        with suppress(ClientError):
            _download(Path(working), [source.debian for source in missing])
        for source in missing:
            files = list(Path(working).glob(f"{source.origin_name}_*.deb"))
            if len(files) == 1:
                fetch_once(downloads / source.label, ".deb", partial(_move, files[0]))


def _move(file: Path, folder: Path) -> None:
    folder.mkdir()
    file.rename(folder / file.name)


def _fetch(source: DebianSource, folder: Path) -> None:
    folder.mkdir()
    try:
        _download(folder, [source.debian])
    except ClientError:
        _download_with_own_lists(source, folder)


def _download_with_own_lists(source: DebianSource, folder: Path) -> None:
    state = folder.parent.parent / ".apt"
    options = ("-o", f"Dir::State::Lists={state / 'lists'}", "-o", f"Dir::Cache={state / 'cache'}")
    try:
        if not (state / "fetched").exists():
            say(f"{source.label}: not found with the system's package lists; fetching newer ones")
            (state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
            (state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
            run_client(
                ["apt-get", "update", *_QUIET, *options, "-o", "Acquire::Languages=none"],
                folder=folder,
            )
            (state / "fetched").touch()
        _download(folder, [source.debian], options)
    except ClientError as error:
        raise explain_refusal(
            error, source=source.label, package=source.debian, client="apt-get", unknown=_UNKNOWN,
            hint="correct the name or version, or add the list that has it to apt's sources",
        ) from None  # fmt: skip


def _download(folder: Path, packages: Sequence[str], options: Sequence[str] = ()) -> None:
    run_client(["apt-get", "download", *_QUIET, *options, "--", *packages], folder=folder)


def _read_licence(package: str, members: dict[str, Member]) -> str:
    path = f"usr/share/doc/{package}/copyright"
    if path not in members:
        return f"see /{path}"
    text = members[path].read(_MAX_COPYRIGHT_BYTES).decode("utf-8", "replace")
    return parse_licence(text) or f"see /{path}"


def parse_licence(text: str) -> str | None:
    """Return the licence of `Files: *` in a machine-readable copyright file, None without one.

    >>> parse_licence("Format: https://copyright-format/1.0/\\n\\nFiles: *\\nLicense: MPL-2.0\\n")
    'MPL-2.0'
    """
    if not re.match(r"Format:.*copyright-format", text):
        return None
    for stanza in re.split(r"\n\s*\n", text):
        if re.search(r"^Files:\s*\*\s*$", stanza, re.MULTILINE):
            licence = re.search(r"^License:[ \t]*(\S.*)$", stanza, re.MULTILINE)
            return licence[1].strip() if licence else None
    return None

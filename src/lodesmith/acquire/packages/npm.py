"""npm packages: the published archive, fetched by `npm pack` without running any script.

Source: npm-pack(1); package.json(5), field `license`.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from lodesmith.acquire.packages.client import ClientError, copy_bounded, run_client
from lodesmith.acquire.packages.fetching import explain_refusal, fetch_once
from lodesmith.acquire.packages.source_packages import NpmSource
from lodesmith.acquire.pages.members import Member, Package, open_tar
from lodesmith.core.errors import EngineError

_UNKNOWN = (r"\bE404\b", r"\bETARGET\b", r"\bENOVERSIONS\b")
_MAX_MANIFEST_BYTES = 1 << 20


@contextmanager
def open_npm(source: NpmSource, downloads: Path) -> Iterator[Package]:
    """Yield a package's files; the folder that all of them lie in is left out of their paths.

    Raises:
        UserError: there is no such package or version.
        EngineError: npm failed.
    """
    archive = fetch_once(downloads / source.label, ".tgz", lambda folder: _fetch(source, folder))
    spool = downloads / f"{source.label}.tar"
    _inflate(archive, spool)
    try:
        with open_tar(spool) as packed:
            members = _without_top_folder(packed)
            manifest = _read_manifest(members)
            licence = manifest.get("license")
            yield Package(
                version=str(manifest.get("version", "")),
                licence=licence if isinstance(licence, str) else None,
                members=members,
            )
    finally:
        spool.unlink(missing_ok=True)


def _fetch(source: NpmSource, folder: Path) -> None:
    folder.mkdir()
    cache = folder.parent.parent / ".npm"
    command = [
        "npm", "pack", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error",
        f"--cache={cache}", "--", source.npm,
    ]  # fmt: skip
    try:
        run_client(command, folder=folder, settings={"npm_config_update_notifier": "false"})
    except ClientError as error:
        raise explain_refusal(
            error, source=source.label, package=source.npm, client="npm", unknown=_UNKNOWN,
            hint="correct the name or version",
        ) from None  # fmt: skip


def _inflate(archive: Path, spool: Path) -> None:
    try:
        with gzip.open(archive) as packed, spool.open("wb") as output:
            copy_bounded(packed, output)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise EngineError(
            f"{archive.name} is damaged ({error}); run the same command again to refetch"
        ) from None


def _without_top_folder(packed: dict[str, Member]) -> dict[str, Member]:
    members = {path.partition("/")[2]: member for path, member in packed.items()}
    return {path: replace(member, path=path) for path, member in sorted(members.items()) if path}


def _read_manifest(members: dict[str, Member]) -> dict[str, Any]:
    if "package.json" not in members:
        return {}
    try:
        manifest = json.loads(members["package.json"].read(_MAX_MANIFEST_BYTES))
    except ValueError:
        return {}
    return manifest if isinstance(manifest, dict) else {}

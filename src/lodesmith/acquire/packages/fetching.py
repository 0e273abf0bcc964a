"""What fetching has in common, whoever's package it is: once, whole, and well explained."""

import re
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from lodesmith.acquire.packages.client import ClientError
from lodesmith.core.errors import EngineError, LodesmithError, UserError
from lodesmith.core.units import format_counted


def fetch_once(folder: Path, suffix: str, fetch: Callable[[Path], None]) -> Path:
    """Return the one file of this suffix that `fetch` puts into a folder, fetching it if missing.

    A client that was killed leaves nothing that counts: it works in a folder beside, which is
    renamed when whole.
    """
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as working:
            fetch(Path(working) / "whole")
            (Path(working) / "whole").rename(folder)
    files = sorted(folder.glob(f"*{suffix}"))
    if len(files) != 1:
        shutil.rmtree(folder)
        raise EngineError(
            f"the client left {format_counted(len(files), suffix + ' file')} in {folder}, not one"
        )
    return files[0]


def explain_refusal(
    error: ClientError, *, source: str, package: str, client: str, unknown: Sequence[str], hint: str
) -> LodesmithError:
    """Return the error to raise when a client did not fetch a package.

    Args:
        error: what the client said.
        source: the source's name in the recipe.
        package: what was asked for.
        client: the program.
        unknown: patterns of what the client says of a package that does not exist; the error is
            then the user's, otherwise the client's.
        hint: what to do about an unknown package.
    """
    if any(re.search(pattern, error.transcript) for pattern in unknown):
        return UserError(f"source {source}: {client} knows no package {package}: {error}; {hint}")
    return EngineError(
        f"source {source}: {client} could not fetch {package}: {error}; check the network and run "
        "the same command again"
    )

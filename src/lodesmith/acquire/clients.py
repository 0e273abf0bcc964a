"""Which list of sources a run takes, and what pins it: decided before the artifact's id is known.

The list depends on the programs of this machine and the pages of local sources on its files;
`resolve` writes both into the section, so that they are part of the artifact's identity.
"""

import importlib.util
import platform
import shutil
from collections.abc import Sequence

from lodesmith.acquire.config import (
    ARCHIVE_PATTERNS,
    AcquireConfig,
    FilesSource,
    PlainSource,
    PythonSource,
    WarcSource,
    kind_of,
)
from lodesmith.acquire.local_files import list_files
from lodesmith.core.errors import UserError
from lodesmith.core.log import warn

PROGRAMS = {"debian": ("apt-get", "dpkg-deb"), "npm": ("npm",)}


def resolve(config: AcquireConfig) -> AcquireConfig:
    """Return the section with its sources chosen and pinned, and no fallback left.

    Resolving again changes nothing, as long as local files stay as they are.

    Raises:
        UserError: a needed program is missing and no fallback does without it; or a file or
            folder of a local source does not exist.
    """
    sources: Sequence[PlainSource] = config.sources
    reason = config.fallback_reason
    if missing := find_missing_clients(sources):
        reason = f"not installed here: {', '.join(missing)}"
        sources = config.fallback
        if not sources or find_missing_clients(sources):
            needed = find_missing_clients(sources) or missing
            raise UserError(
                f"acquire needs what is not installed here: {', '.join(needed)}; install that or "
                "give acquire.fallback a list of sources that do without it"
            )
        warn(f"{reason}; taking the sources of acquire.fallback instead")
    return AcquireConfig(
        sources=[_pin(source) for source in sources],
        fallback=[],
        fallback_reason=reason,
    )


def find_missing_clients(sources: Sequence[PlainSource]) -> list[str]:
    """Return the programs that sources need and this machine lacks."""
    kinds = {kind_of(source) for source in sources}
    needed = [name for kind in PROGRAMS if kind in kinds for name in PROGRAMS[kind]]
    missing = [name for name in needed if shutil.which(name) is None]
    if "pypi" in kinds and importlib.util.find_spec("pip") is None:
        missing.append("pip (python -m ensurepip installs it)")
    return missing


def _pin(source: PlainSource) -> PlainSource:
    fingerprint: str | None = None
    if isinstance(source, FilesSource):
        fingerprint = list_files(source.files, patterns=source.patterns).fingerprint()
    elif isinstance(source, WarcSource):
        fingerprint = list_files(source.warc, patterns=ARCHIVE_PATTERNS).fingerprint()
    elif isinstance(source, PythonSource):
        fingerprint = platform.python_version()
    else:
        return source
    return source.model_copy(update={"fingerprint": fingerprint})

"""The recipe section `acquire`: where raw pages come from.

    acquire:
      sources:
        - debian: debian-reference-zh-cn
        - pypi: chatterbot-corpus
          paths: ["chatterbot_corpus/data/english/*.yml"]
          use: chat
      fallback:
        - python: standard-library

Which list is taken depends on the programs of this machine, and the pages of local sources on its
files; `resolve` writes both into the section before the artifact's id is computed, so that they
are part of its identity.
"""

import importlib.util
import platform
import shutil
from collections.abc import Sequence

from pydantic import Field, field_validator

from lodesmith.acquire.files.source_files import (
    DatasetSource,
    FilesSource,
    ReachingSource,
    WarcSource,
)
from lodesmith.acquire.packages.source_packages import PythonSource
from lodesmith.acquire.source_base import ARCHIVE_PATTERNS, DATASET_PATTERNS, PlainSource
from lodesmith.acquire.sources import Source
from lodesmith.core.config import Config
from lodesmith.core.errors import UserError
from lodesmith.core.log import warn
from lodesmith.core.storage import JSON

STAGE_VERSION = 2

PROGRAMS = {"debian": ("apt-get", "dpkg-deb"), "npm": ("npm",)}


class AcquireConfig(Config):
    """Where raw pages come from."""

    without_effect = frozenset({"fallback_reason"})

    sources: list[Source] = Field(min_length=1)
    """Origins of raw pages and dialogues, each written as one WARC file."""

    fallback: list[Source] = Field(default_factory=list)
    """Origins used instead of all `sources` where a program that they need is not installed."""

    fallback_reason: str | None = None
    """Set when the run starts and takes the fallback: what is missing. Leave it out."""

    def identity(self) -> JSON:
        """Return what the artifact's id depends on, of each source as it says itself."""
        sources = [source.identity() for source in self.sources]
        fallback = [source.identity() for source in self.fallback]
        return {**super().identity(), "sources": sources, "fallback": fallback}

    @field_validator("sources", "fallback")
    @classmethod
    def _has_unique_names(cls, sources: list[PlainSource]) -> list[PlainSource]:
        labels = [source.label for source in sources]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"two sources are called {label}; give one another `name`")
        return sources


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
    kinds = {source.kind for source in sources}
    needed = [name for kind in PROGRAMS if kind in kinds for name in PROGRAMS[kind]]
    missing = [name for name in needed if shutil.which(name) is None]
    if "pypi" in kinds and importlib.util.find_spec("pip") is None:
        missing.append("pip (python -m ensurepip installs it)")
    return missing


def _pin_entries(source: ReachingSource, entries: Sequence[str], patterns: Sequence[str]) -> str:
    """Return a hash of what a list of local and remote entries stands for now."""
    from lodesmith.acquire.files.local_files import list_files
    from lodesmith.acquire.files.remote import access_of, fingerprint, is_remote, list_remote

    remote = [entry for entry in entries if is_remote(entry)]
    local = [entry for entry in entries if not is_remote(entry)]
    marks = [list_files(local, patterns=patterns).fingerprint()] if local else []
    if remote:
        listed = list_remote(remote, patterns=patterns, access=access_of(source))
        marks.append(fingerprint(listed))
    return "-".join(marks)


def _pin(source: PlainSource) -> PlainSource:
    fingerprint: str | None = None
    if isinstance(source, FilesSource):
        fingerprint = _pin_entries(source, source.files, source.patterns)
    elif isinstance(source, WarcSource):
        fingerprint = _pin_entries(source, source.warc, ARCHIVE_PATTERNS)
    elif isinstance(source, DatasetSource):
        fingerprint = _pin_entries(source, source.dataset, DATASET_PATTERNS)
    elif isinstance(source, PythonSource):
        fingerprint = platform.python_version()
    else:
        return source
    return source.model_copy(update={"fingerprint": fingerprint})

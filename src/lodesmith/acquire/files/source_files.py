"""Sources that are files: of this machine, of web servers, or of object storage."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import ClassVar

from pydantic import Field, field_validator

from lodesmith.acquire.source_base import PAGE_PATTERNS, PackageSource, Paths, PlainSource


class ReachingSource(PlainSource):
    """What sources have whose files may lie elsewhere: docs/how-to/sources.md."""

    without_effect = frozenset({"allow_private", "endpoint", "anonymous"})

    allow_private: bool = False
    """Whether addresses of private networks and of this machine may be reached."""

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s/]+/?$")
    """Address of an S3-like store that is not Amazon's, as in `https://minio.example.org:9000`."""

    anonymous: bool = False
    """Whether a public bucket is read without credentials; else they come from the environment."""


class FilesSource(PackageSource, ReachingSource):
    """Pages that are files: of this machine, of web servers, or of object storage."""

    kind: ClassVar[str] = "files"

    files: Paths
    """Files, folders or glob patterns, relative to where the command is run; or addresses of them:
    `https://` of one file, `s3://`, `gs://`, `az://`."""

    fingerprint: str | None = None
    """Set when the run starts: a hash of names, sizes and times, so that a changed file is seen.
    Leave it out."""

    @field_validator("files")
    @classmethod
    def _has_no_archive(cls, files: list[str]) -> list[str]:
        archives = [name for name in files if re.search(r"\.w?arc(\.(gz|zst|lz4))?$", name)]
        if archives:
            raise ValueError(f"{archives[0]} is an archive; write warc: instead of files:")
        return files

    @property
    def origin_name(self) -> str:
        """The last part of the first path that is no pattern."""
        return _last_plain_part(self.files[0])

    @property
    def default_patterns(self) -> Sequence[str]:
        """HTML and text."""
        return PAGE_PATTERNS


class WarcSource(ReachingSource):
    """Pages of WARC or ARC archives."""

    kind: ClassVar[str] = "warc"

    warc: Paths
    """Archives, folders of them or glob patterns, relative to where the command is run; or
    addresses of them: `https://`, `s3://`, `gs://`, `az://`."""

    fingerprint: str | None = None
    """Set when the run starts, as for `files`. Leave it out."""

    @property
    def origin_name(self) -> str:
        """The last part of the first path that is no pattern, without its suffixes."""
        return re.sub(r"\.w?arc(\.(gz|zst|lz4))?$", "", _last_plain_part(self.warc[0]))


class DatasetSource(ReachingSource):
    """A data set as hubs lay them out: Parquet tables or JSON lines, each row a page."""

    kind: ClassVar[str] = "dataset"

    dataset: Paths
    """Folders, files or glob patterns, or addresses of them: `hf://datasets/NAME`, `https://`,
    `s3://`, `gs://`, `az://`."""

    split: str | None = Field(default="train", min_length=1, max_length=80)
    """Which split is taken where file names speak of splits; null takes all."""

    text_field: str | None = Field(default=None, min_length=1, max_length=200)
    """The column that is the text; if not given, the first of `text`, `content`, `html`, `raw`,
    `raw_content`, `document`, `article`, `body` that is there."""

    fingerprint: str | None = None
    """Set when the run starts, as for `files`. Leave it out."""

    @property
    def origin_name(self) -> str:
        """The last part of the first path that is no pattern, without its suffixes."""
        return re.sub(r"\.[a-z0-9.]+$", "", _last_plain_part(self.dataset[0]))


def _last_plain_part(path: str) -> str:
    parts = [part for part in PurePosixPath(path).parts if not re.search(r"[*?\[/]", part)]
    return next((part for part in reversed(parts) if part.strip(".")), "files")

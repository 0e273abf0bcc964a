"""The kinds of sources: each a mapping in the recipe that is told by the one key of its origin."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Discriminator, Field, Tag, field_validator

from lodesmith.acquire.crawl.config import Limits, Pace, Scope
from lodesmith.acquire.crawl.urls import parse_url
from lodesmith.core.config import Config

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._+-]*$", max_length=80)]
Use = Literal["pages", "chat"]
Paths = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    Field(min_length=1),
]

HTML_PATTERNS = ("**/*.html", "**/*.htm", "**/*.xhtml")
PAGE_PATTERNS = (*HTML_PATTERNS, "**/*.txt", "**/*.md", "**/*.rst")
CHAT_PATTERNS = ("**/*.yml", "**/*.yaml", "**/*.json", "**/*.jsonl")
PYTHON_PATTERNS = ("**/*.py",)
ARCHIVE_PATTERNS = tuple(
    f"**/*.{kind}{packed}" for kind in ("warc", "arc") for packed in ("", ".gz", ".zst", ".lz4")
)


DATASET_PATTERNS = (
    "**/*.parquet", "**/*.jsonl", "**/*.jsonl.gz", "**/*.jsonl.zst", "**/*.json.gz",
    "**/*.json.zst", "**/*.ndjson", "**/README.md",
)  # fmt: skip


class PlainSource(Config, ABC):
    """What every source has, whatever its kind."""

    name: Name | None = None
    """Name of its file in the artifact and of its corpus; derived from the origin if not given."""

    licence: str | None = Field(default=None, min_length=1, max_length=200)
    """SPDX id or text; if not given, what the package says of itself."""

    use: Use = "pages"
    """`pages` are cleaned and trained on, `chat` holds dialogues for tuning."""

    @property
    def label(self) -> str:
        """The source's name, given or derived."""
        return self.name or re.sub(r"[^a-z0-9._+-]+", "-", self.origin_name.lower()).strip("-._+")

    @property
    def origin(self) -> str:
        """The kind and what it is called, as in `debian:dpkg`; begins its pages' addresses."""
        return f"{kind_of(self)}:{self.origin_name}"

    @property
    @abstractmethod
    def origin_name(self) -> str:
        """What the origin is called, without a version."""


class PackageSource(PlainSource):
    """What packages and folders have besides."""

    paths: Paths | None = None
    """Glob patterns of files inside the package or folder, `**` for any folders; if not given, the
    HTML files (in `files:` also text, for `chat` YAML and JSON)."""

    @property
    def patterns(self) -> Sequence[str]:
        """The patterns in force."""
        return self.paths or (CHAT_PATTERNS if self.use == "chat" else self.default_patterns)

    @property
    def default_patterns(self) -> Sequence[str]:
        """The patterns for pages where the recipe gives none."""
        return HTML_PATTERNS


class DebianSource(PackageSource):
    """A Debian package, fetched by apt-get."""

    debian: str = Field(pattern=r"^[a-z0-9][a-z0-9+.-]+(=[0-9][A-Za-z0-9.+:~-]*)?$")
    """Package name, optionally `=version`."""

    @property
    def origin_name(self) -> str:
        """The package's name."""
        return self.debian.partition("=")[0]


class PypiSource(PackageSource):
    """A Python project's wheel, fetched by pip; nothing of it is run."""

    pypi: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(==[A-Za-z0-9.+!-]+)?$")
    """Project name, optionally `==version`."""

    @property
    def origin_name(self) -> str:
        """The project's name."""
        return self.pypi.partition("==")[0]


class NpmSource(PackageSource):
    """An npm package, fetched by npm; nothing of it is run."""

    npm: str = Field(pattern=r"^(@[a-z0-9~-][a-z0-9._~-]*/)?[a-z0-9~][a-z0-9._~-]*(@[\w.+-]+)?$")
    """Package name, optionally `@version`."""

    @property
    def origin_name(self) -> str:
        """The package's name, with its scope."""
        return self.npm[: self.npm.find("@", 1)] if "@" in self.npm[1:] else self.npm


class PythonSource(PackageSource):
    """The source files of the running Python's standard library."""

    python: Literal["standard-library"]
    """Always `standard-library`."""

    fingerprint: str | None = None
    """Set when the run starts: the interpreter's version. Leave it out."""

    @property
    def label(self) -> str:
        """The source's name, given or derived."""
        return self.name or f"python-{self.origin_name}"

    @property
    def origin_name(self) -> str:
        """What the recipe calls it."""
        return self.python

    @property
    def default_patterns(self) -> Sequence[str]:
        """Modules."""
        return PYTHON_PATTERNS


class FilesSource(PackageSource):
    """Files of this machine."""

    files: Paths
    """Files, folders or glob patterns, relative to where the command is run."""

    fingerprint: str | None = None
    """Set when the run starts: a hash of names, sizes and times, so that a changed file is seen.
    Leave it out."""

    @field_validator("files")
    @classmethod
    def _has_no_archive(cls, files: list[str]) -> list[str]:
        archives = [name for name in files if re.search(r"\.w?arc(\.(gz|zst|lz4))?$", name)]
        if archives:
            raise ValueError(f"{archives[0]} is an archive; write warc: instead of files:")
        if remote := [name for name in files if "://" in name]:
            raise ValueError(
                f"{remote[0]} is an address; write crawl: for web pages, dataset: for tables"
            )
        return files

    @property
    def origin_name(self) -> str:
        """The last part of the first path that is no pattern."""
        return _last_plain_part(self.files[0])

    @property
    def default_patterns(self) -> Sequence[str]:
        """HTML and text."""
        return PAGE_PATTERNS


class ReachingSource(PlainSource):
    """What sources have whose files may lie elsewhere: docs/how-to/sources.md."""

    without_effect = frozenset({"allow_private", "endpoint", "anonymous"})

    allow_private: bool = False
    """Whether addresses of private networks and of this machine may be reached."""

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^\s/]+/?$")
    """Address of an S3-like store that is not Amazon's, as in `https://minio.example.org:9000`."""

    anonymous: bool = False
    """Whether a public bucket is read without credentials; else they come from the environment."""


class WarcSource(ReachingSource):
    """Pages of WARC or ARC archives."""

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


class CrawlSource(PlainSource):
    """Pages of web sites, asked for politely: docs/how-to/crawl.md."""

    without_effect = frozenset({"pace"})

    crawl: Paths
    """Start pages, and sitemaps (addresses that end in .xml or .xml.gz)."""

    contact: str = Field(min_length=5, max_length=200, pattern=r"^[ -~]*(@|https?://)[ -~]*$")
    """Address of a person or of a page about this crawl; sent with every request."""

    snapshot: str | None = Field(default=None, min_length=1, max_length=80)
    """Label of this crawl, as in `2026-11`; a new one makes a new crawl of the same sites."""

    scope: Scope = "host"
    """What belongs to the crawl: the start pages' `host`, their `domain` (with all hosts below
    it), or what has their folder as `prefix`."""

    include: list[str] = Field(default_factory=list)
    """Glob patterns over host and path, as in `example.org/zh/**`; if any are given, only pages
    that fit one are fetched (start pages always are)."""

    exclude: list[str] = Field(default_factory=list)
    """Glob patterns of pages that are not fetched."""

    sitemaps: bool = True
    """Whether sitemaps named in robots.txt are read."""

    heed_tags: bool = True
    """Whether noindex and nofollow count, in pages, links and X-Robots-Tag."""

    allow_private: bool = False
    """Whether addresses of private networks and of this machine may be reached."""

    pace: Pace = Field(default_factory=Pace)
    """How fast the sites are asked; may be changed while the crawl is under way."""

    limits: Limits = Field(default_factory=Limits)
    """Where the crawl stops."""

    @field_validator("crawl")
    @classmethod
    def _has_web_addresses(cls, crawl: list[str]) -> list[str]:
        for address in crawl:
            if not address.lower().startswith(("http://", "https://")) or not parse_url(address):
                raise ValueError(f"{address} is no address of a page; write https://...")
        return crawl

    @property
    def origin_name(self) -> str:
        """The host of the first start page."""
        url = parse_url(self.crawl[0])
        return url.host if url is not None else self.crawl[0]


KINDS: dict[str, type[PlainSource]] = {
    "debian": DebianSource,
    "pypi": PypiSource,
    "npm": NpmSource,
    "python": PythonSource,
    "files": FilesSource,
    "warc": WarcSource,
    "dataset": DatasetSource,
    "crawl": CrawlSource,
}


def kind_of(source: PlainSource) -> str:
    """Return the key of the recipe that makes a source what it is."""
    return next(kind for kind, source_type in KINDS.items() if type(source) is source_type)


def _last_plain_part(path: str) -> str:
    parts = [part for part in PurePosixPath(path).parts if not re.search(r"[*?\[/]", part)]
    return next((part for part in reversed(parts) if part.strip(".")), "files")


def _check_kind(value: Any) -> Any:
    if isinstance(value, PlainSource):
        return value
    known = ", ".join(KINDS)
    if not isinstance(value, dict):
        raise ValueError(f"a source is a mapping with one of the keys {known}")  # noqa: TRY004
    kinds = [kind for kind in KINDS if kind in value]
    if len(kinds) > 1:
        raise ValueError(f"a source has one origin, this one has {' and '.join(kinds)}; make two")
    if not kinds:
        got = ", ".join(str(key) for key in value) or "nothing"
        raise ValueError(f"a source needs one of the keys {known}; this one has {got}")
    return value


def _tag(value: Any) -> str:
    if isinstance(value, BaseModel):
        return f"<{type(value).__name__}>"
    return next(f"<{KINDS[kind].__name__}>" for kind in KINDS if kind in value)


Source = Annotated[
    Annotated[DebianSource, Tag("<DebianSource>")]
    | Annotated[PypiSource, Tag("<PypiSource>")]
    | Annotated[NpmSource, Tag("<NpmSource>")]
    | Annotated[PythonSource, Tag("<PythonSource>")]
    | Annotated[FilesSource, Tag("<FilesSource>")]
    | Annotated[WarcSource, Tag("<WarcSource>")]
    | Annotated[DatasetSource, Tag("<DatasetSource>")]
    | Annotated[CrawlSource, Tag("<CrawlSource>")],
    Discriminator(_tag),
    BeforeValidator(_check_kind),
]

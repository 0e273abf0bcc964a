"""What sources of all kinds have in common: a name, a licence, a use, and patterns of files."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import BeforeValidator, Field

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

    kind: ClassVar[str]
    """The key of the recipe that makes a source what it is."""

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
        return f"{self.kind}:{self.origin_name}"

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

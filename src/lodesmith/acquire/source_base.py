"""What sources of all kinds have in common: a name, a licence, a use, and patterns of files."""

import re
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from lodesmith.core.config import Config

_NOT_IN_NAMES = re.compile(r"[^\w.+-]+")  # letters and digits of any script may stand in one
_MAX_NAME_BYTES = 160  # names become names of files, of 255 bytes at most with their endings


def make_name(text: str) -> str:
    """Return a text as a name for a source: small letters, and dashes for what is no letter.

    >>> make_name("我的 Pages/")
    '我的-pages'
    """
    plain = unicodedata.normalize("NFC", text).lower()
    name = _NOT_IN_NAMES.sub("-", plain).encode()[:_MAX_NAME_BYTES].decode(errors="ignore")
    return name.strip("-._+")


def _check_name(text: str) -> str:
    if text != make_name(text):
        raise ValueError(
            "a source's name has small letters and digits of any language, and . _ + - between "
            f"them, {_MAX_NAME_BYTES} bytes at most; write {make_name(text) or 'pages'}"
        )
    return text


Name = Annotated[str, AfterValidator(_check_name)]
Use = Literal["pages", "chat"]
Paths = Annotated[
    list[Annotated[str, Field(min_length=1)]],
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    Field(min_length=1),
]

NO_LICENCE = "not stated"  # in receipts, where neither recipe nor package says one

HTML_PATTERNS = ("**/*.html", "**/*.htm", "**/*.xhtml")
PAGE_PATTERNS = (
    *HTML_PATTERNS, "**/*.txt", "**/*.md", "**/*.rst", "**/*.HTML", "**/*.HTM", "**/*.TXT",
)  # fmt: skip
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
        return self.name or make_name(self.origin_name) or self.kind

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

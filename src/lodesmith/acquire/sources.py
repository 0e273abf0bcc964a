"""The kinds of sources: each a mapping in the recipe that is told by the one key of its origin."""

from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Discriminator, Tag

from lodesmith.acquire.crawl.source_crawl import CrawlSource
from lodesmith.acquire.files.source_files import DatasetSource, FilesSource, WarcSource
from lodesmith.acquire.packages.source_packages import (
    DebianSource,
    NpmSource,
    PypiSource,
    PythonSource,
)
from lodesmith.acquire.source_base import PlainSource

KINDS: dict[str, type[PlainSource]] = {
    source_type.kind: source_type
    for source_type in (
        DebianSource,
        PypiSource,
        NpmSource,
        PythonSource,
        FilesSource,
        WarcSource,
        DatasetSource,
        CrawlSource,
    )
}


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
        close = [near for key in value for near in get_close_matches(str(key), KINDS, n=1)]
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"a source needs one of the keys {known}; this one has {got}{hint}")
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

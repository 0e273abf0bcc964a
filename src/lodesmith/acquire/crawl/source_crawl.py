"""The source that is a web site."""

from typing import ClassVar

from pydantic import Field, field_validator

from lodesmith.acquire.crawl.config import Limits, Pace, Scope
from lodesmith.acquire.crawl.urls import parse_url
from lodesmith.acquire.source_base import Paths, PlainSource


class CrawlSource(PlainSource):
    """Pages of web sites, asked for politely: docs/how-to/crawl.md."""

    kind: ClassVar[str] = "crawl"

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

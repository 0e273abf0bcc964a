"""How fast a crawl may ask, and where it gives up: the defaults of a `crawl:` source.

`Pace` changes when a page is fetched, never which one, so an artifact's id does not depend on it
and a crawl under way can be slowed down. `Limits` decides what is in the artifact.
"""

from typing import Literal

from pydantic import Field

from lodesmith.core.config import Config

Scope = Literal["host", "domain", "prefix"]


class Pace(Config):
    """How politely a crawl asks. May be changed while it is under way."""

    delay_seconds: float = Field(default=1.0, ge=0, le=3600)
    """Seconds between the starts of two requests to one host; a longer Crawl-delay of its
    robots.txt wins."""

    connections_per_host: int = Field(default=2, ge=1, le=16)
    """Requests to one host at the same time."""

    max_hosts: int = Field(default=64, ge=1, le=1024)
    """Hosts that are asked at the same time; what bounds memory and open connections."""

    idle_seconds: float = Field(default=15.0, gt=0, le=600)
    """Seconds to wait for a connection, or for the next byte, before a request is given up."""

    total_seconds: float = Field(default=120.0, gt=0, le=3600)
    """Seconds that one answer may take as a whole, however steadily it trickles."""

    max_attempts: int = Field(default=4, ge=1, le=20)
    """Tries of one page that times out, breaks off or is answered 408, 429 or 5xx."""

    retry_seconds: float = Field(default=2.0, gt=0, le=600)
    """Seconds before the second try; doubled for each further one. A longer Retry-After wins."""

    max_wait_seconds: float = Field(default=3600.0, gt=0, le=86_400)
    """Longest Retry-After or Crawl-delay, seconds, that is obeyed; a server that asks for a longer
    one is left alone: its pages end as `unavailable`."""


class Limits(Config):
    """Where a crawl stops, so that no site is endless."""

    max_pages: int = Field(default=10_000, ge=1)
    """Pages fetched in all."""

    max_pages_per_host: int = Field(default=10_000, ge=1)
    """Pages fetched of one host (scheme, name and port)."""

    max_depth: int = Field(default=20, ge=0)
    """Links followed from a start page; ends a calendar that always has a next month."""

    max_page_bytes: int = Field(default=8 << 20, ge=1024, le=32 << 20)
    """Size of a page, bytes, both as sent and unpacked; a larger one is cut and left out."""

    max_redirects: int = Field(default=10, ge=0, le=50)
    """Redirects followed in a row; RFC 9110, section 15.4, asks only that loops are noticed."""

    max_url_chars: int = Field(default=2000, ge=100, le=8000)
    """Longest address; RFC 9110, section 4.1, asks for 8,000 octets, pages worth reading have far
    fewer."""

    max_parameters: int = Field(default=8, ge=0, le=100)
    """Parameters of a query."""

    max_alike: int = Field(default=2000, ge=1)
    """Addresses of one host that differ only in their numbers and in the values of their
    parameters, counted where there is a query or a date; ends calendars, facets and sessions."""

    max_links_per_page: int = Field(default=5000, ge=1)
    """Links taken of one page."""

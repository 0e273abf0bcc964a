"""What an answer means: its outcome and the addresses it names. Pure, so a kill costs nothing.

After a kill the answers in the log are judged a second time, and must come out the same.
"""

import hashlib
from dataclasses import dataclass, field

from lodesmith.acquire.crawl.answer import Answer, TooLargeError
from lodesmith.acquire.crawl.config import Limits
from lodesmith.acquire.crawl.links import PageFacts, apply_directives, read_facts
from lodesmith.acquire.crawl.sitemaps import MAX_SITEMAP_BYTES, parse_sitemap
from lodesmith.acquire.crawl.urls import Url, join_url, parse_url
from lodesmith.data.charset import decode_page

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
TEXT_TYPES = frozenset({"text/plain", "text/markdown"})
REDIRECTS = frozenset({301, 302, 303, 307, 308})
FETCHED = "fetched"
_UNKNOWN_TYPES = frozenset({"", "unknown/unknown", "application/unknown", "*/*"})


@dataclass(frozen=True, slots=True)
class Link:
    """An address that an answer names."""

    url: Url
    kind: str = "page"
    is_hop: bool = False  # a redirect, by the server or by the page: no step deeper


@dataclass
class Verdict:
    """What an answer means."""

    outcome: str
    detail: str = ""
    links: list[Link] = field(default_factory=list)
    num_left_out: int = 0  # links beyond the limit of one page
    digest: bytes | None = None  # of the payload, where the page is kept
    canonical: str | None = None
    media_type: str = ""  # as found, with its charset
    charset_told_by: str = ""


def wants_body(kind: str, status: int, media_type: str) -> bool:
    """Tell whether an answer's body is worth its bytes.

    >>> wants_body("page", 200, "image/png"), wants_body("page", 404, "image/png")
    (False, True)
    """
    if kind != "page" or not 200 <= status < 300:
        return True
    return media_type in HTML_TYPES | TEXT_TYPES | _UNKNOWN_TYPES


def judge(answer: Answer, *, kind: str, fault: str, limits: Limits, heed_tags: bool) -> Verdict:
    """Return what an answer means.

    Args:
        answer: what came back.
        kind: page, sitemap or robots.
        fault: why it is not whole, "" where it is.
        limits: of the recipe.
        heed_tags: whether noindex and nofollow count.
    """
    if answer.status in REDIRECTS:
        return _judge_redirect(answer, kind)
    if not 200 <= answer.status < 300:
        return Verdict(f"HTTP {answer.status}")
    if kind == "robots":
        return Verdict("robots.txt")
    if fault:
        return Verdict(fault)
    if not wants_body(kind, answer.status, answer.media_type):
        return Verdict("wrong type", answer.media_type[:100])
    return _judge_sitemap(answer) if kind == "sitemap" else _judge_page(answer, limits, heed_tags)


def _judge_redirect(answer: Answer, kind: str) -> Verdict:
    location = answer.headers.get("location", "")
    target = join_url(answer.url, location) if location else None
    if target is None:
        return Verdict("redirect to no page", location[:200])
    links = [] if kind == "robots" else [Link(target, kind, is_hop=True)]
    return Verdict("redirected", target.text, links)


def _judge_sitemap(answer: Answer) -> Verdict:
    try:
        body = answer.unpack(MAX_SITEMAP_BYTES)
    except TooLargeError:
        return Verdict("too large")
    found = parse_sitemap(body)
    links = [Link(url) for url in map(parse_url, found.pages) if url is not None]
    links += [Link(url, "sitemap") for url in map(parse_url, found.sitemaps) if url is not None]
    if found.fault and not links:
        return Verdict("sitemap cannot be read", found.fault)
    return Verdict("sitemap", found.fault or "", links)


def _judge_page(answer: Answer, limits: Limits, heed_tags: bool) -> Verdict:
    try:
        body = answer.unpack(limits.max_page_bytes)
    except TooLargeError:
        return Verdict("too large")
    if not body.strip():
        return Verdict("empty page")
    if answer.media_type in _UNKNOWN_TYPES and b"\0" in body[:1024]:
        return Verdict("wrong type", "binary")
    decoded = decode_page(body, charset=answer.charset)
    verdict = Verdict(
        FETCHED,
        digest=hashlib.sha256(answer.body).digest(),
        media_type=f"{answer.media_type or 'text/html'}; charset={decoded.charset}",
        charset_told_by=decoded.told_by,
    )
    facts = PageFacts()
    if answer.media_type not in TEXT_TYPES:
        facts = read_facts(decoded.text)
    apply_directives(answer.headers.get("x-robots-tag", ""), facts)
    if heed_tags and facts.noindex:
        verdict.outcome, verdict.digest = "noindex", None
    _take_links(answer.url, facts, verdict, limits, follow=not (heed_tags and facts.nofollow))
    return verdict


def _take_links(
    address: str, facts: PageFacts, verdict: Verdict, limits: Limits, *, follow: bool
) -> None:
    based = join_url(address, facts.base) if facts.base else None
    base = based.text if based is not None else address
    if facts.canonical and (canonical := join_url(base, facts.canonical)) is not None:
        if _is_spelling_of(canonical.text, address):
            verdict.canonical = canonical.text
        verdict.links.append(Link(canonical))
    if facts.refresh and (target := join_url(base, facts.refresh)) is not None:
        verdict.links.append(Link(target, is_hop=True))
    if follow:
        taken = facts.links[: limits.max_links_per_page]
        verdict.num_left_out = len(facts.links) - len(taken)
        verdict.links.extend(Link(url) for link in taken if (url := join_url(base, link)))


def _is_spelling_of(canonical: str, address: str) -> bool:
    """Tell whether a canonical address is the same page's, but for its query, scheme or slash.

    A canonical address with another path is not believed: sites that name their front page
    everywhere would lose all others.

    >>> _is_spelling_of("https://a.org/b", "http://a.org/b/?sort=1")
    True
    >>> _is_spelling_of("http://a.org/", "http://a.org/b")
    False
    """

    def bare(url: str) -> str:
        return url.partition("://")[2].partition("?")[0].rstrip("/").lower()

    return canonical != address and bare(canonical) == bare(address)

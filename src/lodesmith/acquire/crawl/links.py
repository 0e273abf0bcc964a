"""What a page says to crawlers: its links, its canonical address, and whether it wants to be kept.

Tags are found by pattern, not by building a tree: a page of a million nested tags costs no more
than its bytes, and a link in broken markup is still a link. What stands in comments, scripts and
styles is taken out first.

Source: WHATWG HTML, section 4.6 (links), 4.2.5.3 (refresh); robots tags as
https://developers.google.com/search/docs/crawling-indexing/robots-meta-tag tells them.
"""

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lodesmith.acquire.crawl.robots import AGENT

_HIDING = re.compile(r"<(?:(!--)|(script|style|template)(?=[\s/>]))", re.I)
_TAG = re.compile(r"<(a|area|base|frame|iframe|link|meta)(?=[\s/])([^<>]{1,8000})>", re.I)
_ATTRIBUTE = re.compile(
    r"(?<![\w-])([a-zA-Z-]{1,40})\s{0,9}=\s{0,9}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'<>]+))"
)
_REFRESH = re.compile(r"[\d.]* ?[;,] ?url ?= ?[\"']?([^\"']+)[\"']?", re.I)
_LINK_RELS = frozenset({"next", "prev", "alternate"})


@dataclass
class PageFacts:
    """What a crawler needs of a page."""

    base: str | None = None
    links: list[str] = field(default_factory=list)  # as written, in order, each once
    refresh: str | None = None
    canonical: str | None = None
    noindex: bool = False
    nofollow: bool = False


def read_facts(markup: str) -> PageFacts:
    """Return the facts of a page's markup.

    >>> facts = read_facts('<meta name=robots content="nofollow"><a href="/b?c&amp;d=1">x</a>')
    >>> facts.links, facts.nofollow, facts.noindex
    (['/b?c&d=1'], True, False)
    """
    facts = PageFacts()
    links: dict[str, None] = {}
    for tag, attributes in _find_tags(_uncover(markup)):
        if tag == "meta":
            _read_meta(attributes, facts)
        elif tag == "base":
            facts.base = facts.base or attributes.get("href")
        elif tag == "link":
            _read_link(attributes, facts, links)
        else:
            address = attributes.get("src" if tag in ("frame", "iframe") else "href", "")
            if address and "nofollow" not in attributes.get("rel", "").lower().split():
                links.setdefault(address)
    facts.links = list(links)
    return facts


def apply_directives(directives: str, facts: PageFacts) -> None:
    """Take the words of a robots tag or an X-Robots-Tag header.

    >>> facts = PageFacts(); apply_directives("otherbot: noindex, nofollow", facts); facts.noindex
    False
    """
    agent = ""  # a name before a colon holds for what follows it
    for word in directives.lower().split(","):
        name, colon, rest = word.partition(":")
        if colon and name.strip() not in ("unavailable_after", "max-snippet", "max-image-preview"):
            agent, word = name.strip(), rest  # noqa: PLW2901 the word without its name
        if agent not in ("", AGENT, "*"):
            continue
        facts.noindex |= word.strip() in ("noindex", "none")
        facts.nofollow |= word.strip() in ("nofollow", "none")


def _uncover(markup: str) -> str:
    """Return markup without comments, scripts and styles; one that never ends hides nothing."""
    lower = markup.lower() if markup.isascii() else markup  # lower() may change other lengths
    kept: list[str] = []
    endless: set[str] = set()  # searched for once to the end, so that the cost stays linear
    at = 0
    for match in _HIDING.finditer(markup):
        end_mark = "-->" if match[1] else f"</{match[2].lower()}"
        if match.start() < at or end_mark in endless:
            continue
        end = lower.find(end_mark, match.end())
        if end < 0:
            endless.add(end_mark)
            continue
        kept.append(markup[at : match.start()])
        at = end + len(end_mark)
    return " ".join([*kept, markup[at:]])


def _find_tags(markup: str) -> Iterator[tuple[str, dict[str, str]]]:
    for match in _TAG.finditer(markup):
        attributes: dict[str, str] = {}
        for name, double, single, bare in _ATTRIBUTE.findall(match[2]):
            value = double or single or bare
            plain = html.unescape(value) if "&" in value else value
            attributes.setdefault(name.lower(), plain.strip())
        yield match[1].lower(), attributes


def _read_meta(attributes: dict[str, str], facts: PageFacts) -> None:
    if attributes.get("name", "").lower() in ("robots", AGENT):
        apply_directives(attributes.get("content", ""), facts)
    elif attributes.get("http-equiv", "").lower() == "refresh":
        content = " ".join(attributes.get("content", "").split())
        target = _REFRESH.fullmatch(content)
        if target is not None:
            facts.refresh = target[1].strip()


def _read_link(attributes: dict[str, str], facts: PageFacts, links: dict[str, None]) -> None:
    rels = attributes.get("rel", "").lower().split()
    address = attributes.get("href", "")
    if "canonical" in rels and address:
        facts.canonical = facts.canonical or address
    elif address and _LINK_RELS.intersection(rels) and _is_page(attributes.get("type", "")):
        links.setdefault(address)


def _is_page(media_type: str) -> bool:
    return media_type.lower() in ("", "text/html", "application/xhtml+xml")

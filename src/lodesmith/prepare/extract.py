"""First step: the text of a page, one line for each block (paragraph, heading, list item, row).

The reading itself is done in C (`native/html.py`, `docs/design/0008-extraction.md`): parse, find
the main content, leave out what stands around it. Here stands what surrounds it: which records are
pages at all, their charset, and what a page says of itself.
"""

import re
from dataclasses import dataclass, replace

from lodesmith.data.charset import decode_page
from lodesmith.data.documents import Document
from lodesmith.native.html import KIND_CODE, KIND_HEADING, SIGN_CUT, HtmlText, extract_html
from lodesmith.prepare.config import ExtractConfig
from lodesmith.prepare.input.pages import Drop, Page

_HTML_TYPES = {"text/html", "application/xhtml+xml"}
_TEXT_TYPES = {"text/plain", "text/markdown"}
_OPEN_TYPES = {"", "text/xml", "application/xml", "application/octet-stream", "text/x-unknown"}
TOO_LARGE = "page too large (bytes)"

_MARKUP = re.compile(rb"<(?:!doctype html|html|head|body|title|div|p|table|h1)[\s>]", re.I)
_SNIFF_BYTES = 4096

_TITLE_JOINTS = " \t|-_–—·•:：»›｜/~«<>"  # what stands between a page's title and its site's name
_SAID = {"author": "author", "date": "date", "canonical": "canonical_url", "language": "html_lang"}
_MAX_SAID_CHARS = 500


@dataclass(frozen=True, slots=True)
class Extracted:
    """A page's text, and which of its lines a computer reads rather than a person."""

    document: Document
    code_lines: frozenset[str]  # lines of <pre>, without the spaces around them


def extract(page: Page, config: ExtractConfig) -> Extracted | Drop:
    """Return the text of a page, or why it has none."""
    if len(page.payload) > config.max_page_bytes:
        return Drop(TOO_LARGE, len(page.payload), config.max_page_bytes)
    kind = _kind_of(page)
    if kind is None:
        return Drop("content is no text", page.content_type or "binary")
    decoded = decode_page(page.payload, charset=page.charset)
    if kind == "text":
        return _or_empty(Extracted(page.document(decoded.text), frozenset()))
    is_utf8 = decoded.is_as_it_came
    markup = page.payload if is_utf8 else decoded.text.encode("utf-8", "replace")
    page_text = extract_html(markup, markdown=config.format == "markdown")
    return _or_empty(_assemble(page, page_text))


def _assemble(page: Page, found: HtmlText) -> Extracted:
    lines = found.text.split("\n")
    kinds = zip(lines, found.kinds, strict=False)  # an empty page has a line without a kind
    marked = [(line, kind) for line, kind in kinds if kind in KIND_HEADING or kind == KIND_CODE]
    headings = dict.fromkeys(line for line, kind in marked if kind != KIND_CODE)
    code = frozenset(line.strip() for line, kind in marked if kind == KIND_CODE and line.strip())
    document = page.document(found.text)
    measures = {
        name: found.said[key][:_MAX_SAID_CHARS] for key, name in _SAID.items() if found.said[key]
    }
    if found.signs & SIGN_CUT:
        measures["page_cut"] = "more elements than a page may have"
    document = replace(
        document,
        title=_clean_title(found.said),
        headings=list(headings),
        measures={**document.measures, "page": measures} if measures else document.measures,
    )
    return Extracted(document, code)


def _clean_title(said: dict[str, str]) -> str:
    """Return the page's title, without its site's name where the page says which part that is."""
    title, short, site = said["title"], said["og_title"], said["site"]
    if short and title.startswith(short) and title[len(short) :].lstrip()[:1] in _TITLE_JOINTS:
        return short
    if site and title.endswith(site):
        before = title[: -len(site)]
        if before.rstrip(_TITLE_JOINTS) and before[-1] in _TITLE_JOINTS:
            return before.rstrip(_TITLE_JOINTS)
    return title


def _or_empty(extracted: Extracted) -> Extracted | Drop:
    return extracted if extracted.document.text.strip() else Drop("page has no text", 0)


def _kind_of(page: Page) -> str | None:
    """Return "html", "text" or None, looking at the bytes where the container is vague."""
    if page.content_type in _HTML_TYPES:
        return "html"
    if page.content_type in _TEXT_TYPES:
        return "text"
    if page.content_type not in _OPEN_TYPES:
        return None
    if _MARKUP.search(page.payload[:_SNIFF_BYTES]):
        return "html"
    is_plain = page.content_type == "" and b"\0" not in page.payload[:_SNIFF_BYTES]
    return "text" if is_plain else None

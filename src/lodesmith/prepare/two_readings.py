"""The two readings of a page that `extract` lays side by side, and which pages are dangerous.

A few constructs make HTML parsers quadratic: elements nested tens of thousands deep, unclosed
formatting elements, thousands of attributes on one tag. Measured: 30,000 nested <div> take 23
CPU-seconds, 100,000 attributes 20. A page that could hold so many is read in a process of its own
with limits (`isolated`); the bounds below let 99.9 % of real pages through.
"""

import re
from dataclasses import dataclass

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.html import ElementNode, HTMLTree

_MAX_CHARS = 1 << 18
_MAX_TAGS = 10_000
_MAX_TAG_CHARS = 1 << 15

_LEFT_OUT = (
    "[hidden]", "nav", "footer", "aside", "button", "select", "dialog", "body > header",
    "[role=navigation]", "[role=banner]", "[role=contentinfo]", "[role=complementary]",
)  # fmt: skip

# The main-content reading drops text nodes of one non-ASCII character ("tar</code>和<code>cpio"
# becomes "tarcpio"), so each gets a companion that is taken away again.
_LONE_CHARACTER = re.compile(r">(\s{0,9}(?:[^\x00-\x7f<>]|&#?\w{1,9};)\s{0,9})<")
_COMPANION = "\u2060"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a parser makes of a page."""

    title: str
    main: str  # where it finds the main content
    full: str  # all but navigation, headers and footers


def read_page(markup: str) -> Reading:
    """Return the two readings of a page."""
    tree = HTMLTree.parse(_LONE_CHARACTER.sub(rf">\1{_COMPANION}<", markup))
    if " hidden" in markup and tree.body is not None:
        _show_alternatives(tree.body)
    main = extract_plain_text(
        tree, main_content=True, alt_texts=False, comments=False, post_meta=False
    )
    full = extract_plain_text(tree, alt_texts=False, skip_elements=_LEFT_OUT)
    title = tree.title or ""
    return Reading(*(text.replace(_COMPANION, "") for text in (title, main, full)))


def _show_alternatives(body: ElementNode) -> None:
    """Unhide the last of several hidden spans side by side.

    A script would show one of them, as in "press <span hidden>Command</span><span
    hidden>Ctrl</span>"; the last is the one for readers the page knows nothing of.
    """
    for span in list(body.query_selector_all("span[hidden] + span[hidden]")):
        following = span.next_element_sibling
        if following is None or not following.has_attribute("hidden"):
            span.remove_attribute("hidden")


def is_hard(markup: str) -> bool:
    """Tell whether a page could take a parser more than about a second."""
    if len(markup) > _MAX_CHARS or markup.count("<") > _MAX_TAGS or markup.count("=") > _MAX_TAGS:
        return True
    return len(markup) > _MAX_TAG_CHARS and _longest_tag(markup) > _MAX_TAG_CHARS


def _longest_tag(markup: str) -> int:
    """Return at least the length of the longest tag: the longest stretch without a ">"."""
    return max(map(len, markup.split(">")))

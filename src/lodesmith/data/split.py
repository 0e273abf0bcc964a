"""Which pages are held out from training: decided by a page's file name alone.

A page and its translation have the same file name but for a language tag, so they fall on the same
side, and a score on held-out text cannot profit from having seen the twin. The choice is a hash of
the name: it needs no list, and a page stays on its side when others come or go.
"""

import hashlib
import re

_LANGUAGE_TAG = re.compile(
    r"[._-][a-z]{2}(?:[_-](?:[a-z]{2}|hans|hant))?(?=[._-]|$)", re.IGNORECASE
)


def page_key(url: str) -> str:
    """Return what a page and its translations have in common: the file name without language tags.

    Any part of two letters counts as a tag. Where it is none, pages of unlike content share a key,
    which only means that they fall on the same side.

    >>> page_key("debian:reference-zh-cn/usr/share/ch01.zh-cn.html")
    'ch01.html'
    >>> page_key("file:///help/en-US/text/swriter/main.html?x=1#top")
    'main.html?x=1'
    >>> page_key("https://example.org/guide/")
    'guide'

    A number behind `#` is not a place in a page but a record of a list, a text of its own:

    >>> page_key("pypi:stories/chapters.json#7")
    'chapters.json#7'
    """
    page, _, place = url.partition("#")
    address, _, query = page.partition("?")
    segments = [segment for segment in address.split("/") if segment]
    name = segments[-1] if segments else address
    key = _LANGUAGE_TAG.sub("", name) or name
    key += f"?{query}" if query else ""
    return f"{key}#{place}" if place.isdigit() else key


def is_held_out(url: str, *, held_out_fraction: float) -> bool:
    """Tell whether a page is held out from training.

    Args:
        url: the page's URL.
        held_out_fraction: share of the keys that is held out, in [0, 1].
    """
    digest = hashlib.sha256(page_key(url).encode()).digest()
    return int.from_bytes(digest[:8], "big") < held_out_fraction * 2**64

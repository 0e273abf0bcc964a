"""Samples of texts for the funnel: a fair draw of them, and no cut that lays personal data bare.

Drawn are the documents with the least ids, which are hashes: any two parts of a corpus agree on
them. An excerpt is carried with a margin on both sides until personal data has been masked, as half
a telephone number is no number to the rules that look for one; the cut comes after.
"""

from collections.abc import Callable, Sequence
from typing import Any

from lodesmith.data.documents import Document

NUM_CHARS = 200
_MARGIN_CHARS = 100

Excerpt = list[Any]  # the text with its margins, where the excerpt begins in it, where it ends
Sample = dict[str, Any]  # id, url, language, corpus, and excerpts


def cut_excerpt(text: str, start: int = 0) -> Excerpt:
    """Return the excerpt of a text that begins at a place.

    >>> cut_excerpt("x" * 1000, 500)[1:]
    [100, 300]
    """
    first = max(0, start - _MARGIN_CHARS)
    around = text[first : start + NUM_CHARS + _MARGIN_CHARS]
    return [around, start - first, start - first + NUM_CHARS]


def cut_all(excerpts: Sequence[Excerpt]) -> list[tuple[str, bool]]:
    """Return excerpts without their margins, where nobody looks for personal data."""
    return [(text[start:end], False) for text, start, end in excerpts]


def first_difference(one: str, other: str) -> int:
    """Return the first place where two texts differ; the length of the shorter if none does.

    >>> first_difference("caf&eacute;", "café")
    3
    """
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def describe(document: Document, **more: Any) -> Sample:
    """Return a sample of a document: which one it is, and more."""
    return {
        "id": document.id,
        "url": document.url,
        "language": document.language,
        "corpus": document.corpus,
        **more,
    }


def draw(
    samples: list[Sample], document: Document, make: Callable[[], Sample], *, most: int
) -> None:
    """Put a document's sample among those drawn if its id is one of the least."""
    if len(samples) < most or document.id < samples[-1]["id"]:
        samples[:] = choose([*samples, make()], most=most)


def choose(samples: Sequence[Sample], *, most: int) -> list[Sample]:
    """Return the samples with the least ids; of equal records the first in the corpus."""
    return sorted(samples, key=lambda sample: (sample["id"], sample["url"]))[:most]

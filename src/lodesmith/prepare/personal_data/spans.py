"""What the rules hand to each other: where a piece of personal data stands, and of which kind."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of a text."""

    kind: str
    start: int  # characters
    end: int


def without_overlaps(spans: Iterable[Span]) -> Sequence[Span]:
    """Return spans in the order of the text; of two that overlap, the one that begins first.

    >>> without_overlaps([Span("mobile", 4, 9), Span("address", 0, 6), Span("email", 9, 12)])
    [Span(kind='address', start=0, end=6), Span(kind='email', start=9, end=12)]
    """
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept

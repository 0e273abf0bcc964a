"""Next-sentence questions: which of four sentences goes on from here?

The true one follows in a held-out document; the other three stand in other held-out documents of
the same language, behind a break of the same kind, so that nothing but sense tells them apart.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise

from lodesmith.data.documents import Document

NUM_CHOICES = 4
_MIN_BYTES, _MAX_BYTES = 24, 200  # of a sentence: no table cell, and few enough tokens to be quick
_MIN_CONTEXT_BYTES = 60
_SENTENCE_ENDS = tuple("。！？.!?")
_BREAK = re.compile(r"\s*\n\s*|(?<=[。！？])[ \t]*|(?<=[.!?])[ \t]+(?=[A-Z\u4e00-\u9fff])")


@dataclass(frozen=True, slots=True)
class Question:
    """A text and four sentences, the first of which goes on from it."""

    context: str
    choices: tuple[str, ...]  # the true one first, each with the break before it


@dataclass(frozen=True, slots=True)
class _Place:
    """A sentence of a document that may be asked for."""

    document_id: str
    start: int  # of the sentence in the text
    context: str
    gap: str
    sentence: str


def ask_questions(documents: Sequence[Document], *, num_items: int, seed: int) -> list[Question]:
    """Return questions about documents of one language, the same for the same seed.

    At most `num_items`; fewer where the documents have fewer sentences. Several may come from one
    document.
    """
    places = [place for document in documents for place in _find_places(document)]
    drawn = sorted(places, key=lambda place: _draw(seed, place, "order"))
    asked = (_ask(place, drawn, seed) for place in drawn)
    return list(islice((question for question in asked if question is not None), num_items))


def _find_places(document: Document) -> Iterator[_Place]:
    text, start = document.text, 0
    spans = []
    for gap in _BREAK.finditer(text):
        spans.append((start, gap.start()))
        start = gap.end()
    spans.append((start, len(text)))
    spans = [(start, end) for start, end in spans if end > start]
    for (_, before), (start, end) in pairwise(spans):
        sentence = text[start:end]
        is_whole = sentence.endswith(_SENTENCE_ENDS)
        is_fit = _MIN_BYTES <= len(sentence.encode()) <= _MAX_BYTES
        if is_whole and is_fit and len(text[:before].encode()) >= _MIN_CONTEXT_BYTES:
            yield _Place(document.id, start, text[:before], text[before:start], sentence)


def _ask(place: _Place, drawn: Sequence[_Place], seed: int) -> Question | None:
    """Return the question of a place, None where too few other documents have a sentence for it."""
    used_documents, sentences = {place.document_id}, [place.sentence]
    first = _draw(seed, place, "others") % len(drawn)
    for other in chain(drawn[first:], drawn[:first]):
        if other.document_id in used_documents or other.sentence in sentences:
            continue
        used_documents.add(other.document_id)
        sentences.append(other.sentence)
        if len(sentences) == NUM_CHOICES:
            return Question(place.context, tuple(place.gap + sentence for sentence in sentences))
    return None


def _draw(seed: int, place: _Place, purpose: str) -> int:
    """Return a number that any machine and any Python draws alike."""
    key = f"{seed}/{purpose}/{place.document_id}/{place.start}"
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8])

"""Question-answer pairs made of help pages: a heading asks, the first sentences below it answer.

Only pages that were trained on are used, so that the held-out ones stay unseen. A question to which
different pages give different answers ("Syntax", "Options") is no question and is left out.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from lodesmith.data.documents import Document
from lodesmith.tune.conversations.questions import LANGUAGES, ask
from lodesmith.tune.samples.rows import HELP_ORIGIN, Harvest, Row, exchange

_WORD = re.compile(r"[a-z]+")
_SENTENCE = re.compile(r".*?(?:[。！？]|[.!?](?=\s|$))\s*")
_MIN_ANSWER_BYTES = 24


@dataclass(frozen=True, slots=True)
class _Pair:
    document_id: str
    language: str
    question: str
    answer: str


def make_help_pairs(
    documents: Iterable[Document],
    *,
    languages: Iterable[str],
    max_pairs: int,
    max_answer_bytes: int,
    seed: int,
) -> Harvest:
    """Return at most `max_pairs` pairs of each language, drawn by the seed.

    Args:
        documents: pages of the training side only.
        languages: those wanted; for others than English and Chinese no question can be formed.
        max_pairs: pairs per language.
        max_answer_bytes: whole sentences are taken up to this length in UTF-8.
        seed: decides which pairs are taken where there are more.
    """
    harvest = Harvest()
    wanted = [language for language in languages if language in LANGUAGES]
    by_question: dict[tuple[str, str], dict[str, _Pair]] = {}
    for document in documents:
        if document.language in wanted:
            for pair in _pairs_of(document, max_answer_bytes):
                key = (pair.language, pair.question.casefold())
                by_question.setdefault(key, {}).setdefault(pair.answer, pair)
    single = [next(iter(pairs.values())) for pairs in by_question.values() if len(pairs) == 1]
    harvest.drop("ambiguous heading", count=len(by_question) - len(single))
    for language in wanted:
        found = [pair for pair in single if pair.language == language]
        found.sort(key=lambda pair: _draw(pair, seed))
        harvest.drop("help pair beyond the limit", count=max(0, len(found) - max_pairs))
        harvest.rows.extend(_row(pair) for pair in found[:max_pairs])
    return harvest


def _pairs_of(document: Document, max_answer_bytes: int) -> Iterator[_Pair]:
    headings = set(document.headings)
    words = frozenset(_WORD.findall(document.text.lower())) if document.language == "en" else ()
    lines = document.text.split("\n")
    for number, line in enumerate(lines):
        if line not in headings:
            continue
        question = ask(line, language=document.language, words=words)
        answer = _first_sentences(lines[number + 1 :], headings, max_answer_bytes)
        if question and answer and _is_written_in(document.language, answer):
            yield _Pair(document.id, document.language, question, answer)


def _first_sentences(lines: list[str], headings: set[str], max_bytes: int) -> str:
    """Return the whole sentences up to the next heading, list or table; "" if there are none."""
    answer = ""
    for line in lines:
        sentences = _SENTENCE.findall(line)
        if line in headings or "".join(sentences) != line:
            break
        for sentence in sentences:
            longer = answer + sentence
            if len(longer.strip().encode()) > max_bytes:
                return _long_enough(answer)
            answer = longer
        answer += "\n"
    return _long_enough(answer)


def _long_enough(answer: str) -> str:
    answer = answer.strip()
    return answer if len(answer.encode()) >= _MIN_ANSWER_BYTES else ""


def _is_written_in(language: str, text: str) -> bool:
    """Tell whether a text has the script of its page; some Chinese pages are half translated."""
    num_han = sum("\u4e00" <= letter <= "\u9fff" for letter in text)
    return num_han * 4 >= len(text) if language == "zh" else num_han == 0


def _draw(pair: _Pair, seed: int) -> str:
    """Return a text that sorts pairs in an order that any machine finds."""
    return hashlib.sha256(f"{seed}/{pair.language}/{pair.question}".encode()).hexdigest()


def _row(pair: _Pair) -> Row:
    return Row(
        messages=exchange(pair.question, pair.answer),
        origin=f"document {pair.document_id}",
        source=HELP_ORIGIN,
        language=pair.language,
    )

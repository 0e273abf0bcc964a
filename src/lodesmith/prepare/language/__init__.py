"""Third step: the language of a document, and of each of its paragraphs.

So a page with a Chinese title whose text nobody has translated yet is English, and a page in two
languages says so: its shares stand in `measures["languages"]`, the script of Chinese in
`measures["script"]`, and what language each paragraph that is left in the end has in
`measures["paragraph_languages"]`. How a language is told: `detect_language`, `language_votes`.
"""

from dataclasses import replace

from lodesmith.data.documents import Document
from lodesmith.prepare.config import PrepareConfig
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.language.chinese import chinese_script
from lodesmith.prepare.language.detect_language import detect_language
from lodesmith.prepare.language.language_votes import Poll, poll_lines, votes


def identify(
    document: Document, *, code_lines: frozenset[str] = frozenset()
) -> tuple[Document, float]:
    """Return the document with its language, and how sure that is, in [0, 1].

    Args:
        document: whose language is asked.
        code_lines: lines that are in no language.
    """
    lines = document.text.split("\n")
    if code_lines:
        lines = [line for line in lines if line.strip() not in code_lines] or lines
    language, confidence = detect_language("\n".join(lines))
    poll = poll_lines(lines, language)
    shares = poll.shares()
    if shares and shares.get(language, 0.0) < max(shares.values()):  # its beginning misled
        language, confidence = max(shares, key=lambda name: shares[name]), poll.confidence()
    elif len(shares) > 1:  # sure of each paragraph, the whole is no less sure for being mixed
        confidence = max(confidence, poll.confidence())
    measures = {**document.measures, "languages": shares or {language: 1.0}}
    if language == "zh":
        script = chinese_script("\n".join(lines))
        measures["script"] = script.name
        if script.is_cantonese:
            measures["variety"] = "yue"
        if script.converted is not None:
            measures["converted_from_simplified"] = script.converted
    return replace(document, language=language, measures=measures), confidence


def label_paragraphs(document: Document, *, code_lines: frozenset[str] = frozenset()) -> Document:
    """Return a document in several languages with that of each paragraph, as its text is now.

    `measures["paragraph_languages"]` holds runs of lines, [language, number of lines]; their
    numbers add up to the lines of the text. Sentences of two languages in one line are "en+zh".
    What says nothing of its language, like a short line or code, goes with the line before it.

    Args:
        document: with its `measures["languages"]`; one in a single language stays as it is.
        code_lines: lines that are in no language.
    """
    if len(document.measures.get("languages", ())) < 2:
        return document
    lines = document.text.split("\n")
    polls: dict[int, Poll] = {}
    for number, found, num_words, is_sure in votes(lines, document.language):
        if lines[number].strip() not in code_lines:
            polls.setdefault(number, Poll()).add(found, num_words, is_sure=is_sure)
    names = {number: "+".join(sorted(poll.shares())) for number, poll in polls.items()}
    name = next(iter(names.values()), document.language)
    runs: list[list[str | int]] = []
    for number in range(len(lines)):
        name = names.get(number, name)
        if runs and runs[-1][0] == name:
            runs[-1] = [name, int(runs[-1][1]) + 1]
        else:
            runs.append([name, 1])
    return replace(document, measures={**document.measures, "paragraph_languages": runs})


def judge_language(document: Document, confidence: float, config: PrepareConfig) -> Document | Drop:
    """Return the document, or why its language does not stay."""
    if confidence < config.min_language_confidence:
        return Drop("language unclear", round(confidence, 3), config.min_language_confidence)
    if config.languages is not None and document.language not in config.languages:
        return Drop("language not wanted", document.language, ", ".join(config.languages))
    return document

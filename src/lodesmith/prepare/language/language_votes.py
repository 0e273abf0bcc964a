"""The languages of a page's paragraphs: each votes with its length.

A paragraph with sentences in Chinese and in another language votes for both, a long one in thirds.
What is uncertain counts to the language of the whole.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lodesmith.native.language import LineCensus
from lodesmith.prepare.language.detect_language import (
    CHARACTERS_PER_WORD,
    CJK,
    MIN_ENGLISH_SHARE,
    MIN_ENGLISH_WORDS,
    by_model,
    cjk_language,
    count_lines,
    language_of_line,
    sample_of,
)

_MIN_LETTERS = 20  # of a paragraph that votes; half of it in other writing than English has
_MIN_CJK_LETTERS = 4  # that tell a language by themselves
_CHINESE_FUNCTION = re.compile(
    "[的了是在不我你他她们們这這]"
)  # grammar, which Japanese has in kana
_MIN_CHINESE_FUNCTION = 2  # of them in a line of _LINE_CHARS; Japanese has one in 目的 or 終了
_MIN_WORDS_BESIDE = 6  # in another language, beside Chinese: fewer are a name or a term
_MIN_CONFIDENCE_BESIDE = 0.9
_MIN_LINE_CONFIDENCE = 0.5
_MIN_SHARE = 0.03  # of a document's words: fewer are names and quotations
_MAX_LINES = 80  # that vote, evenly spread
_LINE_CHARS = 160  # of each: more add little to a paragraph's vote


@dataclass(slots=True)
class Poll:
    """How many words of each language the paragraphs of a page have, and how many are sure."""

    words: dict[str, float] = field(default_factory=dict)
    sure: float = 0.0

    def add(self, language: str, num_words: float, *, is_sure: bool) -> None:
        """Count words of a language."""
        self.words[language] = self.words.get(language, 0.0) + num_words
        self.sure += num_words * is_sure

    def shares(self) -> dict[str, float]:
        """Return language -> share of the words, the largest first; small shares go with it."""
        total = sum(self.words.values())
        if not total:
            return {}
        large = {name: n for name, n in self.words.items() if n >= _MIN_SHARE * total}
        rest = total - sum(large.values())
        main = max(large, key=lambda name: (large[name], name))
        large[main] += rest
        ordered = sorted(large.items(), key=lambda item: (-item[1], item[0]))
        return {name: round(count / total, 3) for name, count in ordered}

    def confidence(self) -> float:
        """Return the share of words whose language is sure."""
        return self.sure / (sum(self.words.values()) or 1.0)


def poll_lines(lines: list[str], language: str) -> Poll:
    """Return how paragraphs vote, of many some that are evenly spread.

    Args:
        lines: paragraphs; short ones have no say.
        language: that of the whole, which uncertain paragraphs are counted to.
    """
    step = -(-len(lines) // _MAX_LINES) or 1
    poll = Poll()
    for _, found, num_words, is_sure in votes(lines[::step], language):
        poll.add(found, num_words, is_sure=is_sure)
    return poll


def votes(lines: list[str], language: str) -> Iterator[tuple[int, str, float, bool]]:
    """Yield the number of a line, a language in it, words in that, and whether that is sure."""
    parts = [(number, part) for number, line in enumerate(lines) for part in _thirds(line)]
    samples = [part[:_LINE_CHARS] for _, part in parts]
    for (number, part), sample, counts in zip(parts, samples, count_lines(samples), strict=True):
        least = _MIN_LETTERS if part.isascii() else _MIN_LETTERS // 2
        if counts.all_letters < least and counts.cjk < _MIN_CJK_LETTERS:
            continue
        for found, share, is_sure in _languages_of_line(sample, counts, language):
            yield number, found, share * _num_words(part), is_sure


def _thirds(line: str) -> list[str]:
    """Return a line, or the thirds of a long one: its languages may follow each other."""
    if 2 * len(line) <= 3 * _LINE_CHARS:
        return [line]
    size = -(-len(line) // 3)
    return [line[at : at + size] for at in range(0, len(line), size)]


def _languages_of_line(
    line: str, counts: LineCensus, language: str
) -> list[tuple[str, float, bool]]:
    """Return the languages of a line, the share of its words in each, and whether that is sure."""
    found, confidence = language_of_line(line, counts)
    if found == "zh" and language == "ja" and not _is_plain_chinese(line, counts):
        return [("ja", 1.0, True)]  # a heading or an address without kana
    other = _beside_cjk(line, counts)
    if other is not None:
        num_cjk = counts.cjk / CHARACTERS_PER_WORD
        share = num_cjk / (num_cjk + counts.joined_words)
        return [(cjk_language(counts), share, True), (other, 1.0 - share, True)]
    is_sure = confidence >= _MIN_LINE_CONFIDENCE
    return [(found if is_sure else language, 1.0, is_sure)]


def _is_plain_chinese(line: str, counts: LineCensus) -> bool:
    """Whether characters without kana, on a Japanese page, are Chinese."""
    if counts.all_letters < _MIN_LETTERS:
        return False
    return len(_CHINESE_FUNCTION.findall(line)) >= _MIN_CHINESE_FUNCTION


def _beside_cjk(line: str, counts: LineCensus) -> str | None:
    """Return the language of the words between a line's Chinese, if they are sentences.

    Names, terms and commands are not: English must have its little words, another language must
    be plain.
    """
    if counts.cjk < _MIN_CJK_LETTERS or counts.joined_words < _MIN_WORDS_BESIDE:
        return None
    if counts.own or counts.odd:
        return None
    if counts.english >= max(MIN_ENGLISH_WORDS - 1, MIN_ENGLISH_SHARE * counts.joined_words):
        return "en"
    found, confidence = by_model(sample_of(line))
    return found if found != "en" and confidence >= _MIN_CONFIDENCE_BESIDE else None


def _num_words(line: str) -> float:
    num_cjk = 0 if line.isascii() else _count_characters(CJK, line)
    return num_cjk / CHARACTERS_PER_WORD + line.count(" ") + 1


def _count_characters(runs: re.Pattern[str], text: str) -> int:
    return sum(map(len, runs.findall(text)))

"""Gopher's rules for any language, with limits that manuals with code and tables can meet.

They were made for English, so a Chinese character or kana counts as a word, and rules about the
shape of words hold only where words are written with spaces. Short texts repeat something by
chance, so the first few copies are free. See `config.QualityConfig` for each limit and its source.

Source: Rae et al., Scaling Language Models (Gopher), arXiv:2112.11446, appendix A1.1.
"""

import re
from collections import Counter
from collections.abc import Iterator

from lodesmith.data.documents import Document
from lodesmith.native.quality import count_repeats
from lodesmith.prepare.config import QualityConfig
from lodesmith.prepare.quality.faults import Fault, above, below
from lodesmith.prepare.words import Words

_BULLETS = ("•", "‣", "▪", "◦", "●", "·", "- ", "* ", "– ")
_ELLIPSES = ("...", "…", "。。。")
_ELLIPSIS = re.compile(r"\.{3}|…+")
_LOST = re.compile("\ufffd|锟斤拷|锟|烫烫烫|屯屯屯")
_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_MAX_CJK_FRACTION = 0.1  # of words; above it text is not written with spaces

_MAX_CELL_CHARS = 5  # shorter lines are cells of a table, which repeat numbers

# Short texts repeat something by chance: three times in sixty words already exceeds the limits.
_FREE_REPEATS = 3


def general(
    document: Document, words: Words, config: QualityConfig, repeatable: frozenset[str]
) -> Iterator[Fault]:
    """Yield the verdict of each rule, the cheap ones first.

    Args:
        document: what is judged.
        words: of its text.
        config: limits of the rules.
        repeatable: lines that may be repeated: headings and code.
    """
    num_words = len(words.hashes)
    yield below("too few words", num_words, max(1, config.min_words))
    yield above("too many words", num_words, config.max_words)
    yield above("characters lost", _lost_fraction(document.text), config.max_lost_char_fraction)
    if words.cjk_fraction <= _MAX_CJK_FRACTION:
        mean_length = float(words.lengths.mean())
        yield below("words too short on average", mean_length, config.min_mean_word_chars)
        yield above("words too long on average", mean_length, config.max_mean_word_chars)
        yield below(
            "too few words with letters",
            float(words.has_letter.mean()),
            config.min_letter_word_fraction,
        )
    if document.language == "en":
        yield below("too few stop words", _stop_words(document.text), config.min_stop_words)
    yield from _symbol_faults(document.text, num_words, config)
    yield from _line_faults(document.text, config, repeatable)
    yield from _run_faults(words, config)


def _lost_fraction(text: str) -> float:
    return 0.0 if text.isascii() else sum(map(len, _LOST.findall(text))) / len(text)


def _stop_words(text: str) -> int:
    words = set(text.lower().split())
    return sum(word in words for word in _STOP_WORDS)


def _symbol_faults(text: str, num_words: int, config: QualityConfig) -> Iterator[Fault]:
    limit = config.max_symbol_fraction
    yield above("too many hash signs", text.count("#") / num_words, limit)
    if "..." in text or "…" in text:
        yield above("too many ellipses", len(_ELLIPSIS.findall(text)) / num_words, limit)


def _line_faults(text: str, config: QualityConfig, repeatable: frozenset[str]) -> Iterator[Fault]:
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    bullets = sum(line.startswith(_BULLETS) for line in lines) / len(lines)
    yield above("almost only bullet points", bullets, config.max_bullet_line_fraction)
    ellipses = sum(line.endswith(_ELLIPSES) for line in lines) / len(lines)
    yield above("too many lines cut short", ellipses, config.max_ellipsis_line_fraction)
    repeats = {line: num - 1 for line, num in Counter(lines).items() if num > 1}
    counted = {
        line: num
        for line, num in repeats.items()
        if line not in repeatable and len(line) > _MAX_CELL_CHARS
    }
    fraction = max(0, sum(counted.values()) - _FREE_REPEATS) / len(lines)
    yield above("lines repeated", fraction, config.max_repeated_line_fraction)
    chars = sum(len(line) * num for line, num in counted.items()) / sum(map(len, lines))
    yield above("characters in repeated lines", chars, config.max_repeated_line_char_fraction)


def _run_faults(words: Words, config: QualityConfig) -> Iterator[Fault]:
    total = int(words.lengths.sum())
    repeats = count_repeats(words.hashes, words.lengths, free_copies=_FREE_REPEATS)
    limits = (
        (2, config.max_top_2gram_fraction),
        (3, config.max_top_3gram_fraction),
        (4, config.max_top_4gram_fraction),
    )
    for num_words, limit in limits:
        fraction = repeats[f"top_{num_words}"] / total
        yield above(f"one run of {num_words} words over and over", fraction, limit)

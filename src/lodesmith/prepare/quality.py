"""Fourth step: rules that tell text for readers from what pages are made of besides.

The rules are those of Gopher, whose limits other corpora kept; see `config.QualityConfig` for each
limit and its source. They were made for English, so a Chinese character or kana counts as a word,
and rules about the shape of words hold only where words are written with spaces. C4's rule against
curly brackets and FineWeb's rule on lines without a full stop are left out: both drop manuals with
code and tables.

Source: Rae et al., Scaling Language Models (Gopher), arXiv:2112.11446, appendix A1.1.
"""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from lodesmith.data.documents import Document
from lodesmith.prepare.config import QualityConfig
from lodesmith.prepare.pages import Drop
from lodesmith.prepare.words import Hashes, Words, hash_runs, split_words

_BULLETS = ("•", "‣", "▪", "◦", "●", "·", "- ", "* ", "– ")
_ELLIPSES = ("...", "…", "。。。")
_ELLIPSIS = re.compile(r"\.{3}|…+")
_LOST = re.compile("\ufffd|锟斤拷|锟|烫烫烫|屯屯屯")
_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
_MAX_CJK_FRACTION = 0.1  # of words; above it text is not written with spaces

_MAX_CELL_CHARS = 5  # shorter lines are cells of a table, which repeat numbers

# Short texts repeat something by chance: three times in sixty words already exceeds the limits.
_FREE_REPEATS = 3

Fault = tuple[str, Any, Any] | None  # reason, value, limit


def judge(
    document: Document, config: QualityConfig, *, code_lines: frozenset[str] = frozenset()
) -> Document | Drop:
    """Return the document, or the first rule that it breaks.

    Args:
        document: what is judged.
        config: limits of the rules.
        code_lines: lines that may be repeated, as its headings may.
    """
    words = split_words(document.text)
    repeatable = code_lines.union(document.headings)
    for fault in _faults(document, words, config, repeatable):
        if fault is not None:
            reason, value, limit = fault
            return Drop(reason, round(value, 3) if isinstance(value, float) else value, limit)
    return document


def _faults(
    document: Document, words: Words, config: QualityConfig, repeatable: frozenset[str]
) -> Iterator[Fault]:
    """Yield the verdict of each rule, the cheap ones first."""
    num_words = len(words.hashes)
    yield _below("too few words", num_words, max(1, config.min_words))
    yield _above("too many words", num_words, config.max_words)
    yield _above("characters lost", _lost_fraction(document.text), config.max_lost_char_fraction)
    if words.cjk_fraction <= _MAX_CJK_FRACTION:
        mean_length = float(words.lengths.mean())
        yield _below("words too short on average", mean_length, config.min_mean_word_chars)
        yield _above("words too long on average", mean_length, config.max_mean_word_chars)
        yield _below(
            "too few words with letters",
            float(words.has_letter.mean()),
            config.min_letter_word_fraction,
        )
    if document.language == "en":
        yield _below("too few stop words", _stop_words(document.text), config.min_stop_words)
    yield from _symbol_faults(document.text, num_words, config)
    yield from _line_faults(document.text, config, repeatable)
    yield from _run_faults(words, config)


def _below(reason: str, value: float, limit: float) -> Fault:
    return (reason, value, limit) if value < limit else None


def _above(reason: str, value: float, limit: float) -> Fault:
    return (reason, value, limit) if value > limit else None


def _lost_fraction(text: str) -> float:
    return 0.0 if text.isascii() else sum(map(len, _LOST.findall(text))) / len(text)


def _stop_words(text: str) -> int:
    words = set(text.lower().split())
    return sum(word in words for word in _STOP_WORDS)


def _symbol_faults(text: str, num_words: int, config: QualityConfig) -> Iterator[Fault]:
    limit = config.max_symbol_fraction
    yield _above("too many hash signs", text.count("#") / num_words, limit)
    if "..." in text or "…" in text:
        yield _above("too many ellipses", len(_ELLIPSIS.findall(text)) / num_words, limit)


def _line_faults(text: str, config: QualityConfig, repeatable: frozenset[str]) -> Iterator[Fault]:
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    bullets = sum(line.startswith(_BULLETS) for line in lines) / len(lines)
    yield _above("almost only bullet points", bullets, config.max_bullet_line_fraction)
    ellipses = sum(line.endswith(_ELLIPSES) for line in lines) / len(lines)
    yield _above("too many lines cut short", ellipses, config.max_ellipsis_line_fraction)
    repeats = {line: num - 1 for line, num in Counter(lines).items() if num > 1}
    counted = {
        line: num
        for line, num in repeats.items()
        if line not in repeatable and len(line) > _MAX_CELL_CHARS
    }
    fraction = max(0, sum(counted.values()) - _FREE_REPEATS) / len(lines)
    yield _above("lines repeated", fraction, config.max_repeated_line_fraction)
    chars = sum(len(line) * num for line, num in counted.items()) / sum(map(len, lines))
    yield _above("characters in repeated lines", chars, config.max_repeated_line_char_fraction)


def _run_faults(words: Words, config: QualityConfig) -> Iterator[Fault]:
    total = int(words.lengths.sum())
    limits = (
        (2, config.max_top_2gram_fraction),
        (3, config.max_top_3gram_fraction),
        (4, config.max_top_4gram_fraction),
    )
    for num_words, limit in limits:
        fraction = _top_run_chars(words, num_words) / total
        yield _above(f"one run of {num_words} words over and over", fraction, limit)


def _top_run_chars(words: Words, num_words: int) -> int:
    """Return the characters in the copies of the most frequent run, the free ones left out."""
    runs: Hashes = hash_runs(words.hashes, num_words)
    if len(runs) < num_words:
        return 0
    ordered = np.sort(runs)
    edges = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1], [True])))
    counts = np.diff(edges)
    top = int(counts.argmax())
    if counts[top] <= _FREE_REPEATS:
        return 0
    start = int((runs == ordered[edges[top]]).argmax())
    run_chars = int(words.lengths[start : start + num_words].sum())
    return run_chars * max(0, int(counts[top]) - _FREE_REPEATS)

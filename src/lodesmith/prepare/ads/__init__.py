"""Fifth step: lines that belong to the page or sell something, and pages that are nothing else.

A linear model over hashed characters (`model.py`) scores all lines in C; rules look only at lines
that it does not find clean. Four kinds have rules of their own: furniture of the page (buttons,
footers, credits), teasers of other pages with the list that follows, comments at the end, and spam,
by weighted cues. A line that no rule knows goes when the model is sure, sooner beside others that
go. Where prose would suffer it is taken back: headings and code stay, and what ends a sentence
needs a higher score.
"""

import re
from dataclasses import dataclass, replace
from functools import cached_property

from lodesmith.data.documents import Document
from lodesmith.native.ads import score_lines
from lodesmith.prepare.ads.folding import fold
from lodesmith.prepare.ads.furniture import (
    AUTHOR,
    BUTTON,
    COMMENTS,
    FAKE_COMMENT,
    LONG_BUTTON,
    NOTICE,
    PROSE_END,
    RULES,
    STRONG,
    TEASER,
    TEASER_LINE,
)
from lodesmith.prepare.ads.model import load_weights
from lodesmith.prepare.ads.short_lines import is_about_the_page, words_of_the_page
from lodesmith.prepare.ads.spam import Cues, find_cues, is_spam
from lodesmith.prepare.input.pages import Drop

_MAX_LINE_CHARS = 600  # a longer line is prose
_MAX_BUTTONS_CHARS = 240
_MAX_TITLE_COLUMNS = 110  # of another page in a list of teasers
_MAX_TEASERS = 15
_MAX_COMMENT_COLUMNS = 240
_TAIL_FRACTION = 0.4  # of the lines: comments begin in it
_EDGE = 6  # the first and the last sixth of the lines, where the page speaks of itself
_MAX_SPAM_FRACTION = 0.5  # of a page's characters in spam lines, from which on all of it goes
_MIN_SPAM_CHARS = 20
_MAX_GONE_FRACTION = 0.9  # of a page's characters in lines that go, from which on all of it goes
_MAX_GONE_WITHOUT_PROSE = 0.6  # the same, where no sentence is among what stays
_PROSE_COLUMNS = 40
# Thousandths of a logit, set on held-out clean text (docs/design/0014-ads.md).
_SUSPECT = -1000  # rules look at lines from here on
_TINY_COLUMNS = 24  # rules look at all lines that are as short
_LAST_LINES = 3  # and at the last of a page, where notices stand
_LONG_COLUMNS = 160
_MATTER_FRACTION = 0.2  # of a page's lines, from which on likely ones are its matter
_NOT_CHINESE = re.compile("[\u3040-\u30ff\uac00-\ud7af]")  # kana and Hangul


@dataclass(frozen=True, slots=True)
class _Needed:
    """Scores from which on a line goes."""

    alone: int
    beside: int  # next to a line that goes
    prose: int  # more for a line that ends a sentence, and as much for a long one
    matter: int  # more on a page where lines like that are the matter: a list, a table, a shop


_CHINESE = _Needed(alone=400, beside=0, prose=800, matter=1000)
_OTHER = _Needed(alone=1500, beside=1000, prose=1500, matter=1800)
_SPAM = "spam (fraction of characters)"
_ONLY_ADS = "only advertising lines"
_NO_PROSE = "only advertising lines and no sentence"
_ALWAYS = (STRONG, NOTICE, FAKE_COMMENT, TEASER_LINE)


_Passed = tuple[str, float, float]  # a rule, what it measured, and the limit that was not reached


@dataclass(frozen=True, slots=True)
class WithoutAds:
    """A document, and what was taken out of it."""

    document: Document
    lines: list[str]  # those that were taken out
    passed: tuple[_Passed, ...]


def remove_ads(
    document: Document, *, code_lines: frozenset[str] = frozenset()
) -> WithoutAds | Drop:
    """Return the document without advertising lines, or why nothing of it stays.

    Args:
        document: from which lines go; its headings stay, unless they head a list of teasers.
        code_lines: lines that stay as well.
    """
    lines = document.text.split("\n")
    page = _Page(lines, code_lines, frozenset(document.headings), document.text)
    spam = page.find_spam()
    num_chars = sum(map(len, lines))
    num_spam = sum(len(lines[index]) for index in spam)
    spam_fraction = round(num_spam / max(1, num_chars), 3)
    if num_spam >= max(_MIN_SPAM_CHARS, _MAX_SPAM_FRACTION * num_chars):
        return Drop(_SPAM, spam_fraction, _MAX_SPAM_FRACTION)
    passed = (_SPAM, spam_fraction, _MAX_SPAM_FRACTION)
    gone = spam | page.find_furniture()
    gone |= page.find_likely(gone)
    gone |= page.find_teasers() | page.find_comments(gone)
    if not gone:
        return WithoutAds(document, [], (passed, (_ONLY_ADS, 0.0, _MAX_GONE_FRACTION)))
    num_gone = sum(len(lines[index]) for index in gone)
    rule, limit = (
        (_ONLY_ADS, _MAX_GONE_FRACTION)
        if page.has_prose_beside(gone)
        else (_NO_PROSE, _MAX_GONE_WITHOUT_PROSE)
    )
    gone_fraction = round(num_gone / max(1, num_chars), 3)
    if num_gone >= max(_MIN_SPAM_CHARS, limit * num_chars):
        return Drop(rule, gone_fraction, limit)
    return _without(document, lines, gone, (passed, (rule, gone_fraction, limit)))


def _without(
    document: Document, lines: list[str], gone: set[int], passed: tuple[_Passed, ...]
) -> WithoutAds | Drop:
    kept = [line for index, line in enumerate(lines) if index not in gone]
    if not any(line.strip() for line in kept):
        return Drop(_ONLY_ADS, 1.0, _MAX_GONE_FRACTION)
    text = "\n".join(kept).strip("\n")
    left = {line.strip() for line in kept}
    headings = [heading for heading in document.headings if heading.strip() in left]
    return WithoutAds(
        replace(document, text=text, headings=headings),
        [lines[index] for index in sorted(gone)],
        passed,
    )


class _Page:
    """The lines of one page; those under suspicion are folded, once."""

    def __init__(
        self, lines: list[str], code_lines: frozenset[str], headings: frozenset[str], text: str
    ) -> None:
        self.lines = lines
        self.headings = headings
        self.code = code_lines
        scores, columns = score_lines(text, load_weights())
        self.scores, self.columns = scores, columns
        suspicious = (scores >= _SUSPECT) | (columns <= _TINY_COLUMNS)
        suspicious[-_LAST_LINES:] = True
        suspects = suspicious.nonzero()[0].tolist()
        self.folded = {index: fold(lines[index].strip()) for index in suspects}
        self.whole = "\n".join(self.folded.values())

    @cached_property
    def bare(self) -> list[str]:
        return [line.strip() for line in self.lines]

    def _may_go(self, index: int) -> bool:
        line = self.bare[index]
        return bool(line) and line not in self.code and line not in self.headings

    def find_likely(self, gone: set[int]) -> set[int]:
        """Return the places of lines of which the model is sure, sooner beside those that go."""
        likely = (self.scores >= min(_CHINESE.beside, _OTHER.beside)) & (self.columns > 0)
        needed = {index: self._needed(index) for index in likely.nonzero()[0].tolist()}
        num_alone = sum(self.scores[index] >= each.alone for index, each in needed.items())
        is_matter = num_alone > max(2, _MATTER_FRACTION * int((self.columns > 0).sum()))
        found: set[int] = set()
        for index, each in needed.items():
            is_beside = not gone.union(found).isdisjoint((index - 1, index + 1))
            score = self.scores[index] - each.matter * is_matter
            score -= each.prose * bool(PROSE_END.search(self.folded[index]))
            score -= each.prose * bool(self.columns[index] > _LONG_COLUMNS)
            if score >= (each.beside if is_beside else each.alone) and self._may_go(index):
                found.add(index)
        return found

    def _needed(self, index: int) -> _Needed:
        """Return what a line needs: the model knows Chinese better than other languages."""
        line = self.lines[index]
        is_wide = self.columns[index] > 1.3 * len(line)
        return _CHINESE if is_wide and not _NOT_CHINESE.search(line) else _OTHER

    def has_prose_beside(self, gone: set[int]) -> bool:
        """Return whether a sentence, or code, is among the lines that stay."""
        return any(
            line in self.code
            or (self.columns[index] >= _PROSE_COLUMNS and PROSE_END.search(line.rstrip()))
            for index, line in enumerate(self.lines)
            if index not in gone
        )

    def find_spam(self) -> set[int]:
        if not self.folded:
            return set()
        cues: Cues = find_cues(self.whole)
        return {
            index
            for index, line in self.folded.items()
            if self.bare[index] and self.bare[index] not in self.code and is_spam(line, cues)
        }

    def find_furniture(self) -> set[int]:
        """Return the places of buttons, footers and credits; single buttons only beside others."""
        if not self.folded:
            return set()
        rules = [(word, rule) for word, rule in RULES.items() if word in self.whole]
        known = words_of_the_page(self.whole)
        strong: set[int] = set()
        weak: set[int] = set()
        edge = 1 + len(self.lines) // _EDGE
        first, last = edge, len(self.lines) - edge
        for index, line in self.folded.items():
            if not self._may_go(index) or len(line) > _MAX_LINE_CHARS:
                continue
            text = line.strip(" \t*-•·|")
            is_last = len(self.lines) - _LAST_LINES <= index > _LAST_LINES
            if _matches(text, rules) or (is_last and AUTHOR.fullmatch(text)):
                strong.add(index)
            elif BUTTON.fullmatch(text):
                (strong if LONG_BUTTON.fullmatch(text) else weak).add(index)
            elif is_about_the_page(text, known, is_at_the_edge=not first <= index < last):
                strong.add(index)
        either = strong | weak
        return strong | {index for index in weak if {index - 1, index + 1} & either}

    def find_teasers(self) -> set[int]:
        """Return the places of lines that point at other pages, with the line that heads them."""
        gone: set[int] = set()
        for index, line in self.folded.items():
            if self.bare[index] in self.code or len(line) > 60 or not TEASER.fullmatch(line):
                continue
            titles = self._titles_after(index)
            if titles or index >= len(self.lines) - 2:
                gone.update((index, *titles))
        return gone

    def _titles_after(self, index: int) -> list[int]:
        found: list[int] = []
        for place in range(index + 1, len(self.bare)):
            line = self.bare[place]
            if not line:
                continue
            is_title = _columns(line) <= _MAX_TITLE_COLUMNS and not _is_prose(line)
            if not is_title or not self._may_go(place) or len(found) >= _MAX_TEASERS:
                break
            found.append(place)
        return found

    def find_comments(self, gone: set[int]) -> set[int]:
        """Return the places of the readers' comments: what follows their heading at the end."""
        first = int(len(self.lines) * (1 - _TAIL_FRACTION))
        for index in self.folded:
            if index < first:
                continue
            if COMMENTS.fullmatch(self.folded[index]) and self.bare[index] not in self.code:
                rest = [place for place in range(index, len(self.lines)) if self.bare[place]]
                if all(_columns(self.bare[place]) <= _MAX_COMMENT_COLUMNS for place in rest):
                    return set(rest) - gone
        return set()


def _matches(line: str, rules: list[tuple[str, re.Pattern[str]]]) -> bool:
    if len(line) <= _MAX_BUTTONS_CHARS and any(rule.fullmatch(line) for rule in _ALWAYS):
        return True
    return any(word in line and rule.fullmatch(line) for word, rule in rules)


def _is_prose(line: str) -> bool:
    """Return whether a line is a sentence with parts, not a title."""
    if _columns(line) <= 40 or not PROSE_END.search(line):
        return False
    return _columns(line) > 80 or "，" in line or ", " in line


def _columns(line: str) -> int:
    return sum(2 if character > "\u2e7f" else 1 for character in line)

"""Which mends a text could need, from one census of its characters, and in which lines."""

import functools
import itertools
import re
import unicodedata
from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from lodesmith.native.census import class_table, count_classes
from lodesmith.prepare.repair.characters import (
    INVISIBLES,
    LINE_ENDS,
    SPACES,
    WIDE_AND_JOINERS,
    has_odd_form,
)
from lodesmith.prepare.repair.costs import costs, mean_cost
from lodesmith.prepare.repair.pinyin import plain_syllable
from lodesmith.prepare.repair.shifted import MARKED, NOTE

(
    _PLAIN, _LOWER, _ODD, _FORM, _MARK, _OPEN, _RARE, _HAN, _KANA,
    _LEAD_OF_2, _LEAD_OF_3, _FOLLOWER, _RUSSIAN_LOWER, _RUSSIAN_UPPER, _RUSSIAN_LEAD, _RUSSIAN_ODD,
) = range(16)  # fmt: skip
_ODD_CHARACTERS = re.compile(f"[{LINE_ENDS}{SPACES}{INVISIBLES}\u2e80-\u2fdf\uff66-\uff9f]")
_MIN_RARE = 3  # characters that prose seldom has; fewer are no sign of a wrong charset
_MIN_RARE_COST = 9.5
_MIN_LINE_COST = 8.0  # per character beyond ASCII; prose of any language has 5 to 7.5
_MIN_SLIPPED_COST, _MIN_MARKED_COST = 8.5, 6.8
_MIN_HAN_SHARE = 0.4  # of the characters beyond ASCII in a line whose bytes slipped
_MIN_LATIN_SHARE = 0.35  # of a line's letters; real text in Latin letters has below .25
_MAX_SAMPLE_CHARS = 4000  # a longer line is judged by its beginning

# UTF-8 sequences read as cp1252: a letter that begins one, and characters that go on with it.
# Source: RFC 3629, section 3, for the bytes; cp1252 gives the characters.
_GOES_ON = (
    "[\x80-\xbf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014"
    "\u2018-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]"
)
_LATIN = re.compile("[\x80-\u024f]")
_HAN_OR_PRIVATE = re.compile("[\u3400-\u9fff\ue000-\uf8ff]")
_FOLLOWS = re.compile(_GOES_ON)
_UTF8_AS_LATIN = re.compile(
    f"[\xc2-\xdf]{_GOES_ON}|[\xe0-\xef]{_GOES_ON}{{2}}|[\xf0-\xf4]{_GOES_ON}{{3}}|[\xc2\xc3] "
)
_UTF8_AS_CYRILLIC = re.compile("(?:[РС][\u0400-\u040f\u0450-\u045f\xa0-\xbb\u2013-\u2122]){2}")
_LATIN_RUN = re.compile("[\xa1-\u017f]{3}")
_ODD_CASE = re.compile("[\u0430-\u045f][\u0410-\u042f]")


@dataclass(frozen=True, slots=True)
class Needs:
    """What a text could need."""

    characters: bool  # single characters
    latin: bool  # letters with accents that may be bytes of another charset
    cyrillic: bool
    rare: bool  # many characters that prose seldom has
    marks: bool  # signs of a lost byte beside characters beyond ASCII
    notes: bool  # brackets with a pinyin syllable
    is_chinese: bool

    @property
    def charset(self) -> bool:
        """Whether any line could have been read in a wrong charset."""
        return self.latin or self.cyrillic or self.rare or self.marks or self.notes


def needs_of(text: str) -> Needs:
    """Return which mends a text could need; none is forgotten, some may turn out not needed."""
    pairs = count_classes(text.encode("utf-8", "surrogatepass"), _classes()).tolist()
    counts = [sum(column) for column in zip(*pairs, strict=True)]
    num_cjk = counts[_RARE] + counts[_HAN]
    leads = counts[_LEAD_OF_2] + counts[_LEAD_OF_3]
    form = counts[_FORM] > 0 and has_odd_form(text)
    return Needs(
        characters=counts[_ODD] > 0 or form,
        latin=leads > 0 and _may_be_latin(text, pairs),
        cyrillic=_may_be_cyrillic(text, pairs),
        rare=counts[_RARE] >= _MIN_RARE and pairs[_RARE][_RARE] > 0,
        marks=counts[_MARK] > 0 and num_cjk > 0 and bool(MARKED.search(text)),
        notes=pairs[_OPEN][_LOWER] > 0 and num_cjk > 0 and _has_notes(text),
        is_chinese=num_cjk > 0 and counts[_KANA] <= 0.05 * (num_cjk + counts[_KANA]),
    )


def _may_be_latin(text: str, pairs: list[list[int]]) -> bool:
    leads = (_LEAD_OF_2, _LEAD_OF_3)
    if any(pairs[lead][_FOLLOWER] for lead in leads) and _UTF8_AS_LATIN.search(text):
        return True
    run = sum(pairs[first][second] for first in leads for second in (*leads, _FOLLOWER))
    return run > 1 and bool(_LATIN_RUN.search(text))


def _may_be_cyrillic(text: str, pairs: list[list[int]]) -> bool:
    after = pairs[_RUSSIAN_LEAD]
    if after[_FOLLOWER] + after[_RUSSIAN_ODD] > 0 and _UTF8_AS_CYRILLIC.search(text):
        return True
    odd = pairs[_RUSSIAN_LOWER]
    return odd[_RUSSIAN_UPPER] + odd[_RUSSIAN_LEAD] + odd[_RUSSIAN_ODD] > 0


def suspicious_lines(text: str, lines: list[str], needs: Needs) -> list[int]:
    """Return the places of the lines that may have been read in a wrong charset."""
    found: set[int] = set()
    if needs.rare:
        found.update(_costly_lines(text))
    patterns = [
        pattern
        for pattern, wanted in (
            (_UTF8_AS_LATIN, needs.latin),
            (_LATIN_RUN, needs.latin),
            (_UTF8_AS_CYRILLIC, needs.cyrillic),
            (_ODD_CASE, needs.cyrillic),
            (MARKED, needs.marks),
            (NOTE, needs.notes),
        )
        if wanted
    ]
    starts = [
        match.start()
        for pattern in patterns
        for match in pattern.finditer(text)
        if pattern is not NOTE or plain_syllable(match[1])
    ]
    if starts:
        ends = list(itertools.accumulate(len(line) + 1 for line in lines))
        found.update(bisect_right(ends, start) for start in starts)
    return sorted(found)


def _costly_lines(text: str) -> list[int]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    beyond = codes >= 0x80
    values = costs()[np.minimum(codes, 0xFFFF)] * beyond
    rare = (values > _MIN_RARE_COST) & (codes >= 0x3400)
    starts = np.concatenate(([0], np.flatnonzero(codes == 0x0A) + 1))
    starts = np.minimum(starts, len(codes) - 1)  # a line end at the very end
    sums, sizes, num_rare = (
        np.add.reduceat(values, starts),
        np.maximum(np.add.reduceat(beyond.astype(np.int64), starts), 1),
        np.add.reduceat(rare.astype(np.int64), starts),
    )
    costly = (sums / sizes >= _MIN_LINE_COST) & (num_rare >= _MIN_RARE)
    return [int(index) for index in np.flatnonzero(costly)]


def may_be_utf8(line: str) -> bool:
    """Return whether a line may be UTF-8 that was read in a charset of one byte."""
    return bool(_UTF8_AS_LATIN.search(line) or _UTF8_AS_CYRILLIC.search(line))


def may_be_another_charset(line: str) -> bool:
    """Return whether a line is unlike any prose."""
    sample = line[:_MAX_SAMPLE_CHARS]
    num_latin = len(_LATIN.findall(sample))
    if num_latin >= _MIN_RARE:
        return num_latin >= _MIN_LATIN_SHARE * sum(map(str.isalpha, sample))
    return mean_cost(sample) >= _MIN_LINE_COST or bool(_ODD_CASE.search(sample))


def may_have_slipped(line: str) -> bool:
    """Return whether the bytes of a line may be out of step."""
    num_beyond = len(line) - len(line.encode("ascii", "ignore"))
    num_han = len(_HAN_OR_PRIVATE.findall(line))
    if num_han < _MIN_HAN_SHARE * num_beyond:
        return False
    if _has_notes(line):
        return True
    return mean_cost(line) >= (_MIN_MARKED_COST if MARKED.search(line) else _MIN_SLIPPED_COST)


def _has_notes(text: str) -> bool:
    return any(plain_syllable(match[1]) for match in NOTE.finditer(text))


@functools.cache
def _classes() -> np.ndarray:
    table = costs()
    classes = class_table(lambda code: _class_of(chr(code), float(table[code])))
    classes[-2:] = _ODD  # the two planes of private use
    return classes


_CLASS_OF = {"?": _MARK, "\ufffd": _MARK, "(": _OPEN, "[": _OPEN, "（": _OPEN}
_RANGES = (
    ("a", "z", _LOWER),
    ("\xc2", "\xdf", _LEAD_OF_2),
    ("\xe0", "\xf4", _LEAD_OF_3),
    ("\u0400", "\u040f", _RUSSIAN_ODD),
    ("\u0420", "\u0421", _RUSSIAN_LEAD),
    ("\u0410", "\u042f", _RUSSIAN_UPPER),
    ("\u0430", "\u044f", _RUSSIAN_LOWER),
    ("\u0450", "\u045f", _RUSSIAN_ODD),
    ("\u3041", "\u30fc", _KANA),
    ("\u3400", "\u9fff", _HAN),
)


def _class_of(character: str, cost: float) -> int:
    if _ODD_CHARACTERS.match(character):
        return _ODD
    if character in _CLASS_OF:
        return _CLASS_OF[character]
    if character in WIDE_AND_JOINERS or unicodedata.combining(character):
        return _FORM
    if not unicodedata.is_normalized("NFC", character):
        return _FORM
    for first, last, name in _RANGES:
        if first <= character <= last:
            return _RARE if name == _HAN and cost > _MIN_RARE_COST else name
    return _FOLLOWER if _FOLLOWS.match(character) else _PLAIN

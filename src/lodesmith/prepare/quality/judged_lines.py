"""Which part of a text the model of natural text can judge, and as which language.

It holds nothing of classical Chinese and of Traditional characters, and what it holds of two
languages is no use for a third. Of a page in two languages the lines in its own are taken.
"""

import re
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.native.census import NUM_CLASSES, count_classes

LANGUAGES = ("zh", "en")
SCANNED_CHARS = 20_000  # of a long text; more do not change its score
MIN_WORDS = 30  # fewer say nothing

_MIN_SIMPLIFIED = 0.9  # of Chinese characters; the model knows no Traditional ones
_LETTERS_PER_CHARACTER = 4  # that say as much in English as a character in Chinese
_HAN = re.compile("[\u4e00-\u9fff]")
# Classes of characters: in GB 2312, not in it; Latin letters, those of other scripts; characters
# that modern Chinese cannot do without and classical Chinese does not know, and the reverse.
_SIMPLIFIED, _TRADITIONAL, _LATIN, _OTHERS, _MODERN, _CLASSICAL = range(1, 7)
_MODERN_CHARACTERS, _CLASSICAL_CHARACTERS = "的了这那们吗呢吧么", "之乎者也矣焉哉曰兮吾汝乃遂尔耶"
# Of Chinese characters, and for each modern one. Of 120 chapters of a classical novel and 128
# groups of sayings of Confucius all but one are above both, of 3,000 modern texts, spun ones
# among them, none.
_MIN_CLASSICAL, _MIN_CLASSICAL_TO_MODERN = 0.02, 4
# Verse of the old kind, too: of Chinese characters, in couplets of five or seven; at most modern.
_COUPLET = re.compile(
    "(?:[\u4e00-\u9fff]{5}，[\u4e00-\u9fff]{5}|[\u4e00-\u9fff]{7}，[\u4e00-\u9fff]{7})[。！？；]"
)
_MIN_COUPLETS, _MAX_MODERN = 0.6, 0.02


def find_judged(text: str, language: str) -> tuple[str, str] | None:
    """Return the language that a text is judged as, and its lines in it; None where nothing can be.

    Args:
        text: lines of a document.
        language: ISO 639-1 code; "und" is taken for Chinese or English if its words are.
    """
    known, is_mixed = _choose(text, language)
    if known is None:
        return None
    return known, _own_lines(text, known) if is_mixed else text


def _choose(text: str, language: str) -> tuple[str | None, bool]:
    """Return which half of the model knows a text, None if neither does, and if both may."""
    part = text[:SCANNED_CHARS]
    counts = count_classes(part.encode("utf-8", "replace"), _classes()).sum(axis=0).tolist()
    modern, classical, letters = counts[_MODERN], counts[_CLASSICAL], counts[_LATIN]
    simplified = counts[_SIMPLIFIED] + modern + classical
    chinese = simplified + counts[_TRADITIONAL]
    is_mixed = min(chinese, letters / _LETTERS_PER_CHARACTER) > MIN_WORDS
    if language in ("zh", "und") and chinese > MIN_WORDS:
        is_classical = _is_classical(part, chinese=chinese, modern=modern, classical=classical)
        if simplified < _MIN_SIMPLIFIED * chinese or is_classical:
            return None, is_mixed
    if language != "und":
        return (language if language in LANGUAGES else None), is_mixed
    if counts[_OTHERS] > len(part) / 50:
        return None, is_mixed
    known = "zh" if 2 * chinese > letters else "en" if letters > len(part) / 2 else None
    return known, is_mixed


def _is_classical(text: str, *, chinese: int, modern: int, classical: int) -> bool:
    """Tell classical Chinese, of which the model holds nothing, by its characters or its metre."""
    if classical > max(_MIN_CLASSICAL * chinese, _MIN_CLASSICAL_TO_MODERN * modern):
        return True
    if modern > _MAX_MODERN * chinese:
        return False
    return sum(map(len, _COUPLET.findall(text))) > _MIN_COUPLETS * chinese


def _own_lines(text: str, language: str) -> str:
    """Return the lines of a text in two languages that are in one; all, where they say nothing."""
    lines = text[:SCANNED_CHARS].split("\n")
    is_chinese = [4 * len(_HAN.findall(line)) > len(line) for line in lines]
    own = "\n".join(
        line for line, each in zip(lines, is_chinese, strict=True) if each == (language == "zh")
    )
    least = MIN_WORDS * (1 if language == "zh" else _LETTERS_PER_CHARACTER)
    return own if len(own) > 2 * least else text


@cache
def _classes() -> NDArray[np.uint8]:
    """Return which of the characters below each code point is, for `count_classes`."""
    table = np.zeros(0x10000 + NUM_CLASSES, np.uint8)
    for first, last in ("AZ", "az"):
        table[ord(first) : ord(last) + 1] = _LATIN
    for first, last in ("\u3041\u30ff", "\uac00\ud7af", "\u0400\u04ff"):
        table[ord(first) : ord(last) + 1] = _OTHERS
    table[0x4E00:0xA000] = _TRADITIONAL
    known = "".join(map(chr, range(0x4E00, 0xA000))).encode("gb2312", "ignore").decode("gb2312")
    table[list(map(ord, known))] = _SIMPLIFIED
    table[list(map(ord, _MODERN_CHARACTERS))] = _MODERN
    table[list(map(ord, _CLASSICAL_CHARACTERS))] = _CLASSICAL
    return table

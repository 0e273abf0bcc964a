"""Counts what rules on quality compare with limits: typed calls of `quality.c`.

The tables here say what a code point is to the English tokens of the published rules, and which
forms those tokens keep whole or cut at a known place (don't, e.g., 5pm). Both are written from how
spaCy's English tokenizer behaves; `bench/quality.py` holds them against it.
"""

import ctypes
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.core.errors import EngineError
from lodesmith.native.code_points import NUM_POINTS, all_points, has_category, is_space
from lodesmith.native.library import load_library

(
    _ALPHA, _LOWER, _UPPER, _DIGIT, _QUOTE, _PUNCT, _ICON, _CURRENCY, _SPACE, _IS_ALPHA, _SYMBOL,
    _PERIOD, _CATEGORY_P, _PREFIX, _STOP_CHAR, _LINE_BREAK,
) = (1 << bit for bit in range(16))  # fmt: skip

_BASE = 0x9E3779B97F4A7C15
_LONGEST_SPECIAL = 12

COUNTS = (
    "chars", "tokens", "plain_tokens", "plain_chars", "alpha_tokens", "stop_words", "hash_signs",
    "ellipses", "lines", "bullet_lines", "ellipsis_lines", "paragraphs", "copied_paragraphs",
    "copied_paragraph_chars", "blocks", "copied_blocks", "copied_block_chars", "full_lines",
    "stopped_lines", "short_lines", "copied_line_chars", "newlines", "c4_sentences", "c4_lorem",
    "c4_bracket", "c4_kept", "top_2", "top_3", "top_4", "copied_5", "copied_6", "copied_7",
    "copied_8", "copied_9", "copied_10",
)  # fmt: skip
REPEATS = COUNTS[-9:]

WITH_REPEATS, WITH_C4 = 2, 4


def count_repeats(
    hashes: NDArray[np.uint64], lengths: NDArray[np.int64], *, free_copies: int
) -> dict[str, int]:
    """Return the characters in repeated runs of words, by the names in `REPEATS`.

    Args:
        hashes: of each word.
        lengths: of each word in characters.
        free_copies: so many copies of the most frequent runs count nothing.
    """
    out = np.zeros(len(REPEATS), np.int64)
    hashes = np.ascontiguousarray(hashes, np.uint64)
    lengths = np.ascontiguousarray(lengths, np.int64)
    if _declare().ls_quality_repeats(
        hashes.ctypes.data, lengths.ctypes.data, len(hashes), free_copies, out.ctypes.data
    ):
        raise _no_memory()
    return dict(zip(REPEATS, out.tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class EnglishCounts:
    """What the published rules ask of a text."""

    counts: dict[str, int]  # by the names in `COUNTS`
    kept_lines: NDArray[np.uint8]  # of str.splitlines(): 1 where C4 keeps the line


def count_english(text: str, *, which: int = WITH_REPEATS | WITH_C4) -> EnglishCounts:
    """Return the counts of a text for rules that are stated for English tokens.

    Args:
        text: any text; lone surrogates count as question marks.
        which: WITH_REPEATS and WITH_C4, or 0 for tokens and lines alone.
    """
    encoded = text.encode("utf-8", "replace")
    out = np.zeros(len(COUNTS), np.int64)
    kept = np.zeros(len(text.splitlines()) if which & WITH_C4 else 0, np.uint8)
    keys, cuts = _specials()
    if _declare().ls_quality_english(
        encoded, len(encoded), _classes().ctypes.data, keys.ctypes.data, cuts.ctypes.data,
        len(keys) - 1, which, out.ctypes.data, kept.ctypes.data,
    ):  # fmt: skip
        raise _no_memory()
    return EnglishCounts(dict(zip(COUNTS, out.tolist(), strict=True)), kept)


def split_english(text: str) -> list[str]:
    """Return the English tokens of a text, for tests and benchmarks."""
    encoded = text.encode("utf-8", "replace")
    spans = np.zeros((len(text) + 1, 2), np.uint32)
    keys, cuts = _specials()
    count = _declare().ls_quality_tokens(
        encoded, len(encoded), _classes().ctypes.data, keys.ctypes.data, cuts.ctypes.data,
        len(keys) - 1, spans.ctypes.data, len(spans),
    )  # fmt: skip
    return [text[start:end] for start, end in spans[:count].tolist()]


def _no_memory() -> EngineError:
    return EngineError("there is no memory left to judge a text; use fewer workers")


# -- what a code point is --

# Scripts without case, as ranges; their letters count as upper and lower at once.
_UNCASED = (
    (0x0591, 0x05F4), (0x0620, 0x064A), (0x066E, 0x06D5), (0x06E5, 0x06FF), (0x0750, 0x077F),
    (0x08A0, 0x08BD), (0x0900, 0x097F), (0x0980, 0x09FF), (0x0B80, 0x0C7F), (0x0C80, 0x0CFF),
    (0x0D80, 0x0DFF), (0x1100, 0x137F), (0x2E80, 0x303F), (0x3040, 0x30FF), (0x31C0, 0x31EF),
    (0x3200, 0x4DBF), (0x4E00, 0x9FFF), (0xAC00, 0xD7AF), (0xF900, 0xFAFF), (0xFB1D, 0xFBB1),
    (0xFBD3, 0xFD3D), (0xFD50, 0xFDC7), (0xFDF0, 0xFDFB), (0xFE30, 0xFE4F), (0xFE70, 0xFEFC),
    (0x1EE00, 0x1EEBB), (0x1F200, 0x1F2FF),
)  # fmt: skip
_CASED = (
    (0x41, 0x5A), (0x61, 0x7A), (0xC0, 0xD6), (0xD8, 0xF6), (0xF8, 0x1BF), (0x1C4, 0x2AF),
    (0x1D00, 0x1D25), (0x1D6B, 0x1D77), (0x1D79, 0x1D9A), (0x1E00, 0x1EFF), (0x2C60, 0x2C7B),
    (0x2C7E, 0x2C7F), (0xA722, 0xA76F), (0xA771, 0xA787), (0xA78B, 0xA7B9), (0xAB30, 0xAB5A),
    (0xFF21, 0xFF3A), (0xFF41, 0xFF5A), (0x391, 0x3A9), (0x3B1, 0x3C9), (0x410, 0x44F),
)  # fmt: skip
_MORE_CASED = "άέίόώήύΆΈΊΌΏΉΎёЁәөүҗңһӘӨҮҖҢҺіїєґІЇЄҐѓѕјљњќѐѝЃЅЈЉЊЌЀЍ"

_CHARS_OF = {
    _PUNCT: "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪",
    _QUOTE: "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉⟦⟧\u2329\u232a",
    _CURRENCY: "$£€¥฿₽﷼" + "".join(map(chr, range(0x20A0, 0x20C0))),
    _PREFIX: "§%=—–",
    # Datatrove counts a token of these alone as no word.
    _SYMBOL: "!/—”:％１〈&(、━\\【#%「」，】；+^]~“《„';’{|∶´[=-`*．（–？！："
    + '$～«〉,><》)?）。…@_."}►»'
    + "".join(map(chr, (*range(9), 11, 12, *range(13, 32), *range(127, 160)))),
    _LINE_BREAK: "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029",
}
_STOPS = (  # Sentence_Terminal as of Unicode 16, a class of `re`
    "\u0021\u002e\u003f\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0837\u0839\u083d\u083e"
    "\u0964\u0965\u104a\u104b\u1362\u1367\u1368\u166e\u1735\u1736\u17d4\u17d5\u1803\u1809"
    "\u1944\u1945\u1aa8-\u1aab\u1b4e\u1b4f\u1b5a\u1b5b\u1b5e\u1b5f\u1b7d-\u1b7f\u1c3b\u1c3c"
    "\u1c7e\u1c7f\u203c\u203d\u2047-\u2049\u2e2e\u2e3c\u2e53\u2e54\u3002\ua4ff\ua60e\ua60f"
    "\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d-\uaa5f\uaaf0\uaaf1\uabeb"
    "\ufe52\ufe56\ufe57\uff01\uff0e\uff1f\uff61\U00010a56\U00010a57\U00010f55-\U00010f59"
    "\U00010f86-\U00010f89\U00011047\U00011048\U000110be-\U000110c1\U00011141-\U00011143"
    "\U000111c5\U000111c6\U000111cd\U000111de\U000111df\U00011238\U00011239\U0001123b"
    "\U0001123c\U000112a9\U000113d4\U000113d5\U0001144b\U0001144c\U000115c2\U000115c3"
    "\U000115c9-\U000115d7\U00011641\U00011642\U0001173c-\U0001173e\U00011944\U00011946"
    "\U00011a42\U00011a43\U00011a9b\U00011a9c\U00011c41\U00011c42\U00011ef7\U00011ef8"
    "\U00011f43\U00011f44\U00016a6e\U00016a6f\U00016af5\U00016b37\U00016b38\U00016b44"
    "\U00016d6e\U00016d6f\U00016e98\U0001bc9f\U0001da88"
)


@cache
def _classes() -> NDArray[np.uint32]:
    """Return for each code point of two planes the bits that `english_tokens.h` names."""
    table = np.zeros(NUM_POINTS, np.uint32)
    for bit, points in (
        (_IS_ALPHA, has_category("L")),
        (_CATEGORY_P, has_category("P")),
        (_ICON, has_category("So")),
        (_SPACE, is_space()),
    ):
        table[points] |= bit
    for first, last in _UNCASED:
        table[first : last + 1] |= _ALPHA | _LOWER | _UPPER
    for point in (*_points(_CASED), *map(ord, _MORE_CASED)):
        table[point] |= _case_bits(chr(point))
    for bit, chars in _CHARS_OF.items():
        table[[ord(char) for char in chars]] |= bit
    table[ord("0") : ord("9") + 1] |= _DIGIT
    stops = re.findall(f"[{_STOPS}]", all_points())
    table[[ord(char) for char in stops]] |= _STOP_CHAR | _PERIOD | _SYMBOL
    return table


def _points(ranges: tuple[tuple[int, int], ...]) -> Iterator[int]:
    for first, last in ranges:
        yield from range(first, last + 1)


def _case_bits(char: str) -> int:
    category = unicodedata.category(char)
    if category[0] != "L":
        return 0
    return _ALPHA | (_UPPER if category == "Lu" else _LOWER if category == "Ll" else 0)


# -- forms with a known cut --


@cache
def _specials() -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    """Return an open-addressing table of known forms: hashes, and where each is cut."""
    forms = dict(_list_specials())
    num_slots = 4096
    keys, cuts = np.zeros(num_slots, np.uint64), np.zeros(num_slots, np.uint32)
    for form, parts in forms.items():
        value = 0
        for char in form:
            value = (value * _BASE + ord(char) + 1) % (1 << 64)
        slot = (value >> 32) % num_slots
        while keys[slot]:
            slot = (slot + 1) % num_slots
        keys[slot] = value
        cuts[slot] = sum(len(part) << (8 * place) for place, part in enumerate(parts))
    return keys, cuts


def _list_specials() -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each known form and its parts."""
    for form, parts in (*_contractions(), *_verbs(), *_others()):
        if len(form) > _LONGEST_SPECIAL or form in _PLAIN_WORDS:
            continue
        yield form, parts
        if "'" in form:
            yield form.replace("'", "’"), parts


# Without an apostrophe these are words of their own.
_PLAIN_WORDS = frozenset(
    ("Ill", "ill", "Its", "its", "Hell", "hell", "Shell", "shell", "Shed", "shed", "were", "Were",
     "Well", "well", "Whore", "whore")
)  # fmt: skip


def _with_endings(
    words: tuple[str, ...], *endings: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield words with endings cut off, with and without their apostrophes."""
    for word in (*words, *(word.title() for word in words)):
        for ending in endings:
            bare = tuple(part.replace("'", "") for part in ending)
            yield word + "".join(ending), (word, *ending)
            yield word + "".join(bare), (word, *bare)


_FUTURE = (("'ll",), ("'ll", "'ve"), ("'d",), ("'d", "'ve"))


def _contractions() -> Iterator[tuple[str, tuple[str, ...]]]:
    yield from _with_endings(("i",), ("'m",), ("'m", "a"))
    yield from _with_endings(("i", "you", "he", "she", "it", "we", "they"), *_FUTURE)
    yield from _with_endings(("i", "you", "we", "they"), ("'ve",))
    yield from _with_endings(("you", "we", "they"), ("'re",))
    yield from _with_endings(("he", "she", "it"), ("'s",))
    asking = ("who", "what", "when", "where", "why", "how", "there")
    yield from _with_endings((*asking, "that", "this", "these", "those"), *_FUTURE)
    yield from _with_endings((*asking, "that", "this"), ("'s",))
    yield from _with_endings((*asking, "these", "those"), ("'re",), ("'ve",))


def _verbs() -> Iterator[tuple[str, tuple[str, ...]]]:
    modal = (
        "ca", "could", "do", "does", "did", "had", "may", "might", "must", "need", "ought", "sha",
        "should", "wo", "would",
    )  # fmt: skip
    yield from _with_endings(modal, ("n't",), ("n't", "'ve"))
    yield from _with_endings(("could", "might", "must", "should", "would", "not"), ("'ve",))
    helping = ("ai", "are", "is", "was", "were", "have", "has", "dare")
    yield from _with_endings(helping, ("n't",))
    for hour in range(1, 13):
        for half in ("a.m.", "am", "p.m.", "pm"):
            yield f"{hour}{half}", (str(hour), half)


_CUT = (
    "y'|all", "y|all", "how|'d|'y", "How|'d|'y", "can|not", "Can|not", "gon|na", "Gon|na",
    "got|ta", "Got|ta", "let|'s", "Let|'s", "c'm|on", "C'm|on",
)  # fmt: skip
_WHOLE = """
    doin doin' goin goin' nothin nothin' nuthin nuthin' ol ol' somethin somethin'
    Doin Doin' Goin Goin' Nothin Nothin' Nuthin Nuthin' Ol Ol' Somethin Somethin' em 'em ll 'll
    nuff 'nuff 'S 's \u2018S \u2018s 're 'd 'Cause 'cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout
    and/or w/o ma'am Ma'am o'clock O'clock lovin' Lovin' lovin Lovin havin' Havin' havin Havin
    Jan. Feb. Mar. Apr. Jun. Jul. Aug. Sep. Sept. Oct. Nov. Dec.
    Mt. Ak. Ala. Ariz. Ark. Calif. Colo. Conn. Del. Fla. Ga. Ia. Id. Ill. Ind. Kan. Kans. Ky. La.
    Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Okla. Ore. Pa. S.C.
    Tenn. Va. Wash. Wis. Md. Mo. Mont. D.C. Adm. Bros. co. Co. Corp. Dr. Gen. Gov. Inc. Jr. Ltd.
    Messrs. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. a.m. p.m. e.g. E.g. E.G. i.e. I.e. I.E.
    vs. v.s. C++ ' '' \\") <space> \\t \\n \u2014 ä. ö. ü.
    :1 :O :-O :o :-o :0 :-0 :() >:o >:( :* :-* :3 :-3 =3 :> :-> :X :-X :x :-x :D :-D ;D ;-D =D
    xD XD xDD XDD 8D 8-D 8) 8-) (-8 ^_^ ^__^ ^___^ >.< >.> <.< ._. ;_; -_- -__- v.v V.V v_v V_V
    <3 <33 <333 </3 (^_^) (-_-) (._.) (>_<) (*_*) (¬_¬) @_@ :o) (o: :} :-} ]= =[ [= =] [: [-:
    :] :-] [-: (: (-: (= =) ) ;) ;-) (; (-; =( ): )-: :' :') :'-) :'( :'-( :/ :-/ =/ =| :| :-|
    :P :-P :p :-p o_o o_O O_o O_O 0_o o_0 0_0 o.O O.o O.O o.o 0.0 o.0 0.o ಠ_ಠ ಠ︵ಠ (ಠ_ಠ) ><(((*>
"""
_NO_FORMS = frozenset((")", ":'"))


def _others() -> Iterator[tuple[str, tuple[str, ...]]]:
    for form in _CUT:
        yield form.replace("|", ""), tuple(form.split("|"))
    letters = [f"{chr(letter)}." for letter in range(ord("a"), ord("z") + 1)]
    mouths = [eyes + mouth * n for eyes in (":", ":-") for mouth in "()" for n in (1, 2, 3)]
    for form in (*_WHOLE.split(), *letters, *mouths):
        if form not in _NO_FORMS:
            yield form, (form,)
    for scale in "cfkCFK":
        yield f"°{scale}.", ("°", scale, ".")


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    pointer, size, number = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_uint32
    kernels.ls_quality_repeats.argtypes = [pointer, pointer, size, number, pointer]
    kernels.ls_quality_english.argtypes = [
        ctypes.c_char_p, size, pointer, pointer, pointer, number, number, pointer, pointer,
    ]  # fmt: skip
    kernels.ls_quality_tokens.argtypes = [
        ctypes.c_char_p, size, pointer, pointer, pointer, number, pointer, size,
    ]  # fmt: skip
    kernels.ls_quality_tokens.restype = size
    return kernels

"""Rules for Chinese, which is written without spaces: punctuation, function words, characters.

Gopher's rules on the shape of words say nothing about Chinese. What tells prose from lists of
keywords, wrong decodings and tables is how often it pauses, how much of it is grammar, and whether
its characters are those that people write. "Common" characters are the first levels of the two
national character sets, 3,755 and 5,401: every codec knows them, so no list is needed.

Sources: GB 2312-80, rows 16 to 55; Big5 (1984), codes A440 to C67E. Limits are ours: below what one
in two hundred pages of handbooks, news, abstracts, app descriptions and doctors' answers measure.
"""

from collections.abc import Iterator
from functools import cache

import numpy as np
from numpy.typing import NDArray

from lodesmith.native.quality import count_repeats
from lodesmith.prepare.config import QualityConfig
from lodesmith.prepare.quality.faults import Fault, above, below
from lodesmith.prepare.words import Words

MIN_CJK_FRACTION = 0.5  # of words, from which a text is judged as Chinese
_MIN_CHARS = 60  # a headline needs no full stop

_CHINESE, _COMMON, _FUNCTION, _PAUSE, _DIGIT, _SYMBOL = (1 << bit for bit in range(6))
_FUNCTIONS = (
    "的了是在和有不这我他就也为与及以于而或之对从到把被将可能会要"
    "都还但并等其此所如若则因由使让向给中上下个這為與於對從將會還並個"
)
_PAUSES = "，。、；：？！,.;:?!"
_SYMBOLS = "#*|_=~^<>{}[]\\/@$%&+★☆■□◆◇●○▲△▼▽※→←↑↓◎『』【】"


def chinese(text: str, words: Words, config: QualityConfig) -> Iterator[Fault]:
    """Yield the verdict of each rule on a text that is mostly Chinese."""
    kinds = _kinds_of(text)
    num_chinese = _count(kinds, _CHINESE)
    if words.cjk_fraction < MIN_CJK_FRACTION or num_chinese < _MIN_CHARS:
        return
    common = _count(kinds, _COMMON) / num_chinese
    yield below("too few common characters", common, config.min_common_character_fraction)
    function = _count(kinds, _FUNCTION) / num_chinese
    yield below("too few function words", function, config.min_function_character_fraction)
    pauses = _count(kinds, _PAUSE)
    yield below("too little punctuation", pauses / num_chinese, config.min_pause_fraction)
    pauses_a_word = pauses / len(words.hashes)  # words of another language pause, too
    yield above("too much punctuation", pauses_a_word, config.max_pause_fraction)
    chars = max(int((kinds != 0).sum()), 1)
    yield above("too many digits", _count(kinds, _DIGIT) / chars, config.max_digit_fraction)
    symbols = _count(kinds, _SYMBOL) / chars
    yield above("too many symbols", symbols, config.max_symbol_character_fraction)
    repeats = count_repeats(words.hashes, words.lengths, free_copies=3)
    copied = repeats["copied_10"] / int(words.lengths.sum())
    limit = config.max_copied_10gram_fraction
    yield above("characters in repeated runs of 10 characters", copied, limit)


def _kinds_of(text: str) -> NDArray[np.uint8]:
    points = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
    return _kinds()[np.minimum(points, 0xFFFF)]


def _count(kinds: NDArray[np.uint8], bit: int) -> int:
    return int(np.count_nonzero(kinds & bit))


@cache
def _kinds() -> NDArray[np.uint8]:
    """Return what each character of the first plane is; 128 stands for any other that shows."""
    kinds = np.full(0x10000, 128, np.uint8)
    kinds[[*range(0x21), 0x3000, 0xA0]] = 0
    for first, last in ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF)):
        kinds[first : last + 1] |= _CHINESE
    for codec, rows in (("gb2312", range(0xB0, 0xD8)), ("big5", range(0xA4, 0xC7))):
        kinds[[ord(char) for char in _characters(codec, rows)]] |= _COMMON
    for bit, chars in ((_FUNCTION, _FUNCTIONS), (_PAUSE, _PAUSES), (_SYMBOL, _SYMBOLS)):
        kinds[[ord(char) for char in chars]] |= bit
    kinds[ord("0") : ord("9") + 1] |= _DIGIT
    return kinds


def _characters(codec: str, rows: range) -> set[str]:
    """Return the Chinese characters of a codec's rows, a row for each first byte."""
    both = bytes(byte for row in rows for cell in range(0x40, 0xFF) for byte in (row, cell))
    pairs = (both[at : at + 2].decode(codec, "ignore") for at in range(0, len(both), 2))
    return {char for char in pairs if len(char) == 1 and "\u4e00" <= char <= "\u9fff"}

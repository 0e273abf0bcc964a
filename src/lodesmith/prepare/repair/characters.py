"""Single characters that are not what the author wrote, though the charset was right.

Line ends and spaces of other kinds, characters nobody sees, private-use characters of fonts and of
old Chinese charsets, Kangxi radicals in the place of characters, full-width Latin letters and
digits in Chinese text, half-width kana, and what is not in normal form C.

Source: Unicode 16, UAX #15 (NFC), UAX #44 (compatibility decompositions); WHATWG Encoding Standard
and GB 18030-2022, table of changes, for characters that had no code point of their own before.
"""

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable

LINE_ENDS = "\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
SPACES = "\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
# Characters nobody sees: controls, soft hyphen, zero-width space and joiners of no language, marks
# of direction, byte-order marks, lone surrogates, private use (icon fonts), non-characters.
INVISIBLES = (
    "\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069"
    "\ud800-\uf8ff\ufdd0-\ufdef\ufeff\ufff0-\ufffc\ufffe\uffff\U000f0000-\U0010ffff"
)
_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_LINE_END = re.compile(f"\r\n?|[{LINE_ENDS}]")
_SPACE = re.compile(f"[{SPACES}]")
# U+180E is a letter's part in Mongolian words.
_INVISIBLE = re.compile(f"(?!(?<=[\u1820-\u18aa])\u180e[\u1820-\u18aa])[{INVISIBLES}]")
_JOINER = re.compile(f"(?<=[{_HAN}])[\u200c\u200d](?=[{_HAN}])")
_C1 = re.compile("[\x80\x82-\x84\x86-\x8c\x8e\x91-\x9c\x9e\x9f]")
_PRIVATE = re.compile("[\ue000-\uf8ff]")
_RADICAL = re.compile(f"(?<=[{_HAN}，。、])[\u2e80-\u2fdf]+|[\u2e80-\u2fdf]+(?=[{_HAN}，。、])")
_WIDE = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+")
_HALF_KANA = re.compile("[\uff66-\uff9f]+")
_KANA = re.compile("[\u3041-\u30fa]")

# Kangxi radicals decompose to characters in Unicode; these of the supplement do not.
_SUPPLEMENT = dict(
    zip(
        "⺁⺄⺅⺈⺊⺋⺌⺍⺘⺙⺛⺝⺟⺠⺡⺢⺤⺥⺦⺧⺨⺩⺪⺬⺭⺮⺯⺰⺱⺲⺳⺴⺵⺶⺷⺸⺹⺺⺻⺼⺽⺾⺿⻀⻁⻂⻄⻅⻆⻈⻉⻋⻌⻍⻎⻏⻐⻑⻒⻓⻔⻕⻖⻗⻘⻙⻚⻛⻜⻝⻞⻟⻠⻢⻣⻤⻥⻦⻧⻨⻩⻪⻫⻬⻭⻮⻯⻰⻱⻲⻳",
        "厂乙亻刀卜卩小小扌攵旡月母民氵水爪爪丬牛犭王疋示礻竹糸纟网网网网网羊羊羊老聿聿月臼艹艹艹虎衤西见角讠贝车辶辶辶邑钅長镸长门阜阝雨青韦页风飞食食飠饣马骨鬼鱼鸟卤麦黄黾齊齐齒齿龍龙龜龟龟",
        strict=True,
    )
)
# Microsoft's Symbol and Wingdings fonts in office documents; only glyphs that both agree on, or
# that are bullets.
_SYMBOL_FONTS = dict(
    zip(
        "\uf0b7\uf0a7\uf0d8\uf0fc\uf06c\uf06e\uf075\uf0b1\uf0b0\uf0b4\uf0a3\uf0b3\uf0b9\uf0bb\uf0e0",
        "•▪➢✓●■◆±°×≤≥≠≈→",
        strict=True,
    )
)


@functools.cache
def private_use() -> dict[str, str]:
    """Return the private-use characters that have a code point of their own by now."""
    table = dict(_SYMBOL_FONTS)
    vertical = "\ufe10\ufe12\ufe11\ufe13\ufe14\ufe15\ufe16\ufe17\ufe18\ufe19"
    table.update(zip(map(chr, range(0xE78D, 0xE797)), vertical, strict=True))
    table.update({"\ue7c7": "ḿ", "\ue7c8": "ǹ"})
    table.update(zip(map(chr, range(0xE7E7, 0xE7F3)), map(chr, range(0x2FF0, 0x2FFC)), strict=True))
    for place, code in enumerate(_GBK_ROW_FE):
        table[chr(0xE815 + place)] = chr(code)
    return table


# What 0xFE50 to 0xFEA0 mean, in the order of the private-use characters U+E815 to U+E864 that GBK
# gave them. Source: GB 18030-2005 and -2022, four-byte and two-byte tables.
_GBK_ROW_FE = (
    0x2E81, 0x20087, 0x20089, 0x200CC, 0x2E84, 0x3473, 0x3447, 0x2E88, 0x2E8B, 0x9FB4,
    0x359E, 0x361A, 0x360E, 0x2E8C, 0x2E97, 0x396E, 0x3918, 0x9FB5, 0x39CF, 0x39DF,
    0x3A73, 0x39D0, 0x9FB6, 0x9FB7, 0x3B4E, 0x3C6E, 0x3CE0, 0x2EA7, 0x215D7, 0x9FB8,
    0x2EAA, 0x4056, 0x415F, 0x2EAE, 0x4337, 0x2EB3, 0x2EB6, 0x2EB7, 0x2298F, 0x43B1,
    0x43AC, 0x2EBB, 0x43DD, 0x44D6, 0x4661, 0x464C, 0x9FB9, 0x4723, 0x4729, 0x477C,
    0x478D, 0x2ECA, 0x4947, 0x497A, 0x497D, 0x4982, 0x4983, 0x4985, 0x4986, 0x499F,
    0x499B, 0x49B7, 0x49B6, 0x9FBA, 0x241FE, 0x4CA3, 0x4C9F, 0x4CA0, 0x4CA1, 0x4C77,
    0x4CA2, 0x4D13, 0x4D14, 0x4D15, 0x4D16, 0x4D17, 0x4D18, 0x4D19, 0x4DAE, 0x9FBB,
)  # fmt: skip


WIDE_AND_JOINERS = frozenset(
    "\u200c\u200d" + "".join(map(chr, (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF5B))))
)


def has_odd_form(text: str) -> bool:
    """Return whether full-width letters, joiners or combining marks stand where they should not."""
    if not unicodedata.is_normalized("NFC", text) or _JOINER.search(text):
        return True
    return bool(_WIDE.search(text)) and not _KANA.search(text)


def mend_characters(text: str, repairs: Counter[str]) -> str:
    """Return a text with its odd characters mended, and count the mends."""
    text = _count("control characters", _C1, _from_cp1252, text, repairs)
    text = _LINE_END.sub("\n", text)
    text = _count("private-use characters", _PRIVATE, _from_private, text, repairs)
    text = _count("radicals", _RADICAL, _from_radicals, text, repairs)
    if not _KANA.search(text):  # Japanese uses both widths on purpose
        text = _count("full-width letters", _WIDE, _to_compatible, text, repairs)
    text = _count("half-width kana", _HALF_KANA, _to_compatible, text, repairs)
    text = _count("invisible characters", _JOINER, _nothing, text, repairs)
    text = _count("invisible characters", _INVISIBLE, _nothing, text, repairs)
    text = _SPACE.sub(" ", text)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        repairs["normal form"] += 1
    return text


def _count(
    kind: str,
    pattern: re.Pattern[str],
    mend: Callable[[str], str],
    text: str,
    repairs: Counter[str],
) -> str:
    changed = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal changed
        mended = mend(match[0])
        changed += mended != match[0]
        return mended

    text = pattern.sub(replace, text)
    if changed:
        repairs[kind] += changed
    return text


def _nothing(_: str) -> str:
    return ""


def _from_cp1252(character: str) -> str:
    return bytes((ord(character),)).decode("cp1252", "ignore")


def _from_private(character: str) -> str:
    return private_use().get(character, character)


def _from_radicals(run: str) -> str:
    return "".join(
        _SUPPLEMENT.get(character) or unicodedata.normalize("NFKC", character) for character in run
    )


def _to_compatible(run: str) -> str:
    return unicodedata.normalize("NFKC", run)

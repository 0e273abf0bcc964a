"""Text that was read in a charset it was not written in: finds the charsets, and reads it again.

A wrong reading is undone by writing the text in the charset it was read in and reading it in the
one it was written in. All pairs of charsets that people mix up are tried on a suspicious line; the
reading with the most usual characters stays, if it is likelier by far than what stands there.
"""

import functools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from lodesmith.prepare.repair.costs import costs, mean_cost

# Read in, written in.
_PAIRS = (
    ("gb18030", "utf-8"),
    ("cp950", "utf-8"),
    ("cp932", "utf-8"),
    ("cp949", "utf-8"),
    ("latin-1", "utf-8"),
    ("latin-1", "gb18030"),
    ("latin-1", "cp950"),
    ("latin-1", "cp932"),
    ("latin-1", "euc_jp"),
    ("latin-1", "cp949"),
    ("latin-1", "cp1251"),
    ("latin-1", "koi8_r"),
    ("gb18030", "cp950"),
    ("gb18030", "cp932"),
    ("gb18030", "euc_jp"),
    ("gb18030", "cp949"),
    ("cp950", "gb18030"),
    ("cp932", "gb18030"),
    ("cp949", "gb18030"),
    ("cp1251", "koi8_r"),
    ("koi8_r", "cp1251"),
)
_UTF8_PAIRS = tuple(pair for pair in _PAIRS if pair[1] == "utf-8")
# A character of UTF-8, or what is left of one.
_UTF8_TRACE = re.compile(
    rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef](?:[\x80-\xbf]{1,2}| [\x80-\xbf])"
    rb"|[\xf0-\xf4][\x80-\xbf]{1,3}"
)
_GAP = re.compile(rb"[\xe0-\xef](?:[\x80-\xbf] | [\x80-\xbf]|[\x80-\xbf](?![\x80-\xbf]))")
_LOST_IN_CP1252 = (0x81, 0x8D, 0x8F, 0x90, 0x9D)
_MAX_UNKNOWN = 0.2  # of the characters of a line whose missing bytes are guessed
_MIN_TRACES = 0.9  # of the bytes beyond ASCII
_SINGLE_BYTES = ("cp1251", "koi8_r")
_MIN_GAIN_PER_CHARACTER = 1.5  # natural logarithm
_MIN_GAIN = 10.0
_MAX_LOST = 0.4  # of the characters of a reading
_CP1252_ONLY = {
    character: byte
    for byte in range(0x80, 0xA0)
    if (character := bytes((byte,)).decode("cp1252", "ignore"))
}
_TO_LATIN_1 = str.maketrans({character: chr(byte) for character, byte in _CP1252_ONLY.items()})
_ODD_CASE = re.compile("[\u0430-\u045f][\u0410-\u042f]")  # KOI8-R read as windows-1251
_ODD_CASE_COST = 4.0
_LOST = re.compile("[\ufffd?]")


@dataclass(frozen=True, slots=True)
class Reading:
    """A line read again."""

    text: str
    pair: str  # what it was, and what it was read in, as in "utf-8 read as gb18030"
    gain: float  # how much likelier it is; natural logarithm


def read_again(line: str) -> Reading | None:
    """Return a line as it was written; None where no other reading is likelier.

    Text in another charset is next to never whole UTF-8, so that reading needs no further proof.
    """
    best: Reading | None = None
    before = _total(line)
    latin = line.translate(_TO_LATIN_1)
    leaky = _leaky_utf8(latin)
    for read_in, written_in in _PAIRS if leaky is None else _UTF8_PAIRS:
        text = _undo(latin if read_in == "latin-1" else line, read_in, written_in)
        if text is None or text == line:
            continue
        gain = before - _total(text)
        if written_in == "utf-8" and gain > 0 and _num_lost(text) <= text.count("?"):
            return Reading(text, f"utf-8 read as {read_in}", max(gain, _MIN_GAIN))
        size = max(1, _num_beyond_ascii(text))
        if gain < max(_MIN_GAIN, _MIN_GAIN_PER_CHARACTER * size):
            continue
        if best is None or gain > best.gain + 1e-6:
            best = Reading(text, f"{written_in} read as {read_in}", gain)
    return best if best is not None or leaky is None else _refill(leaky, before)


def _leaky_utf8(latin: str) -> bytes | None:
    """Return the bytes of UTF-8 that was read as windows-1252, though some are missing.

    Five bytes mean nothing in windows-1252 and get lost, and 0xA0 becomes a space. What is left is
    no whole UTF-8, but would pass as text of another two-byte charset.
    """
    try:
        data = latin.encode("latin-1")
    except UnicodeEncodeError:
        return None
    inside = sum(len(match[0].replace(b" ", b"")) for match in _UTF8_TRACE.finditer(data))
    beyond = _num_beyond_ascii(latin)
    return data if beyond >= 4 and inside >= _MIN_TRACES * beyond else None


def _refill(data: bytes, before: float) -> Reading | None:
    """Return leaky UTF-8 with its missing bytes guessed; None where too many stay unknown."""
    text = _GAP.sub(lambda match: _fill_gap(match[0]), data).decode("utf-8", "replace")
    gain = before - _total(text)
    if gain <= 0 or text.count("\ufffd") > _MAX_UNKNOWN * _num_beyond_ascii(text):
        return None
    return Reading(text, "utf-8 read as windows-1252", gain)


@functools.lru_cache(maxsize=1 << 14)
def _fill_gap(code: bytes) -> bytes:
    if b" " in code:
        return code.replace(b" ", b"\xa0")
    filled = (
        (code[:at] + bytes((byte,)) + code[at:]).decode("utf-8", "ignore")
        for byte in _LOST_IN_CP1252
        for at in range(1, len(code) + 1)
    )
    return _likeliest(character for character in filled if len(character) == 1).encode()


def _likeliest(characters: Iterable[str]) -> str:
    """Return the most usual of some characters, U+FFFD where none is by far."""
    found = [(math.exp(-float(costs()[ord(character)])), character) for character in characters]
    share, character = max(found, default=(0.0, "\ufffd"))
    certainty = share / max(sum(other for other, _ in found), 1e-9)
    return character if certainty >= _MIN_CERTAINTY else "\ufffd"


def _total(text: str) -> float:
    return mean_cost(text) * _num_beyond_ascii(text) + _ODD_CASE_COST * len(_ODD_CASE.findall(text))


def _num_beyond_ascii(text: str) -> int:
    return len(text) - len(text.encode("ascii", "ignore"))


def _undo(line: str, read_in: str, written_in: str) -> str | None:
    try:
        return line.encode(read_in).decode(written_in)
    except UnicodeDecodeError:
        pass
    except UnicodeEncodeError:
        if "\ufffd" not in line:
            return None
    data = _encode(line, read_in)
    if data is None or b"\xff" not in data or written_in in _SINGLE_BYTES:
        return None
    text = _read_utf8(data) if written_in == "utf-8" else data.decode(written_in, "replace")
    if _num_lost(text) > _num_lost(line):  # it explains less than it destroys
        return None
    return text if text.count("\ufffd") <= _MAX_LOST * _num_beyond_ascii(text) else None


def _num_lost(text: str) -> int:
    return text.count("?") + text.count("\ufffd")


def _encode(line: str, charset: str) -> bytes | None:
    """Return the bytes of a line; a mark of a lost byte becomes one that no charset reads."""
    try:
        return b"\xff".join(piece.encode(charset) for piece in _LOST.split(line))
    except UnicodeEncodeError:
        return None


def _read_utf8(data: bytes) -> str:
    """Return UTF-8 text of which some bytes (0xFF) are lost; U+FFFD where one stays unknown."""
    pieces, end = [], 0
    for match in _TORN.finditer(data):
        pieces.append(data[end : match.start()].decode("utf-8", "replace").replace("\ufffd", "?"))
        pieces.append(_complete(match[0], is_last=match.end() == len(data)))
        end = match.end()
    rest = data[end:].replace(b"\xff", b"?")
    return "".join(pieces) + rest.decode("utf-8", "replace")


_TORN = re.compile(rb"[\xe0-\xef](?:[\x80-\xbf]\xff|\xff[\x80-\xbf]|\xff\xff)|\xff[\x80-\xbf]{2}")
_PUNCTUATION = {b"\xe3\x80\xff": "。", b"\xef\xbc\xff": "，"}
_MIN_CERTAINTY = 0.6


@functools.lru_cache(maxsize=1 << 14)
def _complete(code: bytes, *, is_last: bool) -> str:
    """Return the character of three bytes of which one is lost; U+FFFD where it is uncertain."""
    if code in _PUNCTUATION:
        return "。" if is_last else "，"
    if code.count(b"\xff") > 1:
        return "\ufffd"
    at = code.index(b"\xff")
    found = (
        (code[:at] + bytes((byte,)) + code[at + 1 :]).decode("utf-8", "ignore")
        for byte in (range(0x80, 0xC0) if at else range(0xE3, 0xEA))
    )
    return _likeliest(character for character in found if character)

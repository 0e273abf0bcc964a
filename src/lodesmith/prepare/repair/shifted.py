"""GBK text whose bytes have slipped by one, and the pinyin notes that made them slip.

A note like `(zhong)` that was put between the two bytes of a character cost it its first byte
(shown as `?` or U+FFFD), and every character after it was read from the second byte of one and
the first of the next, until an ASCII byte. The bytes are all still there: of all ways to cut them
into characters, the one with the most usual characters is what the author wrote. A lost byte is
found again where the note's syllable and the byte that is left point to one character.
"""

import functools
import math
import re
from dataclasses import dataclass

from lodesmith.prepare.repair.costs import UNKNOWN_COST, costs
from lodesmith.prepare.repair.pinyin import plain_syllable, reading_of

_MARK = 0xFF  # stands for a byte that was lost
_OTHER = 0x00  # stands for a character that GBK does not have
_ORPHAN_COST = 16.0  # of half a character that nothing marks as lost
_ASCII_COST = 4.0
_OTHER_COST = 13.0
# What a reading must be likelier by over a line, natural logarithm: where a note stands in the
# middle of a character, where a mark says that something was lost, and where nothing does.
_MIN_GAIN_NOTED, _MIN_GAIN_MARKED, _MIN_GAIN = 2.0, 9.0, 14.0
_MIN_CERTAINTY = 0.7  # of a lost character that is filled in
_MAX_BYTES = 20_000  # longer lines are cut

_NOTE = re.compile(
    rb"(?:\(|\xa3\xa8|\[)[ ]?((?:[A-Za-z:]|\xa8[\xa1-\xbb\xbc]){1,8}[0-5]?)[ ]?(?:\)|\xa3\xa9|\])"
)
NOTE = re.compile(r"[(（\[] ?((?:[A-Za-z:]|[^\W\d_\u3000-\uffff]){1,7}[0-5]?) ?[)）\]]")
MARKED = re.compile(r"[?\ufffd](?=[^\x00-\x7f(])|[^\x00-\x7f][?\ufffd]")


@dataclass(frozen=True, slots=True)
class Shifted:
    """A line with its bytes in step again."""

    text: str
    gain: float  # how much likelier it is than what stood there; natural logarithm
    num_notes: int  # notes that were taken out


@dataclass(frozen=True, slots=True)
class _Bytes:
    data: bytes
    others: list[str]  # characters that GBK does not have, in order
    notes: dict[int, tuple[str, str]]  # place in data: the note's syllable, and the note


def put_in_step(line: str, *, keep_whole_notes: bool) -> Shifted | None:
    """Return a line as it was before its bytes slipped; None where it is whole.

    Args:
        line: without line ends.
        keep_whole_notes: leave notes that stand between two whole characters.
    """
    source = _to_bytes(line[:_MAX_BYTES])
    cost, cuts = _cheapest(source)
    text, num_split = _spell(source, cuts, keep_whole_notes=keep_whole_notes)
    gain = _cost_of(line[:_MAX_BYTES]) - cost
    num_notes = num_split if keep_whole_notes else len(source.notes)
    text += line[_MAX_BYTES:]
    limit = _MIN_GAIN_MARKED if MARKED.search(line) else _MIN_GAIN
    if num_notes:
        limit = _MIN_GAIN_NOTED if num_split else -1.0
    return None if text == line or gain < limit else Shifted(text, gain, num_notes)


def _to_bytes(line: str) -> _Bytes:
    data, others = bytearray(), []
    for character in line:
        code = b"\xff" if character in "?\ufffd" else character.encode("gb18030", "replace")
        if len(code) > 2 or code == b"\0":
            others.append(character)
            code = bytes((_OTHER,))
        data += code
    notes: dict[int, tuple[str, str]] = {}
    kept, end = bytearray(), 0
    for match in _NOTE.finditer(data):
        syllable = plain_syllable(match[1].decode("gb18030", "replace"))
        if syllable:
            kept += data[end : match.start()]
            if kept[-1:] != b"\xff" and data[match.end() : match.end() + 1] == b"\xff":
                kept.append(_MARK)  # the mark of the lost byte stands behind its note
                end = match.end() + 1
            else:
                end = match.end()
            notes[len(kept)] = (syllable, match[0].decode("gb18030", "replace"))
    return _Bytes(bytes(kept + data[end:]), others, notes)


def _cost_of(line: str) -> float:
    """Return the cost of a line as it stands, its notes aside."""
    table, total = costs(), 0.0
    for character in NOTE.sub(lambda match: "" if plain_syllable(match[1]) else match[0], line):
        code = ord(character)
        if code > 0xFFFF:
            total += _OTHER_COST
        elif code == 0xFFFD:
            total += UNKNOWN_COST + 1
        else:
            total += _mark_cost(code) if code == 0x3F else float(table[code])
    return total


def _mark_cost(code: int) -> float:
    return 6.0 if code == 0x3F else _ASCII_COST


def _cheapest(source: _Bytes) -> tuple[float, list[int]]:
    """Return the least cost of cutting bytes into characters, and where each begins."""
    data = source.data
    best = [0.0] + [float("inf")] * len(data)
    before = [0] * (len(data) + 1)
    for at in range(len(data)):
        single = best[at] + _single_cost(data[at])
        if single < best[at + 1]:
            best[at + 1], before[at + 1] = single, at
        if at + 2 <= len(data):
            double = best[at] + _double_cost(data[at], data[at + 1], at + 1 in source.notes)
            if double < best[at + 2]:
                best[at + 2], before[at + 2] = double, at
    cuts, at = [], len(data)
    while at:
        at = before[at]
        cuts.append(at)
    return best[-1], cuts[::-1]


def _single_cost(byte: int) -> float:
    if byte == _OTHER:
        return _OTHER_COST
    if byte < 0x80:
        return _ASCII_COST
    return 6.0 if byte == _MARK else _ORPHAN_COST


def _double_cost(lead: int, trail: int, noted: bool) -> float:
    if lead <= 0x80:
        return float("inf")
    if lead == _MARK:
        if trail == _MARK and not noted:
            return float("inf")
        return _lost_cost(noted) if trail >= 0x81 else float("inf")
    if trail == _MARK:
        return _lost_cost(noted)
    if trail < 0x40 or (noted and trail < 0x80):
        return float("inf")
    return _PAIR_COSTS.of(lead, trail)


def _lost_cost(noted: bool) -> float:
    return UNKNOWN_COST if noted else UNKNOWN_COST + 1.5  # two marks may stand there by chance


class _PairCosts:
    """Costs of all two-byte characters, found once."""

    def __init__(self) -> None:
        self._known: dict[int, float] = {}

    def of(self, lead: int, trail: int) -> float:
        key = lead << 8 | trail
        cost = self._known.get(key)
        if cost is None:
            text = bytes((lead, trail)).decode("gb18030", "ignore")
            cost = float(costs()[ord(text)]) if len(text) == 1 else float("inf")
            self._known[key] = cost
        return cost


_PAIR_COSTS = _PairCosts()


def _spell(source: _Bytes, cuts: list[int], *, keep_whole_notes: bool) -> tuple[str, int]:
    """Return the text of bytes cut into characters, and how many notes stood inside of one."""
    data, others = source.data, iter(source.others)
    pieces, num_split = [], 0
    for at, end in zip(cuts, [*cuts[1:], len(data)], strict=True):
        note = source.notes.get(at)
        inside = source.notes.get(at + 1) if end - at == 2 else None
        num_split += inside is not None
        if note and keep_whole_notes:
            pieces.append(note[1])
        code = data[at:end]
        if code == bytes((_OTHER,)):
            pieces.append(next(others))
        elif _MARK in code and len(code) == 2:
            pieces.append(_found_again(code, (inside or note or ("", ""))[0], end == len(data)))
        else:
            pieces.append("?" if _MARK in code else code.decode("gb18030", "ignore") or "?")
    if len(data) in source.notes and keep_whole_notes:
        pieces.append(source.notes[len(data)][1])
    return "".join(pieces), num_split


@functools.lru_cache(maxsize=1 << 14)
def _found_again(code: bytes, syllable: str, is_last: bool) -> str:
    """Return the character of which one byte is left; "?" where it is not certain enough."""
    lead, trail = code
    if lead == 0xA1 or (lead == 0xA3 and not is_last):  # punctuation
        return ("。" if is_last else "、") if lead == 0xA1 else "，"
    if lead == trail:
        return "?"
    leads = range(0xB0, 0xF8) if lead == _MARK else (lead,)
    trails = range(0xA1, 0xFF) if trail == _MARK else (trail,)
    table, found = costs(), []
    for pair in ((first, second) for first in leads for second in trails):
        character = bytes(pair).decode("gb2312", "ignore")
        if character and (not syllable or reading_of(character) == syllable):
            found.append((math.exp(-float(table[ord(character)])), character))
    likeliest = max(found, default=(0.0, "?"))
    certainty = likeliest[0] / max(sum(share for share, _ in found), 1e-9)
    return likeliest[1] if certainty >= _MIN_CERTAINTY else "?"

"""Second step: text whose characters are the ones its author wrote.

Wrong charsets, bytes that slipped, left-over HTML entities, odd characters. Clean text comes out
as it went in, and repairing twice is the same as repairing once. One census of the characters
(`native/census.c`) decides which mends a text could need at all, so that clean text passes at
hundreds of megabytes a second where ftfy alone reads 1.8.
"""

import functools
import html
import math
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from lodesmith.data.documents import Document
from lodesmith.prepare.config import RepairConfig
from lodesmith.prepare.repair.characters import mend_characters
from lodesmith.prepare.repair.gate import (
    Needs,
    may_be_another_charset,
    may_be_utf8,
    may_have_slipped,
    needs_of,
    suspicious_lines,
)
from lodesmith.prepare.repair.pinyin import plain_syllable, reading_of
from lodesmith.prepare.repair.readings import read_again
from lodesmith.prepare.repair.shifted import NOTE, put_in_step

_MAX_ROUNDS = 8  # one mend may uncover the need of another; real pages need two rounds

_ENTITY = re.compile(
    r"&(?:#\d{2,7}|#[xX][0-9a-fA-F]{2,6}|nbsp|amp|lt|gt|quot|apos|[lr][ds]quo|hellip|[mn]dash|"
    r"middot|bull|copy|reg|trade|times|deg|ensp|emsp|laquo|raquo|para|sect|yen|euro|[lr]arr);"
)
_MIN_WHOLE_NOTES = 3  # beside split ones none is needed


@dataclass(slots=True)
class Mended:
    """A text and what was mended in it."""

    text: str
    repairs: Counter[str] = field(default_factory=Counter)  # kind: how often
    gains: dict[str, float] = field(default_factory=dict)  # kind: least gain of one mend

    def report(self) -> dict[str, dict[str, float]]:
        """Return kind -> count and confidence, as it stands in `measures`."""
        return {
            kind: {"count": count, "confidence": self._confidence(kind)}
            for kind, count in sorted(self.repairs.items())
        }

    def _confidence(self, kind: str) -> float:
        gain = self.gains.get(kind)
        return 1.0 if gain is None else round(1 / (1 + math.exp(-min(gain, 50.0) / 4)), 3)

    def note(self, kind: str, gain: float) -> None:
        """Count a mend that was a guess, with how much likelier it made the text."""
        self.repairs[kind] += 1
        self.gains[kind] = min(gain, self.gains.get(kind, gain))


def repair(document: Document, config: RepairConfig | None = None) -> Document:
    """Return the document with its characters mended.

    What was mended stands in `measures["repairs"]`: kind -> count and confidence in [0, 1].
    """
    config = config or RepairConfig()
    mended = mend(document.text)
    text = _convert(mended.text, config.chinese_script)
    if text != mended.text:
        mended.repairs[f"converted to {config.chinese_script}"] += 1
    if text == document.text and document.title.isascii():
        return document
    lines = {" ".join(line.split()) for line in text.split("\n")}
    whole = functools.partial(_convert, script=config.chinese_script)
    headings = [" ".join(whole(repair_text(heading)).split()) for heading in document.headings]
    measures: dict[str, Any] = dict(document.measures)
    if mended.repairs:
        measures["repairs"] = mended.report()
    return replace(
        document,
        text=text,
        title=whole(repair_text(document.title)).strip(),
        headings=[heading for heading in headings if heading in lines],
        measures=measures,
    )


def _convert(text: str, script: str | None) -> str:
    if script is None or not needs_of(text).is_chinese:
        return text
    return _converter(script).convert(text)  # type: ignore[no-any-return]


@functools.cache
def _converter(script: str) -> Any:
    from opencc import OpenCC

    return OpenCC("t2s" if script == "zh-Hans" else "s2t")


def repair_text(text: str) -> str:
    """Return a text with its characters mended.

    >>> repair_text("caf\\u00c3\\u00a9 &amp; cr\\u00c3\\u00a8me\\u200b\\r\\n")
    'café & crème'
    >>> repair_text("浣犲ソ锛屼笘鐣岋紒")
    '你好，世界！'
    >>> repair_text("他对这?(ge)鑫侍夂苊靼住?")
    '他对这个问题很明白。'
    """
    return mend(text).text


def mend(text: str) -> Mended:
    """Return a text with its characters mended, and what was mended."""
    mended = Mended(text)
    for _ in range(_MAX_ROUNDS):
        before = mended.text
        _mend_once(mended)
        if mended.text == before:
            break
    return mended


def _mend_once(mended: Mended) -> None:
    text = mended.text
    needs = needs_of(text)
    if needs.charset:
        text = _mend_charset(text, needs, mended)
    if "&" in text and "<" not in text:  # beside literal tags, entities are meant as they stand
        text, number = _ENTITY.subn(lambda match: html.unescape(match[0]), text)
        if number:
            mended.repairs["entities"] += number
    if needs.characters or text != mended.text:
        text = mend_characters(text, mended.repairs)
    mended.text = _tidy_spaces(text)


def _mend_charset(text: str, needs: Needs, mended: Mended) -> str:
    keep_notes = not (needs.notes and _has_injected_notes(text))
    lines = text.split("\n")
    for index in suspicious_lines(text, lines, needs):
        lines[index] = _mend_line(lines[index], mended, keep_notes=keep_notes)
    return "\n".join(lines)


def _mend_line(line: str, mended: Mended, *, keep_notes: bool) -> str:
    reading = read_again(line) if may_be_another_charset(line) else None
    slipped = may_have_slipped(line)
    shifted = put_in_step(line, keep_whole_notes=keep_notes) if slipped else None
    if shifted and (reading is None or reading.gain < shifted.gain):
        mended.note("shifted bytes", max(shifted.gain, 2.0))
        if shifted.num_notes:
            mended.repairs["pinyin notes"] += shifted.num_notes
        return shifted.text
    if reading:
        mended.note("charset", reading.gain)
        line = reading.text
    return _mend_utf8(line, mended) if may_be_utf8(line) else line


def _mend_utf8(line: str, mended: Mended) -> str:
    from ftfy import fix_encoding

    fixed = str(fix_encoding(line))
    if fixed != line:
        mended.note("charset", 20.0)
    return fixed


def _has_injected_notes(text: str) -> bool:
    """Return whether notes stand where nobody needs one: after many usual characters."""
    num_needless = 0
    for match in NOTE.finditer(text):
        syllable = plain_syllable(match[1])
        if not syllable:
            continue
        before = text[match.start() - 1 : match.start()]
        if before in ("?", "\ufffd") or text[match.end() : match.end() + 1] in ("?", "\ufffd"):
            return True
        follows = text[match.end() : match.end() + 1]
        num_needless += bool(before and reading_of(before) == syllable and follows >= "\u4e00")
    return num_needless >= _MIN_WHOLE_NOTES


_TRAILING = re.compile(r"[ \t]+(?=\n)|[ \t]+\Z")
_TABS = re.compile(r"(?<=[^\s])[ \t]*\t[ \t]*")
_BLANK_LINES = re.compile(r"\n{3,}")


def _tidy_spaces(text: str) -> str:
    text = text.strip("\n")
    if " \n" in text or "\t\n" in text or text.endswith((" ", "\t")):
        text = _TRAILING.sub("", text)
    if "\t " in text or " \t" in text or "\t\t" in text:
        text = _TABS.sub("\t", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip("\n")

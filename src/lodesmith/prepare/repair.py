"""Second step: text whose characters are the ones its author wrote.

Wrong charsets, left-over HTML entities, invisible characters, odd spaces and line ends. Clean text
comes out as it went in, and repairing twice is the same as repairing once. Each mend stands behind
a search for the characters that call for it, so that clean text costs next to nothing: ftfy alone
reads 1.8 MB/s.
"""

import html
import re
import unicodedata
from dataclasses import replace

from lodesmith.data.documents import Document

_MAX_ROUNDS = 8  # one mend may uncover the need of another; real pages need two rounds

_LINE_ENDS = "\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_SPACES = "\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
# Characters nobody sees: controls, soft hyphen, zero-width space and joiners of no language, marks
# of direction, byte-order marks, lone surrogates, private use (icon fonts), non-characters.
_INVISIBLES = (
    "\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f\xad\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069"
    "\ud800-\uf8ff\ufdd0-\ufdef\ufeff\ufff0-\ufffc\ufffe\uffff\U000f0000-\U0010ffff"
)
_LINE_END = re.compile(f"\r\n?|[{_LINE_ENDS}]")
_SPACE = re.compile(f"[{_SPACES}]")
_INVISIBLE = re.compile(f"[{_INVISIBLES}]")
_ODD = re.compile(f"[{_LINE_ENDS}{_SPACES}{_INVISIBLES}]")

# A Latin letter that begins UTF-8 sequences in cp1252, and a character that goes on with one.
# Source: RFC 3629, section 3, for the bytes; cp1252 gives the second class.
_LATIN_MOJIBAKE = re.compile(
    "[\xc2-\xf4][\x80-\xbf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013\u2014"
    "\u2018-\u201e\u2020-\u2022\u2026\u2030\u2039\u203a\u20ac\u2122]"
)
# UTF-8 read as GBK: what the most frequent Chinese characters and marks turn into.
_GBK_MOJIBAKE = re.compile("[锛銆鈥鐨鍦鏄涓浣鏈浠鍜杩][^\x00-\x7f]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]{4,}")

_ENTITY = re.compile(
    r"&(?:#\d{2,7}|#[xX][0-9a-fA-F]{2,6}|nbsp|amp|lt|gt|quot|apos|[lr][ds]quo|hellip|[mn]dash|"
    r"middot|bull|copy|reg|trade|times|deg|ensp|emsp|laquo|raquo|para|sect|yen|euro|[lr]arr);"
)


def repair(document: Document) -> Document:
    """Return the document with its characters mended."""
    text = repair_text(document.text)
    if text == document.text and document.title.isascii():
        return document
    lines = {" ".join(line.split()) for line in text.split("\n")}
    headings = [" ".join(repair_text(heading).split()) for heading in document.headings]
    return replace(
        document,
        text=text,
        title=repair_text(document.title).strip(),
        headings=[heading for heading in headings if heading in lines],
    )


def repair_text(text: str) -> str:
    """Return a text with its characters mended.

    >>> repair_text("caf\\u00c3\\u00a9 &amp; cr\\u00c3\\u00a8me\\u200b\\r\\n")
    'café & crème'
    >>> repair_text("浣犲ソ锛屼笘鐣岋紒")
    '你好，世界！'
    """
    for _ in range(_MAX_ROUNDS):
        mended = _repair_once(text)
        if mended == text:
            break
        text = mended
    return text


def _repair_once(text: str) -> str:
    if not text.isascii():
        text = _repair_charset(text)
    if "&" in text and "<" not in text:  # beside literal tags, entities are meant as they stand
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
    if _ODD.search(text):
        text = _LINE_END.sub("\n", text)
        text = _INVISIBLE.sub("", text)
        text = _SPACE.sub(" ", text)
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    return _tidy_spaces(text)


def _repair_charset(text: str) -> str:
    if _LATIN_MOJIBAKE.search(text):
        from ftfy import fix_encoding

        text = "\n".join(
            fix_encoding(line) if _LATIN_MOJIBAKE.search(line) else line
            for line in text.split("\n")
        )
    if _GBK_MOJIBAKE.search(text):
        text = _NOT_ASCII.sub(lambda match: _read_as_utf8(match[0]), text)
    return text


def _read_as_utf8(run: str) -> str:
    """Return what a run means if its GBK bytes are UTF-8, else the run itself.

    Chinese text is next to never valid UTF-8 in its GBK bytes: two characters in 65,000 pairs.
    """
    try:
        return run.encode("gb18030").decode("utf-8")
    except UnicodeError:
        return run


_TRAILING = re.compile(r"[ \t]+(?=\n)|[ \t]+\Z")
_TABS = re.compile(r"(?<=[^\s])[ \t]*\t[ \t]*")
_BLANK_LINES = re.compile(r"\n{3,}")


def _tidy_spaces(text: str) -> str:
    text = text.strip("\n")
    if " \n" in text or "\t" in text or text.endswith(" "):
        text = _TRAILING.sub("", text)
        text = _TABS.sub("\t", text)
    if "\n\n\n" in text:
        text = _BLANK_LINES.sub("\n\n", text)
    return text.strip("\n")

"""The charset of a page: bytes in, text out.

Servers and pages name wrong charsets often, so a named charset is believed only if the bytes
decode in it without an error, or with few in many characters (a page that was cut or patched).
UTF-8 comes first, because text in another charset is next to never valid UTF-8 by chance. A wrong
charset that decodes without an error is found by the repair step, from the text.

Source: WHATWG Encoding Standard, section 4.2, for the names and for reading iso-8859-1 as
windows-1252, gb2312 and gbk as gb18030 and big5 with the characters of Hong Kong.
"""

import codecs
import re
from dataclasses import dataclass

from resiliparse.parse.encoding import detect_encoding, map_encoding_to_html5

_BEYOND_ASCII = re.compile("[^\x00-\x7f]")
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_META_BYTES = 4096  # WHATWG HTML, 13.2.3.2 asks for 1,024; pages in the wild exceed it
_META = re.compile(rb"<meta[^>]{0,512}?charset\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{2,40})", re.I)
_XML = re.compile(rb"<\?xml[^>]{0,200}?encoding\s{0,9}=\s{0,9}[\"']([\w.:-]{2,40})", re.I)
_MAX_ERRORS = 0.02  # of the characters beyond ASCII; a wrong charset has above .2
_WIDER = {"gbk": "gb18030", "big5": "big5hkscs"}  # what the standard reads under these names
_ISO_2022_ESCAPE = b"\x1b"  # the one family whose bytes are all ASCII


@dataclass(frozen=True, slots=True)
class Decoded:
    """A page's text, and how it was read."""

    text: str
    charset: str  # Python's name of it
    told_by: str  # mark, header, page, or bytes
    is_as_it_came: bool = False  # whether the bytes are the text in UTF-8 already


def decode_page(payload: bytes, *, charset: str = "") -> Decoded:
    """Return a page's text and what told its charset.

    Args:
        payload: the page as it came.
        charset: what the server said, "" for nothing.

    >>> decode_page("网页".encode("gb18030"), charset="GB2312")
    Decoded(text='网页', charset='gb18030', told_by='header', is_as_it_came=False)
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if payload.startswith(mark):
            return Decoded(payload[len(mark) :].decode(name, "replace"), name, "mark")
    if _ISO_2022_ESCAPE not in payload and b"\0" not in payload:
        text = _decode(payload, "utf-8")
        if text is not None:
            return Decoded(text, "utf-8", "bytes", is_as_it_came=True)
    named = _decode_as_named(payload, charset)
    if named is not None:
        return named
    detected = _standard_name(detect_encoding(payload) or "") or "utf-8"
    return Decoded(payload.decode(detected, "replace"), detected, "bytes")


def _decode_as_named(payload: bytes, charset: str) -> Decoded | None:
    named = [(_standard_name(charset), "header")]
    named.extend((_standard_name(name), "page") for name in _named_inside(payload))
    attempts = ((_decode_nearly, [("utf-8", "bytes")]), (_decode, named), (_decode_nearly, named))
    for decode, names in attempts:
        for name, told_by in names:
            text = decode(payload, name)
            if text is not None:
                return Decoded(text, name, told_by)
    return None


def _named_inside(payload: bytes) -> list[str]:
    start = payload[:_META_BYTES]
    found = [pattern.search(start) for pattern in (_META, _XML)]
    return [match[1].decode("ascii") for match in found if match]


def _standard_name(name: str) -> str:
    mapped = map_encoding_to_html5(name.strip(), fallback_utf8=False) if name.strip() else None
    if mapped is None:
        return ""
    try:
        return codecs.lookup(_WIDER.get(mapped, mapped)).name
    except LookupError:
        return ""


def _decode(payload: bytes, name: str) -> str | None:
    try:
        return payload.decode(name) if name else None
    except UnicodeError:
        return None


def _decode_nearly(payload: bytes, name: str) -> str | None:
    """Return the text if few of its characters beyond ASCII cannot be read, else None."""
    if not name or _ISO_2022_ESCAPE in payload:
        return None
    text = payload.decode(name, "replace")
    num_errors = text.count("\ufffd")
    beyond = len(_BEYOND_ASCII.findall(text)) if num_errors else 0
    return text if num_errors <= _MAX_ERRORS * beyond else None

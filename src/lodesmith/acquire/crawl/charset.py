"""The charset of a fetched page, decided once and written beside it.

The order is that of `prepare`: a byte order mark; UTF-8 where the bytes are valid UTF-8, since text
in another charset next to never is; what the server says and what the page says, if its bytes bear
it out; what the bytes look like. The decision goes into the record as WARC-Identified-Payload-Type.

Source: WHATWG Encoding Standard, section 4.2, for names (gb2312 is read as gb18030).
"""

import codecs
import re

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_NAMED = re.compile(rb"(?:charset|encoding)\s{0,9}=\s{0,9}[\"']?\s{0,9}([\w.:-]{2,40})", re.I)
_NAMED_BYTES = 4096
_OTHER_NAMES = {"gb2312": "gb18030", "gbk": "gb18030", "x-gbk": "gb18030", "big5": "big5hkscs",
                "iso-8859-1": "cp1252", "latin-1": "cp1252", "us-ascii": "cp1252"}  # fmt: skip


def decide_charset(body: bytes, *, named: str) -> tuple[str, str]:
    """Return a page's charset and what told it: mark, bytes, header or page.

    Args:
        body: the unpacked page.
        named: what the server said, "" for nothing.

    >>> decide_charset("网页".encode("gb18030"), named="GB2312")
    ('gb18030', 'header')
    """
    for mark, name in _MARKS:
        if body.startswith(mark):
            return name, "mark"
    if b"\x1b" not in body and b"\0" not in body and _fits(body, "utf-8"):
        return "utf-8", "bytes"
    inside = _NAMED.search(body[:_NAMED_BYTES])
    for candidate, evidence in ((named, "header"), (inside[1].decode() if inside else "", "page")):
        name = _standard(candidate)
        if name and _fits(body, name):
            return name, evidence
    from resiliparse.parse.encoding import detect_encoding

    return _standard(detect_encoding(body) or "") or "utf-8", "bytes"


def _standard(name: str) -> str:
    name = name.strip().lower()
    try:
        return codecs.lookup(_OTHER_NAMES.get(name, name)).name if name else ""
    except (LookupError, ValueError):
        return ""


def _fits(body: bytes, name: str) -> bool:
    try:
        body.decode(name)
    except (UnicodeError, LookupError):
        return False
    return True

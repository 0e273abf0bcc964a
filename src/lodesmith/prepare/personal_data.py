"""Eighth step: personal data, replaced by placeholders.

The patterns hold beside Chinese characters, where `\\b` does not: "邮箱abc@x.cn。" has no word
boundary between 箱 and a. Resident numbers are not asked for their checksum: people mistype and
redact them. Card numbers are, since a product code is as long. Only addresses of the public
internet are masked, and a version such as 7.4.7.2 is none. What is found is counted, never kept.

Source: GB 11643-1999 for resident numbers; ISO/IEC 7812-1 for card numbers and their check digit;
RFC 5321, section 4.5.3.1, for the lengths in addresses.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

from lodesmith.data.documents import Document

_BEFORE = r"(?<![0-9A-Za-z])"
_AFTER = r"(?![0-9A-Za-z])"

_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])[A-Za-z0-9_][A-Za-z0-9._%+-]{0,63}@"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9@])"
)
_RESIDENT_ID = re.compile(
    rf"{_BEFORE}[1-9]\d{{5}}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{{3}}[\dXx]{_AFTER}"
)
_CARD = re.compile(
    rf"(?<![0-9A-Za-z.])[2-6]\d{{3}}(?:[ -]?\d{{4}}){{3}}(?:[ -]?\d{{1,3}})?{_AFTER}"
)
_MOBILE = re.compile(
    r"(?<![0-9A-Za-z.])(?:(?:\+|00)?86[- ]?)?1[3-9]\d(?:\d{8}|([- ])\d{4}\1\d{4})(?![0-9A-Za-z])"
)
_LANDLINE = re.compile(
    r"(?<![0-9A-Za-z.-])(?:\(0\d{2,3}\) ?|（0\d{2,3}）|0\d{2,3}-)[2-8]\d{6,7}(?![0-9A-Za-z-])"
)
_IP_ADDRESS = re.compile(r"(?<![0-9A-Za-z.-])\d{1,3}(?:\.\d{1,3}){3}(?![0-9A-Za-z]|\.\d)")
_VERSION_BEFORE = re.compile(
    r"(?:version|release|build|(?<![A-Za-z])v|(?<![A-Za-z])ver|版本)[.:： ]{0,2}$", re.IGNORECASE
)
# What a text must hold to be looked at more closely.
_LONG_NUMBER = re.compile(r"\d(?:[ -]?\d){6}")  # all have seven digits with no more between
_FOUR_NUMBERS = re.compile(r"\d\.\d{1,3}\.\d{1,3}\.\d")


@dataclass(frozen=True, slots=True)
class Masked:
    """A document with placeholders, and how many of each."""

    document: Document
    counts: dict[str, int]  # by kind: email, resident_id, bank_card, mobile, landline, ip_address


def mask_personal_data(document: Document) -> Masked:
    """Return the document with personal data replaced by placeholders."""
    text, counts = mask_text(document.text)
    if not counts:
        return Masked(document, {})
    headings = [mask_text(heading)[0] for heading in document.headings]
    title = mask_text(document.title)[0]
    return Masked(replace(document, text=text, headings=headings, title=title), counts)


def mask_text(text: str) -> tuple[str, dict[str, int]]:
    """Return a text with placeholders, and how many of each kind.

    >>> mask_text("联系邮箱abc.def@mail.example.cn，电话13812345678。")
    ('联系邮箱<EMAIL>，电话<MOBILE>。', {'email': 1, 'mobile': 1})
    """
    counts: Counter[str] = Counter()
    if "@" in text:
        text = _mask(text, "email", counts)
    if _LONG_NUMBER.search(text):
        for kind in ("resident_id", "bank_card", "mobile", "landline"):
            text = _mask(text, kind, counts)
    if _FOUR_NUMBERS.search(text):
        text = _mask(text, "ip_address", counts)
    return text, dict(counts)


def _mask(text: str, kind: str, counts: Counter[str]) -> str:
    pattern, is_meant = _KINDS[kind]

    def substitute(match: re.Match[str]) -> str:
        if not is_meant(match):
            return match[0]
        counts[kind] += 1
        return f"<{kind.upper()}>"

    return pattern.sub(substitute, text)


def _always(_: re.Match[str]) -> bool:
    return True


def _passes_luhn(match: re.Match[str]) -> bool:
    digits = [int(char) for char in match[0] if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


def _is_public_address(match: re.Match[str]) -> bool:
    """Tell whether four numbers with dots are somebody's address, not a version or section."""
    parts = match[0].split(".")
    if any(int(part) > 255 or (len(part) > 1 and part[0] == "0") for part in parts):
        return False
    if sum(len(part) > 1 for part in parts) < 2:  # 7.4.7.2, 10.1.2.3: versions and sections
        return False
    if _VERSION_BEFORE.search(match.string[max(0, match.start() - 12) : match.start()]):
        return False
    address = ipaddress.ip_address(match[0])
    return address.is_global and not address.is_multicast


_KINDS: dict[str, tuple[re.Pattern[str], Callable[[re.Match[str]], bool]]] = {
    "email": (_EMAIL, _always),
    "resident_id": (_RESIDENT_ID, _always),
    "bank_card": (_CARD, _passes_luhn),
    "mobile": (_MOBILE, _always),
    "landline": (_LANDLINE, _always),
    "ip_address": (_IP_ADDRESS, _is_public_address),
}

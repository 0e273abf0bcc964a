"""Numbers with letters: Chinese passports and permits, number plates, bank accounts (IBAN).

Source: GA 36-2018 for plates; ISO 13616 for IBAN and its check digits (ISO/IEC 7064, mod 97-10).
"""

import re
from collections.abc import Iterator

from lodesmith.prepare.personal_data.spans import Span

_AFTER = r"(?![0-9A-Za-z])"
_PLATE = re.compile(
    r"[京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼][A-HJ-NP-Z][ ·•・.-]?"
    r"(?:[A-HJ-NP-Z0-9]{4}[A-HJ-NP-Z0-9挂学警港澳]|[A-HJK]\d{5}|[A-HJK][A-HJ-NP-Z]\d{4}|\d{5}[A-HJK])"
    rf"{_AFTER}"
)
_LONGER_NAMES = frozenset("四北南东上天银")  # 四川A..., 北京A...: no plate's province
_PASSPORT = re.compile(rf"(?:[EG]\d{{8}}|E[A-HJ-NP-Z]\d{{7}}){_AFTER}")
_NAMED_PASSPORT = re.compile(
    r"(?:护照|通行证|passport)[^0-9A-Za-z\n]{0,4}(?:号码|号|number|no\.?|is)?[^0-9A-Za-z\n]{0,4}"
    rf"([A-Z]{{1,2}}\d{{7,8}}|\d{{9}}){_AFTER}",
    re.IGNORECASE,
)
_IBANS = (
    re.compile(rf"[A-Za-z]{{2}}\d\d[0-9A-Za-z]{{11,30}}{_AFTER}"),
    re.compile(rf"[A-Z]{{2}}\d\d(?: [0-9A-Z]{{4}}){{2,7}}(?: [0-9A-Z]{{1,3}})?{_AFTER}"),
)


def find_documents(text: str, kinds: frozenset[str]) -> Iterator[Span]:
    """Yield plates, and passports that a word before them tells."""
    if "plate" in kinds:
        for match in _PLATE.finditer(text):
            has_digit = any(char.isdigit() for char in match[0])
            if has_digit and text[match.start() - 1 : match.start()] not in _LONGER_NAMES:
                yield Span("plate", *match.span())
    if "passport" in kinds and ("护照" in text or "通行证" in text or "assport" in text):
        yield from (Span("passport", *match.span(1)) for match in _NAMED_PASSPORT.finditer(text))


def find_behind_letters(text: str, digits: int) -> Span | None:
    """Return the passport or account whose one or two letters stand before a group of digits."""
    for num_letters in (1, 2):
        start = digits - num_letters
        if start < 0 or not _is_alone(text, start):
            continue
        if match := _PASSPORT.match(text, start):
            return Span("passport", *match.span())
        for pattern in _IBANS:
            match = pattern.match(text, start)
            if match and _passes_mod_97(match[0]):
                return Span("bank_account", *match.span())
    return None


def _is_alone(text: str, start: int) -> bool:
    before = text[start - 1 : start]
    return not (before.isascii() and before.isalnum()) and before not in ("-", "_", ".")


def _passes_mod_97(account: str) -> bool:
    signs = account.replace(" ", "").upper()
    return int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1

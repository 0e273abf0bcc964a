"""Numbers of people: one walk over the groups of digits of a text, each tried by its length.

Boundaries are spelt out, for between 号 and 1 there is no word boundary. Resident numbers are not
asked for their checksum: people mistype and redact them; it decides only where a number could also
be a company's code. Card numbers are, since a product code is as long.

Source: GB 11643-1999 for resident numbers and GB 32100-2015 for companies' codes, each with its
check character; ISO/IEC 7812-1 for card numbers and their check digit; ISO 13616 for IBAN.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import cache

from lodesmith.prepare.personal_data.documents import find_behind_letters
from lodesmith.prepare.personal_data.spans import Span

# Seven digits or more, fewer before a sign that numbers are written with, or an IBAN's second part.
_GROUP = re.compile(
    r"(?:[0-9](?:[0-9]{6,}|[0-9]{0,5}(?![0-9])(?=[-. )）—(])"
    r"|[0-9](?<=[A-Za-z]{2}[0-9]{2})(?=[A-Za-z])))"
)
_AFTER = r"(?![0-9A-Za-z])"
_EXTENSION = r"(?:x\d{1,5})?"
_PROVINCE = r"(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|7[1]|8[1-3])"
_MONTH_AND_DAY = r"(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])"

_RESIDENT_ID = re.compile(
    rf"{_PROVINCE}\d{{4}}(?:18|19|20)\d\d{_MONTH_AND_DAY}\d{{3}}[\dXx]{_AFTER}"
)
_SPACED_RESIDENT_ID = re.compile(
    rf"{_PROVINCE}\d{{4}}([ -])(?:18|19|20)\d\d{_MONTH_AND_DAY}\1\d{{3}}[\dXx]{_AFTER}"
)
_OLD_RESIDENT_ID = re.compile(rf"{_PROVINCE}\d{{4}}\d\d{_MONTH_AND_DAY}\d{{3}}{_AFTER}")
_COMPANY = re.compile(rf"[159][1239]{_PROVINCE}\d{{4}}[0-9A-HJ-NPQRTUWXY]{{10}}{_AFTER}")
_CARD = re.compile(rf"(?:\d{{12,19}}|\d{{4}}(?:[ -]\d{{4}}){{3}}(?:[ -]?\d{{1,3}})?){_AFTER}")
_SHORT_CARD = re.compile(rf"3\d{{3}}[ -]\d{{6}}[ -]\d{{4,5}}{_AFTER}")
_MOBILE = re.compile(rf"(?:(?:00)?86[- ]?)?1[3-9]\d(?:\d{{8}}|([- ])\d{{4}}\1\d{{4}}){_AFTER}")
_LANDLINE = re.compile(
    r"0(?:10|2\d|[3-9]\d{2})(?:[)）] ?|[- —]{1,2})[2-8]\d{2,3}[- ]?\d{4}"
    r"(?![0-9A-Za-z-]\d|[0-9A-Za-z])"
)
_PLAIN_LANDLINE = re.compile(rf"0(?:10|2\d|[3-9]\d{{2}})[2-8]\d{{6,7}}{_AFTER}")
_NORTH_AMERICAN = re.compile(  # but no hotline: they are nobody's own
    r"(?:1[- .])?(?!400|8(?:00|33|44|55|66|77|88))([2-9]\d\d)(?:\) ?|([-. ]))"
    rf"[2-9]\d\d[-. ]\d{{4}}{_EXTENSION}{_AFTER}"
)
_SOCIAL_SECURITY = re.compile(rf"(?!000|666)\d{{3}}-(?!00)\d\d-(?!0000)\d{{4}}(?!-){_AFTER}")
_FOREIGN_PHONE = re.compile(rf"[1-9]\d{{0,2}}(?:[ .-]?\(?\d{{1,4}}\)?){{2,5}}{_EXTENSION}{_AFTER}")
_CALLED_BEFORE = re.compile(  # after one of these, a number of any country's form
    r"(?:(?:phone|mobile|cell|tel|fax|desk|office)(?: number)?(?: is|[:.]{1,2})"
    r"|(?:call|text|reach|ring) (?:me|us|him|her|them)(?: at| on)?|answer(?:ing)? (?:at|on)"
    r"|messages? (?:to|from)|(?:my|your|our) registered)\s{1,2}[+(]{0,2}$",
    re.IGNORECASE,
)
_CALLED_AFTER = re.compile(
    r"[ -](?:office|fax|mobile|cell|home|desk)(?=[\n,;\\)]|$)", re.IGNORECASE
)
_CALLED = re.compile(  # but no years or dates
    r"[+(]{0,2}(?!(?:19|20)\d\d[ .-](?:(?:19|20)\d\d|\d\d?[ .-]\d\d?)(?!\d))"
    rf"\d(?:[ .()-]{{0,2}}\d){{6,14}}{_EXTENSION}(?!\w|-\d)"
)
_IP_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?![0-9A-Za-z]|\.\d)")
_VERSION_BEFORE = re.compile(
    r"(?:version|release|build|(?<![A-Za-z])v|(?<![A-Za-z])ver|版本)[.:： ]{0,2}$", re.IGNORECASE
)
_ID_BEFORE = re.compile(r"(?:身份证|证件|ID)[^0-9\n]{0,8}$")
_PHONE_BEFORE = re.compile(
    r"(?:电话|座机|热线|传真|致电|phone|fax|tel|call|mobile|number)[^0-9\n]{0,10}$", re.IGNORECASE
)
_CUE_CHARS = 20  # how far back a word that tells what a number is may begin

# Of cards by their length: Maestro and Diners are shorter than others, UnionPay and Visa longer.
_FIRST_DIGITS_OF_CARDS = {
    12: ("5", "6"),
    13: ("4", "5", "6"),
    14: ("30", "36", "38", "39", "5", "6"),
    15: ("1800", "2131", "34", "37", "5", "6"),
    **dict.fromkeys((17, 18, 19), ("4", "6")),
}
_FIRST_DIGITS_OF_MOST = ("2", "3", "4", "5", "6")

_BEFORE_CALLED = frozenset(" \n:.(+")

_Rule = Callable[[str, int], Span | None]  # text, start of a group of digits


def find_numbers(text: str, kinds: frozenset[str]) -> Iterator[Span]:
    """Yield the numbers of people of a text; they may overlap."""
    rules_of_length = _rules_for(kinds)
    place = 0
    for group in _GROUP.finditer(text):
        start, end = group.span()
        if start < place:
            continue
        before = text[start - 1 : start]
        if before.isascii() and before.isalnum():
            span = find_behind_letters(text, start) if before.isalpha() else None
        else:
            found = (rule(text, start) for rule in rules_of_length.get(end - start, ()))
            span = next(filter(None, found), None)
        if span is not None and span.kind in kinds:
            place = span.end
            yield span


@cache
def _rules_for(kinds: frozenset[str]) -> dict[int, tuple[_Rule, ...]]:
    """Return the rules by length that may find one of these kinds."""
    return {
        length: tuple(rule for rule in rules if kinds.intersection(_KINDS_OF[rule]))
        for length, rules in _RULES_OF_LENGTH.items()
    }


def _resident_id(text: str, start: int) -> Span | None:
    match = _RESIDENT_ID.match(text, start) or _SPACED_RESIDENT_ID.match(text, start)
    if match is None:
        return None
    value = match[0]
    if _COMPANY.fullmatch(value) and _is_company_code(value) and not _is_resident_id(value):
        return Span("company_code", *match.span())
    return Span("resident_id", *match.span())


def _old_resident_id(text: str, start: int) -> Span | None:
    match = _OLD_RESIDENT_ID.match(text, start)
    if match and _ID_BEFORE.search(text[max(0, start - _CUE_CHARS) : start]):
        return Span("resident_id", *match.span())
    return None


def _company(text: str, start: int) -> Span | None:
    match = _COMPANY.match(text, start)
    if match is None or (match[0].isdigit() and not _is_company_code(match[0])):
        return None
    return Span("company_code", *match.span())


def _card(text: str, start: int) -> Span | None:
    match = _CARD.match(text, start) or _SHORT_CARD.match(text, start)
    is_decimal = start > 0 and text[start - 1] == "."
    if match is None or is_decimal or not passes_luhn(match[0]):
        return None
    first_digits = _FIRST_DIGITS_OF_CARDS.get(_num_digits(match[0]), _FIRST_DIGITS_OF_MOST)
    return Span("bank_card", *match.span()) if text.startswith(first_digits, start) else None


def _mobile(text: str, start: int) -> Span | None:
    match = _MOBILE.match(text, start)
    if match is None or (start and text[start - 1] == "."):
        return None
    begin = start - 1 if start and text[start - 1] == "+" else start
    country = re.search(r"[+(（]?(?:00|\+)?86[)）]?[- ]?$", text[max(0, start - 7) : start])
    return Span("mobile", start - len(country[0]) if country else begin, match.end())


def _landline(text: str, start: int) -> Span | None:
    if start and text[start - 1] in ".-":
        return None
    match = _LANDLINE.match(text, start)
    if match is None:
        match = _PLAIN_LANDLINE.match(text, start)
        if match is None or not _PHONE_BEFORE.search(text[max(0, start - _CUE_CHARS) : start]):
            return None
    opened = start and text[start - 1] in "(（"
    return Span("landline", start - 1 if opened else start, match.end())


def _foreign_phone(text: str, start: int) -> Span | None:
    before = text[start - 1] if start else ""
    if before == "+" and (match := _FOREIGN_PHONE.match(text, start)):
        return Span("phone", start - 1, match.end()) if _num_digits(match[0]) >= 9 else None
    if before and before in ".-/:":
        return None
    match = _NORTH_AMERICAN.match(text, start)
    opened = before == "(" and match is not None and match[2] is None
    if match is not None and (opened or match[2] is not None):
        return Span("phone", start - 1 if opened else start, match.end())
    return _called_number(text, start)


def _called_number(text: str, start: int) -> Span | None:
    """Return the number whose first digit stands here, if a word beside it says that it is one."""
    if start and text[start - 1] not in _BEFORE_CALLED:
        return None
    before = text[max(0, start - 2) : start]
    match = _CALLED.match(text, start - len(before) + len(before.rstrip("+(")))
    is_called = match and (
        _CALLED_BEFORE.search(text, max(0, start - _CUE_CHARS), start)
        or _CALLED_AFTER.match(text, match.end())
    )
    return Span("phone", *match.span()) if match and is_called else None


def _social_security(text: str, start: int) -> Span | None:
    if start and text[start - 1] == "-":
        return None
    match = _SOCIAL_SECURITY.match(text, start)
    return Span("social_security", *match.span()) if match else None


def _ip_address(text: str, start: int) -> Span | None:
    match = _IP_ADDRESS.match(text, start)
    if match is None or (start and text[start - 1] in ".-") or not _is_public_address(text, match):
        return None
    return Span("ip_address", *match.span())


def _is_public_address(text: str, match: re.Match[str]) -> bool:
    """Tell whether four numbers with dots are somebody's address, not a version or section."""
    parts = match[0].split(".")
    if any(int(part) > 255 or (len(part) > 1 and part[0] == "0") for part in parts):
        return False
    if sum(len(part) > 1 for part in parts) < 2:  # 7.4.7.2, 10.1.2.3: versions and sections
        return False
    if _VERSION_BEFORE.search(text[max(0, match.start() - 12) : match.start()]):
        return False
    address = ipaddress.ip_address(match[0])
    return address.is_global and not address.is_multicast


def passes_luhn(number: str) -> bool:
    """Tell whether the last digit of a card's number is the check digit of the others."""
    digits = [int(char) for char in number if char.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[::-2]) + sum(doubled)) % 10 == 0


_ID_WEIGHTS = tuple(pow(2, 17 - place, 11) for place in range(17))
_COMPANY_SIGNS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_COMPANY_WEIGHTS = tuple(pow(3, place, 31) for place in range(17))


def _is_resident_id(number: str) -> bool:
    total = sum(weight * int(digit) for weight, digit in zip(_ID_WEIGHTS, number, strict=False))
    return "10X98765432"[total % 11] == number[17].upper()


def _is_company_code(code: str) -> bool:
    total = sum(
        weight * _COMPANY_SIGNS.index(sign)
        for weight, sign in zip(_COMPANY_WEIGHTS, code, strict=False)
    )
    return _COMPANY_SIGNS[-total % 31] == code[17]


def _num_digits(text: str) -> int:
    return sum(char.isdigit() for char in text)


_RULES_OF_LENGTH: dict[int, tuple[_Rule, ...]] = {
    1: (_foreign_phone, _ip_address),
    2: (_mobile, _foreign_phone, _ip_address),
    3: (_social_security, _mobile, _landline, _foreign_phone, _ip_address),
    4: (_card, _mobile, _landline, _foreign_phone),
    5: (_foreign_phone,),
    6: (_resident_id, _foreign_phone),
    7: (_foreign_phone,),
    **dict.fromkeys((8, 9, 10), (_company, _landline, _foreign_phone)),
    11: (_mobile, _landline, _company, _foreign_phone),
    12: (_landline, _card, _company, _foreign_phone),
    13: (_mobile, _card, _company),
    14: (_card, _company),
    15: (_old_resident_id, _mobile, _card, _company),
    16: (_card, _company),
    17: (_resident_id, _card, _company),
    18: (_resident_id, _company, _card),
    19: (_card,),
}

_KINDS_OF: dict[_Rule, tuple[str, ...]] = {
    _resident_id: ("resident_id", "company_code"),
    _old_resident_id: ("resident_id",),
    _company: ("company_code",),
    _card: ("bank_card",),
    _mobile: ("mobile",),
    _landline: ("landline",),
    _foreign_phone: ("phone",),
    _social_security: ("social_security",),
    _ip_address: ("ip_address",),
}

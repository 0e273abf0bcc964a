"""Addresses in English text: streets with their number, flats, post boxes, and towns with a code.

Each rule is led by a digit or a rare word, so that prose is passed over quickly. What stands before
a digit (a street of the Continent, a state before its ZIP) is read backwards from there.

Source: USPS Publication 28 for suffixes, units, states and military posts; Royal Mail's postcode
areas; Canada Post's addressing guidelines for the letters that its codes leave out.
"""

import re
from collections.abc import Iterator

from lodesmith.prepare.personal_data.given_names import GIVEN_NAMES
from lodesmith.prepare.personal_data.spans import Span

_CAPITAL = r"[A-ZÀ-ÖØ-Þ][\w'’.-]*"
_SUFFIX = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Way|Square|"
    r"Sq|Terrace|Parkway|Pkwy|Highway|Hwy|Circle|Close|Crescent|Walk|Trail|Loop|Plaza|Plz|Alley|"
    r"Turnpike|Expressway|Crossing|Crossroads?|Mews|Gardens|Grove|Row|Wharf|Quay|Route)\b\.?"
)
_FLAT = r"(?:[,\s]{1,3}(?:Apt|Apartment|Suite|Unit|Flat|Floor|Room|#)\.? ?\w{1,6})?"
_TOWN = r"(?:(?:[,\n]{1,2} ?[A-Z][\w' -]{1,30}?)?[,\n]{1,2} ?[A-Z]{2}[,\n]? ?\d{5}(?:-\d{4})?)?"
_STREET = re.compile(
    rf"\d(?<!\d\d)\d{{0,5}}[A-Za-z]?,? (?:[NSEW]\.? )?(?:{_CAPITAL} ){{1,4}}{_SUFFIX}{_FLAT}{_TOWN}"
)
_COPYRIGHT = re.compile(rf"(?:19|20)\d\d(?:, | (?:{'|'.join(sorted(GIVEN_NAMES))})\b)")  # J. Lane
_ROMANCE = (  # what a street is called stands before its name
    r"(?:Rue|rue|Avenue|Boulevard|Place|Chemin|Impasse|Allée|Quai|Via|Viale|Piazza|Corso|Rua|"
    r"Avenida|Praça|Travessa|Largo|Calle|Carrera|Plaza|Paseo|Strada|Bulevar|[Uu]l\.|Ulica)"
)
_OF = rf"(?: (?:d[aeiou]|d[ao]s|de[ils]|dell[aeo]|la|les?|el|l[ao]s|e|y|et|{_CAPITAL})){{0,4}}"
_ROMANCE_STREET = re.compile(
    rf"\d(?<!\d\d)\d{{0,3}}(?: ?bis| ?ter)?,? {_ROMANCE}{_OF} {_CAPITAL}{_FLAT}"
)
_NUMBER_BEHIND = re.compile(r"\d(?<=[^\W\d_] \d)\d{0,3}[A-Za-z]?(?![\w%]|[.,:/-]\d)")
_BEFORE_NUMBER = re.compile(
    rf"\b(?:{_ROMANCE}{_OF} {_CAPITAL}|(?:{_CAPITAL} )?(?:[A-ZÀ-ÖØ-Þ][\w-]{{2,}}"
    r"(?:straße|strasse|gasse|weg|platz|allee|damm|ufer|vej|veien|vegen|gade|stræde|gata|gatan|"
    r"vägen|straat|laan|plein|gracht|ntie|nkatu|nkuja|braut|stígur|gerði)|"
    rf"{_CAPITAL} (?:Straße|Strasse|Allee|Platz|Weg|út|utca|kapu|tér|terrasse|gate))) $"
)
_YEARS = range(1900, 2100)
_ZIP = re.compile(r"\d(?<=[A-Z] \d)\d{4}(?:-\d{4})?(?!\d)")
_BEFORE_ZIP = re.compile(
    rf"(?:{_CAPITAL}(?: {_CAPITAL}){{0,2}},? )?\b(?:A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|"
    r"M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]) $"
)
_INWARD = re.compile(
    r"\d(?<=[A-Z\d] \d)(?:[A-Z]\d|(?!GB|TB|TH|ST|ND|RD)[ABD-HJLNP-UW-Z]{2})(?![A-Za-z\d])"
)
_OUTWARD = re.compile(
    r"(?<![A-Za-z\d])(?:(?:A[BL]|B[ABDHLNRST]?|C[ABFHMORTVW]|D[ADEGHLNTY]|E[CHNX]?|F[KY]|G[LUY]?|"
    r"H[ADGPRSUX]|I[GMPV]|JE|K[ATWY]|L[ADELNSU]?|M[EKL]?|N[EGNPRW]?|O[LX]|P[AEHLOR]|R[GHM]|"
    r"S[AEGKLMNOPRSTWY]?|T[ADFNQRSW]|UB|W[ACDFNRSV]?|YO|ZE)\d[\dA-Z]? (?=[^\d]|$)|"
    r"[ABCEGHJ-NPRSTVXY]\d[A-Z] )$"
)
_REACH = 60  # characters that are read backwards
_MILITARY = re.compile(r"[AaFfDd]PO (?:A[AEP]|a[aep]) \d{5}(?!\d)")
_SHIP = re.compile(r"US[A-Z]{1,3} [A-Z]\w+\n$", re.IGNORECASE)
_POST_BOX = re.compile(
    r"(?:P\.? ?O\.? Box|PSC|Unit) \d{2,6}(?:,? Box \d{2,5})?(?:\n(?:APO|FPO|DPO) [A-Z]{2} \d{5})?",
    re.IGNORECASE,
)
_UNIT = re.compile(r"(?:Apt\.?|Apartment|Suite) (?:\d{2,5}[A-Z]?|\d[A-Z])(?!\w)")
_CORNER = re.compile(
    rf"(?<=corner of )(?:\d+ )?{_CAPITAL}(?: {_CAPITAL}| \d+\.?){{0,4}} and {_CAPITAL}"
    rf"(?: {_CAPITAL}){{0,3}}"
)


def find_english_addresses(text: str) -> Iterator[Span]:
    """Yield streets with their number, post boxes, flats, and towns with a post's code."""
    for pattern in (_STREET, _ROMANCE_STREET):
        for match in pattern.finditer(text):
            if not _COPYRIGHT.match(match[0]):
                yield Span("address", *match.span())
    yield from _find_led_by_numbers(text)
    yield from _find_led_by_words(text)


def _find_led_by_numbers(text: str) -> Iterator[Span]:
    for match in _NUMBER_BEHIND.finditer(text):
        is_year = match[0].isdigit() and int(match[0]) in _YEARS
        if not is_year and (start := _read_back(text, match.start(), _BEFORE_NUMBER)) is not None:
            yield Span("address", start, match.end())
    for pattern, before in ((_ZIP, _BEFORE_ZIP), (_INWARD, _OUTWARD)):
        for match in pattern.finditer(text):
            if (start := _read_back(text, match.start(), before)) is not None:
                yield Span("address", start, match.end())


def _find_led_by_words(text: str) -> Iterator[Span]:
    if "Box" in text or "box" in text:
        yield from (Span("address", *match.span()) for match in _POST_BOX.finditer(text))
    if "PO A" in text or "po a" in text:
        for match in _MILITARY.finditer(text):
            ship = _read_back(text, match.start(), _SHIP)
            yield Span("address", match.start() if ship is None else ship, match.end())
    if "Apt" in text or "Apartment" in text or "Suite" in text:
        yield from (Span("address", *match.span()) for match in _UNIT.finditer(text))
    if "corner of " in text:
        yield from (Span("address", *match.span()) for match in _CORNER.finditer(text))


def _read_back(text: str, end: int, pattern: re.Pattern[str]) -> int | None:
    """Return where a pattern begins that ends at a place; None if it does not end there."""
    first = max(0, end - _REACH)
    match = pattern.search(text[first:end])
    return None if match is None else first + match.start()

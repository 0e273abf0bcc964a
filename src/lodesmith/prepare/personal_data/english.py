"""English names beside a title or a word that says so, and street addresses with their number.

Names in running text are not found: that needs a model (see `plug_ins` in the settings).
"""

import re
from collections.abc import Iterator

from lodesmith.prepare.personal_data.spans import Span

_CAPITAL = r"[A-ZÀ-ÖØ-Þ][\w'’-]+"
_NAME = rf"{_CAPITAL}(?: (?:[A-Z]\.? )?(?:(?:de|da|van|von|der|al|bin) )?{_CAPITAL}){{0,3}}"
_NAMED = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Madam)\.? |\b(?:[Mm]y name is|[Nn]ame:|I am|I'm) )"
    rf"({_NAME})"
)
_NAME_SIGNS = ("Mr", "Ms", "Miss", "Dr", "Prof", "Sir", "Madam", "ame is", "ame:", "I am", "I'm")
_STREET = (
    r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Place|Pl|Way|Square|"
    r"Sq|Terrace|Parkway|Pkwy|Highway|Hwy|Circle|Close|Crescent|Walk)\b\.?"
)
_FLAT = r"(?:,? (?:Apt|Apartment|Suite|Unit|Flat|Floor|Room|#)\.? ?\w{1,6})?"
_TOWN = r"(?:(?:[,\n]{1,2} ?[A-Z][\w' -]{1,30}?)?[,\n]{1,2} ?[A-Z]{2}[,\n]? ?\d{5}(?:-\d{4})?)?"
_ADDRESS = re.compile(
    r"\d(?<!\d\d)\d{0,5}[A-Za-z]?,? (?:[NSEW]\.? )?(?:[A-Z][\w'.-]+ ){1,4}"
    rf"{_STREET}{_FLAT}{_TOWN}"
)
_POST_BOX = re.compile(
    r"(?:P\.? ?O\.? Box|PSC|Unit) \d{2,6}(?:,? Box \d{2,5})?(?:\n(?:APO|FPO|DPO) [A-Z]{2} \d{5})?"
)


def find_english_names(text: str) -> Iterator[Span]:
    """Yield names behind a title or an introduction."""
    if any(sign in text for sign in _NAME_SIGNS):
        yield from (Span("person", *match.span(1)) for match in _NAMED.finditer(text))


def find_english_addresses(text: str) -> Iterator[Span]:
    """Yield numbered streets with what follows them, and post boxes."""
    yield from (Span("address", *match.span()) for match in _ADDRESS.finditer(text))
    if "Box" in text:
        yield from (Span("address", *match.span()) for match in _POST_BOX.finditer(text))

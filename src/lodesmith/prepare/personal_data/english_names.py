"""English names: beside a title or words that say so, and common given names with what follows.

Other names in running text need a model (see `plug_ins` in the settings).
"""

import re
from collections.abc import Iterator

from lodesmith.prepare.personal_data.given_names import GIVEN_NAMES
from lodesmith.prepare.personal_data.spans import Span

_CAPITAL = r"[A-ZÀ-ÖØ-Þ][\w'’-]+"
_PART = rf"(?:[A-Z]\.? )?(?:(?:de|da|van|von|der|al|bin) )?{_CAPITAL}"
_NAME = rf"{_CAPITAL}(?: {_PART}){{0,3}}"
_FULL_NAME = rf"{_CAPITAL}(?: {_PART}){{1,3}}"
_TITLES = r"(?:Mr|Mrs|Ms|Miss|Dr|Prof|Sir|Madam|Capt|Sgt|Lt|Col|Rev|Hon|Judge|Senator|Nurse)\.? "
_KIN = (
    r"(?:father|mother|parent|son|daughter|child|kid|brother|sister|sibling|husband|wife|spouse|"
    r"partner|uncle|aunt|cousin|nephew|niece|boyfriend|girlfriend|friend|colleague)"
)
_NAMED = re.compile(
    rf"(?:\b{_TITLES}|\b(?:[Mm]y name is|[Nn]ame(?:'s|:| is)|[Uu]ser:|I am|I'm|[Tt]his is|"
    r"[Cc]alls? me|[Nn]amed? (?:him|her)|[Aa]ttn:?|ATTN:?|c/o|[Pp]atient|[Cc]lient|"
    rf"{_KIN}(?:'s name)?(?: is| was)?,?(?: called| named)?) +)({_NAME})"
)
_GREETED = re.compile(rf"\b(?:Dear|Hi|Hello|Hey) ({_NAME})(?=[,!.:\n])")
_SIGNED = re.compile(
    r"\b(?:[Ss]incerely(?: yours)?|[Rr]egards|[Bb]est wishes|[Cc]heers|[Yy]ours(?: truly)?|"
    rf"[Ss]igned),?\s{{1,3}}({_NAME})(?=\s*(?:\n|$))"
)
_BY = re.compile(
    r"\b(?:[Dd]irected|[Ww]ritten|[Ss]igned|[Ss]ung|[Pp]roduced|[Cc]omposed|[Aa]pproved|"
    r"[Rr]eviewed|[Pp]repared|[Ss]ubmitted|[Aa]uthored|[Ee]dited|[Aa]ttended|[Rr]eferred) [Bb]y:? +"
    rf"({_FULL_NAME})"
)
_SAID = re.compile(
    rf"(?<=[,.?!]['\"”’] )(?:says|said|explains|explained|asked|replied) ({_FULL_NAME})"
)
_DOES = re.compile(
    rf"\b({_FULL_NAME})(?=,? (?:lives (?:at|in|on)|was born|is married|is an? \d\d|shouted|"
    r"(?:M\.?D|Ph\.?D|Esq|R\.?N)\b))"
)
_NO_NAMES = frozenset((
    "The", "This", "That", "And", "But", "When", "Where", "Why", "How", "What", "Who", "You", "It",
    "He", "She", "There", "None", "If", "Mr", "Mrs", "Ms", "Miss", "Dr", "Prof", "Sir", "Madam",
))  # fmt: skip
_WORD = re.compile(r"[A-Z](?<![\w'’.-][A-Z])[a-z]{1,11}(?![\w-])")
_BEHIND_GIVEN = re.compile(rf"(?: {_PART}){{1,2}}")
_OF_A_PLACE = re.compile(r"(?:\bSt\.?|Saint|Mount|Lake|Port|Fort|Cape|Queen|King|Hurricane) $")
_OF_A_BODY = re.compile(
    r"\b(?:Street|St|Avenue|Ave|Road|Rd|Lane|Drive|Square|Bridge|Bay|Islands?|County|River|Creek|"
    r"University|College|School|Institute|Hospital|Foundation|Prize|Award|Company|Inc|Ltd|Corp|LLC|"
    r"Museum|Theat(?:re|er)|Park|Church|Airport|Stadium|Press|Bible|Act|Town|City)\b"
)
_REACH = 12  # characters beside a given name that tell a place from a person


def find_english_names(text: str) -> Iterator[Span]:
    """Yield names beside a title, a cue or a deed of people, and given names with what follows."""
    for pattern in (_NAMED, _GREETED, _SIGNED, _BY, _SAID, _DOES):
        for match in pattern.finditer(text):
            if match[1].split(" ", 1)[0] not in _NO_NAMES and not match[1].isupper():
                yield Span("person", *match.span(1))
    for match in _WORD.finditer(text):
        if match[0] in GIVEN_NAMES and not _is_place(text, match.start(), match.end()):
            more = _BEHIND_GIVEN.match(text, match.end())
            yield Span("person", match.start(), more.end() if more else match.end())


def _is_place(text: str, start: int, end: int) -> bool:
    """Tell whether a given name stands in the name of a place or of a body."""
    more = _BEHIND_GIVEN.match(text, end)
    after = (more[0] if more else "") + text[(more.end() if more else end) :][:_REACH]
    return bool(
        _OF_A_PLACE.search(text[max(0, start - _REACH) : start])
        or _OF_A_BODY.search(after.partition(",")[0].partition(". ")[0])
    )

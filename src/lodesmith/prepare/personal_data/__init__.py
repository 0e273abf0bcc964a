"""Eighth step: personal data, found by rules and masked, given pseudonyms, or a reason to drop.

What is found is noted by kind and place, in `measures["personal_data"]` and as counts in the
funnel; what was found is written nowhere.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lodesmith.data.documents import Document
from lodesmith.prepare.config import PersonalDataConfig
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.personal_data.chinese import find_chinese_addresses, find_chinese_names
from lodesmith.prepare.personal_data.documents import find_documents
from lodesmith.prepare.personal_data.english_addresses import find_english_addresses
from lodesmith.prepare.personal_data.english_names import find_english_names
from lodesmith.prepare.personal_data.internet import find_internet
from lodesmith.prepare.personal_data.numbers import find_numbers
from lodesmith.prepare.personal_data.plug_ins import PlugIn, load_plug_ins
from lodesmith.prepare.personal_data.pseudonyms import placeholder, pseudonyms
from lodesmith.prepare.personal_data.spans import Span, without_overlaps

_FINDERS: dict[str, tuple[Callable[[str], Iterable[Span]], ...]] = {
    "address": (find_chinese_addresses, find_english_addresses),
    "person": (find_chinese_names, find_english_names),
}


@dataclass(frozen=True, slots=True)
class Masked:
    """A document without personal data, and how many pieces of each kind were found."""

    document: Document
    counts: dict[str, int]
    first: int = 0  # where the first of them stands, in the text before and after
    drop: Drop | None = None  # why the document is to go; it is masked all the same


class PersonalData:
    """The step with its settings: load it once, use it for many documents."""

    def __init__(self, config: PersonalDataConfig) -> None:
        """Read the key and the plug-ins.

        Raises:
            UserError: the key file or a plug-in is not there.
        """
        self.config = config
        self.kinds = frozenset(config.kinds)
        self.plug_ins: Sequence[PlugIn] = load_plug_ins(config.plug_ins)
        self._name: Callable[[str, str], str] = placeholder
        if config.action == "pseudonymise":
            self._name = pseudonyms(config.key())

    def find(self, text: str) -> Sequence[Span]:
        """Return where personal data stands in a text, in order."""
        spans = [
            *find_internet(text, self.kinds),
            *find_numbers(text, self.kinds),
            *find_documents(text, self.kinds),
        ]
        for kind, finders in _FINDERS.items():
            if kind in self.kinds:
                spans.extend(span for find in finders for span in find(text))
        for plug_in in self.plug_ins:
            spans.extend(Span(kind, start, end) for kind, start, end in plug_in(text))
        return without_overlaps(spans)

    def replace(self, text: str, spans: Sequence[Span]) -> str:
        """Return a text with placeholders or pseudonyms in these places."""
        pieces, place = [], 0
        for span in spans:
            pieces += [text[place : span.start], self._name(span.kind, text[span.start : span.end])]
            place = span.end
        return "".join([*pieces, text[place:]])

    def mask_text(self, text: str) -> str:
        """Return a text without personal data."""
        return self.replace(text, self.find(text))

    def mask_excerpt(self, text: str, start: int, end: int) -> tuple[str, bool]:
        """Return a part of a text without personal data, and whether there is any in the whole.

        What the part's ends would cut through is shown as a whole, masked.
        """
        spans = self.find(text)
        inside = [span for span in spans if span.end > start and span.start < end]
        if inside:
            start, end = min(start, inside[0].start), max(end, inside[-1].end)
        moved = [Span(span.kind, span.start - start, span.end - start) for span in inside]
        return self.replace(text[start:end], moved), bool(spans)

    def mask(self, document: Document) -> Masked:
        """Return a document without personal data, and what to note of it."""
        spans = self.find(document.text)
        title = self.mask_text(document.title)
        headings = [self.mask_text(heading) for heading in document.headings]
        changed: dict[str, Any] = {"title": title, "headings": headings}
        if spans:
            places = [[span.kind, span.start, span.end] for span in spans]
            changed["text"] = self.replace(document.text, spans)
            changed["measures"] = {**document.measures, "personal_data": places}
        counts = dict(Counter(span.kind for span in spans))
        drop = Drop("personal data", len(spans), 0) if spans and self._drops else None
        first = spans[0].start if spans else 0
        return Masked(replace(document, **changed), counts, first, drop)

    @property
    def _drops(self) -> bool:
        return self.config.action == "drop"

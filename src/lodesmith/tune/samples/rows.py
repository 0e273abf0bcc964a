"""A conversation to learn from, wherever it came from, and what was left out on the way."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from lodesmith.data.chat import Message

HELP_ORIGIN = "help pages"  # question-answer pairs made from headings


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One conversation; it ends with the assistant."""

    messages: tuple[Message, ...]
    origin: str  # source and file, or the document that it was made from
    source: str  # name of the recipe's source, or HELP_ORIGIN
    language: str  # ISO 639-1 code, "und" where unknown

    def to_json(self) -> str:
        """Return the row as one line of JSON, without the line's end."""
        data = {"messages": self.messages, "origin": self.origin, "language": self.language}
        return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


@dataclass(slots=True)
class Harvest:
    """Rows as they are found, and records left out by reason."""

    rows: list[Row] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    def drop(self, reason: str, *, note: str = "", count: int = 1) -> None:
        """Count records that are left out, with a note for people where one of them is a fault."""
        self.dropped[reason] += count
        if note:
            self.notes.append(note)

    def merge(self, other: "Harvest") -> None:
        """Add what another harvest holds."""
        self.rows.extend(other.rows)
        self.dropped.update(other.dropped)
        self.notes.extend(other.notes)


def exchange(question: str, answer: str) -> tuple[Message, ...]:
    """Return one question of the user and the assistant's answer."""
    return (
        {"role": "user", "content": question.strip()},
        {"role": "assistant", "content": answer.strip()},
    )


def guess_language(messages: Iterable[Message]) -> str:
    """Return "zh" where a fifth of the letters are Han, "en" where all are ASCII, else "und".

    A count by language wants no more than that; texts are not left out by it.
    """
    letters = [letter for message in messages for letter in message["content"] if letter.isalpha()]
    num_han = sum("\u4e00" <= letter <= "\u9fff" for letter in letters)
    if num_han * 5 >= len(letters) > 0:
        return "zh"
    return "en" if all(letter.isascii() for letter in letters) else "und"


def drop_duplicates(harvest: Harvest) -> None:
    """Keep the first of rows that say the same but for letter case and white space."""
    seen: set[str] = set()
    kept = []
    for row in harvest.rows:
        said = [[entry["role"], *entry["content"].casefold().split()] for entry in row.messages]
        key = json.dumps(said, ensure_ascii=False)
        if key in seen:
            harvest.drop("duplicate")
            continue
        seen.add(key)
        kept.append(row)
    harvest.rows[:] = kept

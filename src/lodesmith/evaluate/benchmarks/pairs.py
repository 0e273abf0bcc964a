"""Texts with what is scored in them, as rows of tokens that fit a model's window."""

from collections.abc import Sequence
from dataclasses import dataclass

from lodesmith.evaluate.scoring.rows import Row
from lodesmith.evaluate.scoring.scoring import Subject, start_of_text


@dataclass(frozen=True, slots=True)
class Pair:
    """A text, and what is scored behind it."""

    context: str
    scored: str
    asked: str = ""  # beginning of both together that may be cut where they are too long
    question: int | None = None  # pairs of one question are cut alike


@dataclass(frozen=True, slots=True)
class _Encoded:
    ids: list[int]
    first: int  # token that is scored
    num_asked: int  # tokens that may be cut from the left

    def cut(self, left: int, right: int) -> Row:
        """Return the row without so many tokens of either end."""
        kept = self.ids[left : len(self.ids) - right]
        return Row(input_ids=kept, first=max(1, min(self.first - left, len(kept))))


def encode_pairs(subject: Subject, pairs: Sequence[Pair]) -> list[Row]:
    """Return a row for each text and what is scored behind it.

    Both are encoded as one text, spaces between them with the second, as lm-evaluation-harness
    does. Where that is too long for the model's window it is cut from the left, then from the
    right, and all answers of one question alike, so that they are compared in the same text.
    """
    encoded = _encode(subject, pairs)
    members: dict[int, list[int]] = {}  # question -> places of its pairs
    for place, pair in enumerate(pairs):
        alone = -1 - place
        members.setdefault(alone if pair.question is None else pair.question, []).append(place)
    rows: list[Row | None] = [None] * len(pairs)
    for places in members.values():
        some = [encoded[place] for place in places]
        too_many = max(0, max(len(one.ids) for one in some) - subject.window - 1)
        left = min(too_many, *(one.num_asked for one in some))
        for place, one in zip(places, some, strict=True):
            rows[place] = one.cut(left, too_many - left)
    return [row for row in rows if row is not None]


def _encode(subject: Subject, pairs: Sequence[Pair]) -> list[_Encoded]:
    tokenizer, start = subject.tokenizer, list(start_of_text(subject.tokenizer))
    moved = [_move_spaces(pair.context, pair.scored) for pair in pairs]
    texts = list(dict.fromkeys([context for context, _ in moved] + [pair.asked for pair in pairs]))
    lengths = {
        text: len(ids) for text, ids in zip(texts, tokenizer.encode_batch(texts), strict=True)
    }
    wholes = tokenizer.encode_batch([context + scored for context, scored in moved])
    encoded = []
    for pair, (context, _), ids in zip(pairs, moved, wholes, strict=True):
        first = min(lengths[context], len(ids))
        asked = max(first, min(lengths[pair.asked], len(ids)))
        if first:
            encoded.append(_Encoded(ids, first, max(asked - 1, 0)))
        else:
            encoded.append(_Encoded([*start, *ids], len(start), max(len(start) + asked - 1, 0)))
    return encoded


def _move_spaces(context: str, scored: str) -> tuple[str, str]:
    num_spaces = len(context) - len(context.rstrip())
    if not num_spaces:
        return context, scored
    return context[:-num_spaces], context[-num_spaces:] + scored

"""Reads conversations in OpenAI's form: JSON with `messages`, one a line or all in one list."""

from collections.abc import Iterator, Sequence
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.data.chat import Message, check_messages
from lodesmith.data.entries import parse_entries
from lodesmith.tune.samples.rows import Harvest, Row, guess_language

_MAY_FOLLOW = {
    "system": (None,),
    "user": (None, "system", "assistant"),
    "assistant": ("user", "tool"),
    "tool": ("assistant", "tool"),
}
"""Role -> the roles that may come right before it; None stands for the beginning."""


def read_messages(payload: bytes, *, name: str, source: str) -> Harvest:
    """Return the conversations of a `.jsonl` or `.json` file.

    Args:
        payload: the file's bytes.
        name: for messages and origins.
        source: name of the recipe's source.

    Raises:
        UserError: naming file and line: not JSON, no `messages`, or roles out of order.
    """
    harvest = Harvest()
    for place, entry in _entries(payload, name):
        messages = _check(entry, place)
        language = entry.get("language")
        harvest.rows.append(
            Row(
                messages=messages,
                origin=place,
                source=source,
                language=language if isinstance(language, str) else guess_language(messages),
            )
        )
    return harvest


def _entries(payload: bytes, name: str) -> Iterator[tuple[str, Any]]:
    try:
        text = payload.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    for line, entry in parse_entries(text, name=name):
        yield f"{name}:{line}", entry


def _check(entry: Any, place: str) -> tuple[Message, ...]:
    messages = entry.get("messages") if isinstance(entry, dict) else None
    if not isinstance(messages, list) or not all(isinstance(item, dict) for item in messages):
        raise UserError(f'{place}: has no "messages", a list of {{"role", "content"}}')
    return check_turns(messages, place)


def check_turns(
    messages: Sequence[Message], place: str, *, ends_with: Sequence[str] = ("assistant",)
) -> tuple[Message, ...]:
    """Return a conversation whose turns are in order.

    Args:
        messages: of any shape.
        place: file and line, for the message.
        ends_with: the roles that may speak last.

    Raises:
        UserError: naming place and message: a wrong role or content, or turns out of order.
    """
    try:
        check_messages(messages)
    except UserError as error:
        raise UserError(f"{place}: {error}") from None
    before: str | None = None
    for number, message in enumerate(messages):
        role = message["role"]
        if before not in _MAY_FOLLOW[role]:
            raise UserError(
                f"{place}: messages[{number}] is the {role}'s, after "
                f"{before or 'nothing'}; user and assistant take turns, "
                "the user first"
            )
        before = role
    if before not in ends_with:
        raise UserError(
            f"{place}: the last message is the {before}'s; it must be the "
            f"{' or '.join(ends_with)}'s"
        )
    return tuple({"role": item["role"], "content": item["content"]} for item in messages)

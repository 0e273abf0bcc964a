"""One record to learn from, in whichever of the known forms it was written.

Which form a record has, its fields say:

messages                               OpenAI's chat; with `label`, one rated answer (KTO)
conversations                          ShareGPT; with `chosen` and `rejected`, two answers
prompt + completion [+ label]          a question and an answer, rated or not
prompt + chosen + rejected             a question and two answers; without prompt both are chats
instruction [+ input] + output         Alpaca; with `chosen` and `rejected`, two answers
question + answer                      a question whose right answer is known (`#### 42` at its end)
text                                   plain text

Whatever it was, it becomes messages, so that the rest of the room knows one form only.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.data.chat import Message
from lodesmith.data.rows import name_value
from lodesmith.tune.samples.files import read_records
from lodesmith.tune.samples.messages import check_turns
from lodesmith.tune.samples.tools import flatten_tools, text_of

FORMS = ("chat", "pair", "rated", "question", "text")


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """One record."""

    origin: str  # file and line
    messages: tuple[Message, ...] = ()  # ends with the assistant; of a pair: with the question
    chosen: str | None = None  # of a pair: the better answer
    rejected: str | None = None  # of a pair: the worse answer
    label: bool | None = None  # of a rated answer: whether it is good
    reference: str | None = None  # of a question: what a right answer ends with
    text: str | None = None

    @property
    def form(self) -> str:
        """Return which of `FORMS` it is."""
        given = {"pair": self.chosen, "rated": self.label, "question": self.reference}
        found = next((form for form, value in given.items() if value is not None), None)
        return found or ("chat" if self.text is None else "text")

    def to_json(self) -> str:
        """Return the sample as one line of JSON, without the line's end."""
        names = ("messages", "chosen", "rejected", "label", "reference", "text", "origin")
        data = {name: getattr(self, name) for name in names}
        kept = {name: value for name, value in data.items() if value not in (None, ())}
        return json.dumps({"messages": [], **kept}, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line: str) -> "Sample":
        """Return the sample that `to_json` gave, or a row that the flat `tune` section stored."""
        data = json.loads(line)
        known = {name: data[name] for name in cls.__slots__ if name in data}
        return cls(**{**known, "messages": tuple(data["messages"])})


def read_samples(paths: Iterable[Path]) -> Iterator[Sample]:
    """Yield the records of files.

    Raises:
        UserError: naming file and line: a record of no known form, or roles out of order.
    """
    for path in paths:
        for place, entry in read_records(path):
            yield parse_sample(entry, place)


def parse_sample(entry: Any, place: str) -> Sample:
    """Return a record as a sample.

    Raises:
        UserError: its fields are of no known form, or wrong.
    """
    if not isinstance(entry, dict):
        raise UserError(f"{place}: is {name_value(entry)}; a record is an object with fields")
    fields = set(entry)
    for needed, parse in _FORMS:
        if needed <= fields:
            return parse(entry, place)
    shown = ", ".join(sorted(map(str, fields))) or "(none)"
    raise UserError(
        f"{place}: the record has the fields {shown}, which is no form known here; give "
        "`messages`, `conversations`, `instruction` and `output`, `prompt` and `completion`, "
        "`chosen` and `rejected`, `question` and `answer`, or `text`"
    )


def _chat(entry: Mapping[str, Any], place: str) -> Sample:
    return Sample(
        origin=place,
        messages=check_turns(_turns(entry, place), place),
        label=_label(entry, place) if "label" in entry else None,
    )


def _pair(entry: Mapping[str, Any], place: str) -> Sample:
    asked = _turns(entry, place)
    answers = {}
    for side in ("chosen", "rejected"):
        before, answer = _answer(entry[side], f"{place}: {side}")
        if before:  # the whole conversation stands on both sides
            asked = asked or before
            if before != asked:
                raise UserError(f"{place}: chosen and rejected answer different questions")
        answers[side] = answer
    if answers["chosen"] == answers["rejected"]:
        raise UserError(f"{place}: chosen and rejected are the same answer; remove the record")
    messages = check_turns(asked, place, ends_with=("user", "tool"))
    return Sample(
        origin=place, messages=messages, chosen=answers["chosen"], rejected=answers["rejected"]
    )


def _question(entry: Mapping[str, Any], place: str) -> Sample:
    question, answer = (_string(entry, name, place) for name in ("question", "answer"))
    reference = answer.rpartition("####")[2].strip()
    turns = [_message("user", question), _message("assistant", answer)]
    return Sample(origin=place, messages=check_turns(turns, place), reference=reference)


def _text(entry: Mapping[str, Any], place: str) -> Sample:
    return Sample(origin=place, text=_string(entry, "text", place))


_FORMS: tuple[tuple[set[str], Callable[[Mapping[str, Any], str], Sample]], ...] = (
    ({"chosen", "rejected"}, _pair),
    ({"messages"}, _chat),
    ({"conversations"}, _chat),
    ({"prompt", "completion"}, _chat),
    ({"instruction", "output"}, _chat),
    ({"question", "answer"}, _question),
    ({"text"}, _text),
)
"""The fields that tell a form, the most telling first."""


def holds_chats(fields: Set[str]) -> bool:
    """Tell whether a record of these fields is a conversation, or a question with its answer."""
    return any(form <= fields for form, read in _FORMS if read in (_chat, _question))


_SHAREGPT_ROLES = {
    "human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant",
    "system": "system", "observation": "tool", "tool": "tool", "function_response": "tool",
}  # fmt: skip


def _turns(entry: Mapping[str, Any], place: str) -> list[Message]:
    """Return the messages of a record, the system's first; an empty list if it has none."""
    if "messages" in entry:
        turns = flatten_tools(entry["messages"], place)
    elif "conversations" in entry:
        turns = [_sharegpt_turn(turn, place) for turn in _list(entry["conversations"], place)]
    elif "instruction" in entry:
        turns = list(_alpaca_turns(entry, place))
    elif isinstance(entry.get("prompt"), list):
        turns = flatten_tools(entry["prompt"], place)
    else:
        turns = [_message("user", _string(entry, "prompt", place))] if "prompt" in entry else []
    if isinstance(entry.get("completion"), str | list):
        turns.append(_message("assistant", _answer(entry["completion"], place)[1]))
    system = text_of(entry.get("system"), entry.get("tools"), place)
    if not system:
        return turns
    if turns and turns[0]["role"] == "system":
        system = f"{turns.pop(0)['content']}\n\n{system}"
    return [_message("system", system), *turns]


def _sharegpt_turn(turn: Any, place: str) -> Message:
    speaker = turn.get("from") if isinstance(turn, dict) else None
    value = turn.get("value") if isinstance(turn, dict) else None
    if not isinstance(value, str):
        raise UserError(f'{place}: a turn of `conversations` needs "from" and a text as "value"')
    if speaker == "function_call":
        return _message("assistant", f"<tool_call>\n{value.strip()}\n</tool_call>")
    if speaker not in _SHAREGPT_ROLES:
        raise UserError(
            f"{place}: a turn is from {speaker!r}; known are {', '.join(_SHAREGPT_ROLES)} and "
            "function_call"
        )
    return _message(_SHAREGPT_ROLES[speaker], value)


def _alpaca_turns(entry: Mapping[str, Any], place: str) -> Iterator[Message]:
    for pair in _list(entry.get("history") or [], place):
        if not isinstance(pair, list) or len(pair) != 2:
            raise UserError(f"{place}: history must be a list of pairs: question, answer")
        yield from map(_message, ("user", "assistant"), pair)
    more = _string(entry, "input", place) if entry.get("input") is not None else ""
    instruction = _string(entry, "instruction", place)
    yield _message("user", f"{instruction}\n\n{more}" if more else instruction)
    if "output" in entry and "chosen" not in entry:
        yield _message("assistant", _string(entry, "output", place))


def _answer(value: Any, place: str) -> tuple[list[Message], str]:
    """Return the messages before an answer, if they stand with it, and the answer."""
    if isinstance(value, str):
        return [], value
    if isinstance(value, dict):
        turn = _sharegpt_turn(value, place) if "from" in value else flatten_tools([value], place)[0]
        return [], turn["content"]
    turns = flatten_tools(value, place)
    if not turns or turns[-1]["role"] != "assistant":
        raise UserError(f"{place}: is neither a text nor messages that end with the assistant's")
    return turns[:-1], turns[-1]["content"]


def _label(entry: Mapping[str, Any], place: str) -> bool:
    if not isinstance(entry["label"], bool):
        raise UserError(
            f"{place}: label is {entry['label']!r}; it is true for a good answer, false for a bad "
            "one"
        )
    return bool(entry["label"])


def _message(role: str, content: Any) -> Message:
    return {"role": role, "content": content}


def _string(entry: Mapping[str, Any], name: str, place: str) -> str:
    value = entry[name]
    if not isinstance(value, str):
        raise UserError(f"{place}: {name} is {name_value(value)}; it must be text")
    return value


def _list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, list):
        raise UserError(f"{place}: a conversation must be a list of turns")
    return value

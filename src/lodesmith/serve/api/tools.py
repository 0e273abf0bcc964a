"""Calls of tools in an answer: the grammar that they are held to, and their way back into JSON.

The form is the one that Hermes and Qwen models are trained on, and that their templates show:

    <tool_call>
    {"name": "get_weather", "arguments": {"city": "Paris"}}
    </tool_call>

As the grammar fixes every letter around name and arguments, the reader need not guess: it follows
text as it comes, however many tokens one step brings, and passes arguments on unchanged.
"""

import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from lodesmith.serve.api.chat_messages import FunctionBody, NamedTool, ToolBody, ToolChoice
from lodesmith.serve.api.guides import json_rule

OPEN, CLOSE = "<tool_call>", "</tool_call>"
_BEFORE_NAME, _BEFORE_ARGUMENTS = '\n{"name": "', '", "arguments": '
_NO_ARGUMENTS = {"type": "object", "properties": {}, "additionalProperties": False}


def tool_grammar(tools: Sequence[ToolBody], choice: ToolChoice, *, parallel: bool) -> str:
    """Return the Lark grammar of answers that may (auto) or must (else) call tools.

    Args:
        tools: what may be called.
        choice: any but none; a named tool must be called once.
        parallel: whether several calls may stand in one answer.

    Raises:
        UserError: a keyword of a schema cannot be enforced.
    """
    if isinstance(choice, NamedTool):
        tools = [tool for tool in tools if tool.function.name == choice.function.name]
        parallel = False
    rules = [_call_rule(number, tool.function) for number, tool in enumerate(tools)]
    names = " | ".join(f"body_{number}" for number in range(len(tools)))
    if choice == "auto":
        start = "start: call* text" if parallel else "start: call | text"
        head = f"head[lazy]: TEXT {json.dumps(OPEN)}\ntext: TEXT\nTEXT: /(.|\\n)*/"
        opening = "head"
    else:
        start = f"start: call{' (NEWLINE call)*' if parallel else ''}"
        head, opening = 'NEWLINE: "\\n"', json.dumps(OPEN)
    call = f"call: {opening} body {json.dumps(chr(10) + CLOSE)}\nbody: {names}"
    return "\n".join([start, head, call, *rules]) + "\n"


def _call_rule(number: int, function: FunctionBody) -> str:
    before = f"{_BEFORE_NAME}{function.name}{_BEFORE_ARGUMENTS}"
    schema = {"type": "object", **(function.parameters or _NO_ARGUMENTS)}
    return f'body_{number}: {json.dumps(before)} json_{number} "}}"\n' + (
        f"json_{number}: {json_rule(schema)}"
    )


@dataclass(slots=True)
class CallDelta:
    """What is new of one call."""

    index: int
    id: str | None = None  # with the first delta of a call
    name: str | None = None
    arguments: str = ""

    def as_json(self, *, whole: bool = False) -> dict[str, object]:
        """Return it in the form of OpenAI's reference; a whole call has no index."""
        function = {"name": self.name} if self.name is not None else {}
        head = {"id": self.id, "type": "function"} if self.id is not None else {}
        place = {} if whole else {"index": self.index}
        return {**place, **head, "function": {**function, "arguments": self.arguments}}


@dataclass(slots=True)
class _Nesting:
    """How deep in a JSON object the reader is."""

    depth: int = 0
    in_string: bool = False
    escaped: bool = False

    def find_end(self, text: str) -> int | None:
        """Return the number of characters up to the object's end, None if it goes on."""
        for place, letter in enumerate(text, start=1):
            if self.in_string:
                self.in_string = self.escaped or letter != '"'
                self.escaped = letter == "\\" and not self.escaped
            elif letter == '"':
                self.in_string = True
            elif letter in "{[":
                self.depth += 1
            elif letter in "}]":
                self.depth -= 1
                if not self.depth:
                    return place
        return None


@dataclass(slots=True)
class ToolReader:
    """Splits one answer's text into what is said and what is called."""

    num_calls: int = 0
    _rest: str = ""
    _reads: str = "text"  # what the rest begins with: text, name, arguments or end
    _nesting: _Nesting = field(default_factory=_Nesting)

    def push(self, text: str) -> tuple[str, list[CallDelta]]:
        """Return the words and the parts of calls that this text completes."""
        self._rest += text
        said: list[str] = []
        deltas: dict[int, CallDelta] = {}
        for part in self._parts():
            if isinstance(part, str):
                said.append(part)
            elif part.index in deltas:
                deltas[part.index].arguments += part.arguments
            else:
                deltas[part.index] = part
        return "".join(said), list(deltas.values())

    def finish(self) -> str:
        """Return words that were held back because a call might have followed."""
        held = self._rest if self._reads == "text" else ""
        self._rest = ""
        return held.lstrip() if self.num_calls else held

    def _parts(self) -> Iterator[str | CallDelta]:
        while True:
            reads = self._reads
            if reads == "text":
                yield from self._read_text()
            elif reads == "name":
                yield from self._read_name()
            elif reads == "arguments":
                yield from self._read_arguments()
            elif CLOSE in self._rest:
                self._rest = self._rest.partition(CLOSE)[2]
                self._reads = "text"
            if self._reads == reads:  # nothing more can be told yet
                return

    def _read_text(self) -> Iterator[str]:
        before, opened, after = self._rest.partition(OPEN)
        if opened:
            self._rest, self._reads = after, "name"
            yield before.strip() if self.num_calls else before.rstrip()
            return
        held = _held_back(before)
        shown, self._rest = before[: len(before) - held], before[len(before) - held :]
        yield shown.lstrip() if self.num_calls else shown

    def _read_name(self) -> Iterator[CallDelta]:
        before, found, after = self._rest.partition(_BEFORE_ARGUMENTS)
        if found:
            name = before.removeprefix(_BEFORE_NAME)
            self._rest, self._reads, self._nesting = after, "arguments", _Nesting()
            yield CallDelta(self.num_calls, id=f"call_{uuid.uuid4().hex}", name=name)
            self.num_calls += 1

    def _read_arguments(self) -> Iterator[CallDelta]:
        end = self._nesting.find_end(self._rest)
        arguments = self._rest if end is None else self._rest[:end]
        self._rest = self._rest[len(arguments) :]
        if end is not None:
            self._reads = "end"
        if arguments:
            yield CallDelta(self.num_calls - 1, arguments=arguments)


def _held_back(text: str) -> int:
    """Return how many characters at the end may belong to a call: spaces, the start of a tag."""
    tag = next((n for n in range(len(OPEN) - 1, 0, -1) if text.endswith(OPEN[:n])), 0)
    before = text[: len(text) - tag]
    return len(before) - len(before.rstrip()) + tag

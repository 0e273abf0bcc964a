"""Messages to token ids: ChatML for our own models, a checkpoint's own template for others.

A model is asked in exactly the ids that it was trained on: `render_prompt` of the first messages
is a prefix of `render_training` of all of them. Names of special tokens inside a message are
encoded as the plain text that they are; only the template can write a special token.

Source: ChatML as published with OpenAI's chat models and used by Qwen; the rules for rendering a
template are those of the Hugging Face documentation, "Chat templates".
"""

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from lodesmith.core.errors import UserError
from lodesmith.data.rows import name_value
from lodesmith.data.tokenizer import MESSAGE_END, MESSAGE_START, Tokenizer

if TYPE_CHECKING:
    import jinja2

CHAT_TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] | trim"
    " + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
ROLES = ("system", "user", "assistant", "tool")


class Message(TypedDict):
    """One turn of a conversation."""

    role: str
    content: str
    tool_calls: NotRequired[Sequence[Mapping[str, Any]]]  # of the assistant, as templates read them
    tool_call_id: NotRequired[str]  # of a tool: which call it answers


def render_prompt(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
) -> list[int]:
    """Return the ids that ask a model for the next answer, by the template of its folder.

    Args:
        tokenizer: of the model.
        messages: the conversation so far.
        tools: functions that the model is told of, in the form of OpenAI's API.

    Raises:
        UserError: the messages or their roles are wrong, or the model has no template.
    """
    check_messages(messages)
    names, mark, hidden, tools = _hide_all(tokenizer, messages, tools)
    return _encode_hidden(tokenizer, _render(tokenizer, hidden, tools=tools), names, mark)


def _hide_all(
    tokenizer: Tokenizer, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]] = ()
) -> tuple[list[str], str, list[Message], Sequence[Mapping[str, Any]]]:
    """Return special tokens' names, a mark, and messages and tools with it inside these names."""
    if tokenizer.chat_template is None:
        raise UserError(
            "this model has no chat template, so it cannot take messages; "
            "ask for plain completions, or use a model that was tuned for chat"
        )
    names = [name for name in tokenizer.special_ids if len(name) > 1]
    mark = _unused_letter([tokenizer.chat_template, *_texts_in([*messages, *tools])])
    return names, mark, _hide(messages, names, mark), _hide(tools, names, mark)


def _encode_hidden(tokenizer: Tokenizer, text: str, names: list[str], mark: str) -> list[int]:
    """Return the ids of a rendered text, in which marked names are the text that they are."""
    if mark not in text:  # the usual case: no message holds the name of a special token
        return tokenizer.encode(text, allow_special=True)
    ids: list[int] = []
    for piece in _cut(text, names):
        special = tokenizer.special_ids.get(piece)
        ids.extend(tokenizer.encode(piece.replace(mark, "")) if special is None else [special])
    return ids


def render_training(
    tokenizer: Tokenizer, messages: Sequence[Message]
) -> tuple[list[int], list[bool]]:
    """Return the ids of a conversation in our ChatML, and on which of them the loss falls.

    The loss falls on what the assistant says and on the <|im_end|> behind it.

    Raises:
        UserError: the messages are wrong, none is the assistant's, or the tokenizer is not ours.
    """
    check_messages(messages)
    if all(message["role"] != "assistant" for message in messages):
        raise UserError("a conversation to learn from needs a message of the assistant")
    start, end = tokenizer.token_id(MESSAGE_START), tokenizer.token_id(MESSAGE_END)
    if start is None or end is None:
        raise UserError(f"the tokenizer has no {MESSAGE_START} and {MESSAGE_END}; train one here")
    newline = tokenizer.encode("\n")
    ids: list[int] = []
    loss_mask: list[bool] = []
    for message in messages:
        header, learned = f"{message['role']}\n", message["role"] == "assistant"
        body = tokenizer.encode(header + message["content"].strip())
        num_header = len(tokenizer.encode(header))
        ids += [start, *body, end, *newline]
        loss_mask += [False] * (1 + num_header)
        loss_mask += [learned] * (len(body) - num_header + 1)
        loss_mask += [False] * len(newline)
    return ids, loss_mask


def render_training_by_template(
    tokenizer: Tokenizer, messages: Sequence[Message]
) -> tuple[list[int], list[bool]]:
    """Return the ids of a conversation in the template of the model's folder, and where loss falls.

    The loss falls on what the template writes after asking for an answer, to the last special token
    of it: that is what the model will have to say itself.

    Raises:
        UserError: the messages are wrong, or the template is missing, refuses them, or writes a
            conversation otherwise than the prompt before it.
    """
    check_messages(messages)
    names, mark, hidden, _ = _hide_all(tokenizer, messages)
    ids: list[int] = []
    loss_mask: list[bool] = []
    told = ""
    for number, message in enumerate(hidden):
        if message["role"] != "assistant":
            continue
        asked = _render(tokenizer, hidden[:number])
        full = _render(tokenizer, hidden[: number + 1], asks=False)
        if not (asked.startswith(told) and full.startswith(asked) and len(full) > len(asked)):
            raise UserError(
                f"the model's chat template writes the answer messages[{number}] otherwise than "
                "after the prompt before it, so it cannot be learnt; set template: own"
            )
        for piece, learned in ((asked[len(told) :], False), (full[len(asked) :], True)):
            encoded = _encode_hidden(tokenizer, piece, names, mark)
            ids += encoded
            loss_mask += [learned] * _answer_length(tokenizer, encoded)
            loss_mask += [False] * (len(ids) - len(loss_mask))
        told = full
    if not any(loss_mask):
        raise UserError("a conversation to learn from needs a message of the assistant")
    return ids, loss_mask


def _answer_length(tokenizer: Tokenizer, ids: list[int]) -> int:
    """Return how many ids an answer has up to its last special token; all if it has none."""
    special = set(tokenizer.special_ids.values())
    return max((place + 1 for place, number in enumerate(ids) if number in special),
               default=len(ids))  # fmt: skip


def check_messages(messages: Sequence[Message]) -> None:
    """Check the shape and the roles of a conversation.

    Raises:
        UserError: naming the first message that is wrong.
    """
    if not messages:
        raise UserError("messages is empty; send at least one message of the user")
    for number, message in enumerate(messages):
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            raise UserError(
                f"messages[{number}].role is {role!r}; it must be one of {', '.join(ROLES)}"
            )
        if not isinstance(content, str):
            raise UserError(f"messages[{number}].content is {name_value(content)}; it must be text")
        if role == "system" and number > 0:
            raise UserError(f"messages[{number}] is a system message; it can only come first")


def _unused_letter(texts: Sequence[str]) -> str:
    """Return a private-use character that none of the texts holds."""
    used = set().union(*texts)
    return next(chr(code) for code in range(0xE000, 0xF900) if chr(code) not in used)


def _texts_in(value: Any) -> Iterator[str]:
    """Yield all texts inside JSON data."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from _texts_in([*value, *value.values()])
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _texts_in(part)


def _hide(value: Any, names: list[str], mark: str) -> Any:
    """Return JSON data with a mark inside each name of a special token, so none is read."""
    if isinstance(value, str):
        for name in names:
            value = value.replace(name, name[0] + mark + name[1:])
        return value
    if isinstance(value, Mapping):
        return {_hide(key, names, mark): _hide(part, names, mark) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_hide(part, names, mark) for part in value]
    return value


def _cut(text: str, names: list[str]) -> list[str]:
    """Return the text in pieces, each name of a special token a piece of its own."""
    longest_first = sorted(names, key=len, reverse=True)
    pattern = "|".join(re.escape(name) for name in longest_first)
    return [piece for piece in re.split(f"({pattern})", text) if piece]


def _render(
    tokenizer: Tokenizer,
    messages: Sequence[Message],
    *,
    tools: Sequence[Mapping[str, Any]] = (),
    asks: bool = True,
) -> str:
    import jinja2

    try:
        template = _compile(tokenizer.chat_template or "")
        return template.render(
            messages=messages, tools=tools or None, documents=None, add_generation_prompt=asks,
            **tokenizer.settings.special_texts,
        )  # fmt: skip
    except jinja2.TemplateError as error:
        raise UserError(f"the model's chat template refuses these messages: {error}") from None


@lru_cache(maxsize=8)
def _compile(template: str) -> "jinja2.Template":
    """Return a template in a sandbox that offers what transformers offers to templates."""
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """Reads `{% generation %}`, which marks the assistant's words, as its content."""

        tags = {"generation"}  # noqa: RUF012 jinja2 declares it so

        def parse(self, parser: Any) -> list[nodes.Node]:
            next(parser.stream)
            body: list[nodes.Node] = parser.parse_statements(
                ("name:endgeneration",), drop_needle=True
            )
            return body

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = _strftime_now
    return environment.from_string(template)


def _raise_exception(message: str) -> None:
    import jinja2

    raise jinja2.TemplateError(message)


def _strftime_now(form: str) -> str:
    return datetime.datetime.now().astimezone().strftime(form)


def _to_json(value: Any, *, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)

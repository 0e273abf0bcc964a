"""Tool calls as plain text, so that any template can write them and any tokenizer learns them.

A call stands in the assistant's words as `<tool_call>` with one JSON object, its result is the
message of the role `tool`, and the tools on offer stand in the system's message.
"""

import json
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.data.chat import Message
from lodesmith.data.rows import name_value

_OFFER = (
    "These tools can be called, each described by a JSON schema:\n{tools}\n"
    "A call is one JSON object with name and arguments between <tool_call> and </tool_call>."
)


def text_of(system: Any, tools: Any, place: str) -> str:
    """Return the system's words with the tools on offer; "" if there is neither.

    Raises:
        UserError: the tools are no list, nor the JSON of one.
    """
    said = system.strip() if isinstance(system, str) else ""
    if isinstance(tools, str) and tools.strip():
        try:
            tools = json.loads(tools)
        except json.JSONDecodeError as error:
            raise UserError(f"{place}: tools is not JSON ({error.msg})") from None
    if not tools:
        return said
    if not isinstance(tools, list):
        raise UserError(f"{place}: tools is {name_value(tools)}; it must be a list")
    offer = _OFFER.format(tools="\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools))
    return f"{said}\n\n{offer}" if said else offer


def flatten_tools(messages: Any, place: str) -> list[Message]:
    """Return messages of OpenAI's form with the assistant's `tool_calls` as text.

    Raises:
        UserError: they are no list of objects with role and content.
    """
    if not isinstance(messages, list) or not all(isinstance(item, dict) for item in messages):
        raise UserError(f'{place}: has no "messages", a list of {{"role", "content"}}')
    return [{"role": item.get("role", ""), "content": _content(item, place)} for item in messages]


def _content(message: dict[str, Any], place: str) -> Any:
    calls, content = message.get("tool_calls"), message.get("content")
    if not calls or not isinstance(content, str | None):
        return content
    try:
        written = [_write_call(call["function"]) for call in calls]
    except json.JSONDecodeError as error:
        raise UserError(f"{place}: arguments of a tool call are not JSON ({error})") from None
    except (KeyError, TypeError):
        raise UserError(
            f'{place}: tool_calls must be a list of {{"function": {{"name", "arguments"}}}}'
        ) from None
    return "\n".join([content, *written] if content else written)


def _write_call(function: dict[str, Any]) -> str:
    arguments = function["arguments"]
    if isinstance(arguments, str):
        arguments = json.loads(arguments)
    call = json.dumps({"name": function["name"], "arguments": arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"

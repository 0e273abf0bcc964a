"""Bodies of requests in vLLM's words, and what vLLM answers in ours.

The same grammars hold an answer to a form as with our engine: vLLM's `guidance` compiles them too.
"""

import re
from typing import Any

from lodesmith.serve.answers.requests import grammar_of
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.api.protocol import ChatBody, CompletionBody, TokenizeBody

_USAGE = re.compile(
    rb',"usage":(\{(?:[^{}]|\{[^{}]*\})*\})'
)  # a quote inside of a text has a backslash before it
_INDEX = re.compile(rb'"index":(\d+)')


def chat_body(body: ChatBody, *, chat_template: str | None) -> dict[str, Any]:
    """Return a conversation as vLLM is asked it.

    Raises:
        ApiError: 400, its form cannot be enforced.
    """
    grammar = grammar_of(body, chat_template=chat_template)
    data = body.model_dump(exclude_unset=True, by_alias=True, exclude={"response_format", "user"})
    _name_roles(data)
    if grammar is not None:
        data["structured_outputs"] = {"grammar": grammar}
    if "tools" in data and data.get("tool_choice") != "none":
        data["tool_choice"] = "auto"  # the grammar says which must be called
    return _with_usage(data)


def completion_body(body: CompletionBody) -> dict[str, Any]:
    """Return a text as vLLM is asked to go on from it."""
    return _with_usage(body.model_dump(exclude_unset=True, exclude={"user"}))


def tokenize_body(body: TokenizeBody, *, name: str) -> dict[str, Any]:
    """Return a text or a conversation as vLLM is asked for its ids."""
    data = {**body.model_dump(exclude_unset=True), "model": name}
    _name_roles(data)
    return data


def _name_roles(data: dict[str, Any]) -> None:
    """Call a developer what templates know: the system."""
    for message in data.get("messages", ()):
        if message["role"] == "developer":
            message["role"] = "system"


def _with_usage(data: dict[str, Any]) -> dict[str, Any]:
    """Return a body whose stream says in each chunk what has been used, so that it is counted
    also for a client that hangs up."""
    if data.get("stream"):
        data["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
    return data


def explain_error(status: int, data: dict[str, Any], *, retry_after: str | None) -> ApiError:
    """Return what vLLM says is wrong in the one shape of our errors."""
    error = data.get("error")
    fields = error if isinstance(error, dict) else {"message": data.get("detail")}
    message = str(fields.get("message") or f"vllm answered with status {status}")
    param = fields.get("param")
    return ApiError(
        status,
        message,
        param=param if isinstance(param, str) else None,
        code="context_length_exceeded" if "maximum context length" in message else None,
        retry_after_seconds=int(retry_after) if retry_after and retry_after.isdecimal() else 1,
    )


def split_usage(event: bytes) -> tuple[bytes, bytes | None, int | None]:
    """Return an event without its usage, the usage, and the choice it is of; None of none.

    >>> split_usage(b'data: {"choices":[{"index":1}],"usage":{"total_tokens":3}}')
    (b'data: {"choices":[{"index":1}]}', b'{"total_tokens":3}', 1)
    """
    usage, index = _USAGE.search(event), _INDEX.search(event)
    if usage is None:
        return event, None, None
    rest = event[: usage.start()] + event[usage.end() :]
    return rest, usage[1], None if index is None else int(index[1])

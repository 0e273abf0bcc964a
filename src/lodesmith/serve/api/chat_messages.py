"""Messages of a conversation, the tools that a model may call, and the form an answer must have.

Source: OpenAI API reference, "Create chat completion": messages, tools, tool_choice and
response_format.
"""

import json
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from lodesmith.serve.api.request_body import JsonObject, RequestBody

FunctionName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]


class TextPart(RequestBody):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class CalledFunction(RequestBody):
    """Which function the model called, and with what."""

    name: FunctionName
    arguments: str
    """A JSON object, as text."""

    @field_validator("arguments")
    @classmethod
    def _check_object(cls, text: str) -> str:
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            raise ValueError("arguments of a call must be the text of a JSON object")  # noqa: TRY004 pydantic turns only ValueError into a fault
        return text


class ToolCall(RequestBody):
    """A call that the model made in an earlier turn."""

    id: str
    type: Literal["function"] = "function"
    function: CalledFunction


class MessageBody(RequestBody):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[TextPart] | None = None
    tool_calls: Annotated[list[ToolCall], Field(min_length=1)] | None = None
    tool_call_id: str | None = None

    @model_validator(mode="after")
    def _check_role(self) -> Self:
        if self.tool_calls is not None and self.role != "assistant":
            raise ValueError(f"only a message of the assistant has tool_calls, not of {self.role}")
        if (self.tool_call_id is not None) != (self.role == "tool"):
            raise ValueError("tool_call_id belongs to messages of role tool, and only to them")
        if self.content is None and self.tool_calls is None:
            raise ValueError("content is missing")
        return self

    @property
    def text(self) -> str:
        """The content, its parts joined."""
        if isinstance(self.content, list):
            return "".join(part.text for part in self.content)
        return self.content or ""


class FunctionBody(RequestBody):
    """A function that the model may call."""

    name: FunctionName
    description: str | None = None
    parameters: JsonObject | None = None
    """JSON Schema of its arguments; absent: no arguments."""
    strict: bool = False
    """Calls always fit the schema here, so it changes nothing."""


class ToolBody(RequestBody):
    """A tool of the only kind there is."""

    type: Literal["function"]
    function: FunctionBody


class NamedFunction(RequestBody):
    """The name of a function."""

    name: FunctionName


class NamedTool(RequestBody):
    """A tool that must be called."""

    type: Literal["function"]
    function: NamedFunction


ToolChoice = Literal["none", "auto", "required"] | NamedTool


class TextFormat(RequestBody):
    """An answer of any form."""

    type: Literal["text"]


class JsonFormat(RequestBody):
    """An answer that is a JSON object."""

    type: Literal["json_object"]


class NamedSchema(RequestBody):
    """A JSON Schema with the name that the client gave it."""

    name: FunctionName
    description: str | None = None
    json_schema: JsonObject = Field(alias="schema")
    strict: bool = False
    """Answers always fit the schema here, so it changes nothing."""


class SchemaFormat(RequestBody):
    """An answer that is JSON of a schema."""

    type: Literal["json_schema"]
    json_schema: NamedSchema


ResponseFormat = Annotated[TextFormat | JsonFormat | SchemaFormat, Field(discriminator="type")]

CHAT_PARTS = (
    TextPart, CalledFunction, ToolCall, MessageBody, FunctionBody, ToolBody, NamedFunction,
    NamedTool, TextFormat, JsonFormat, NamedSchema, SchemaFormat,
)  # fmt: skip

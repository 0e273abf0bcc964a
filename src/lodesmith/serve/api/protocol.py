"""The requests that the server takes, with the names and ranges of OpenAI's API reference.

What is not listed here is refused, not ignored: a client that asks for something which the server
does not do must learn it. `top_k`, `min_p`, `repetition_penalty`, `ignore_eos`, `/tokenize` and
`/detokenize` are vLLM's additions.

Source: OpenAI API reference, "Create chat completion" and "Create completion"; vLLM documentation,
"OpenAI-Compatible Server", extra parameters.
"""

import re
from typing import Annotated, Literal, Self, cast

from pydantic import Field, StringConstraints, model_validator

from lodesmith.serve.api.chat_messages import (
    CHAT_PARTS,
    MessageBody,
    NamedTool,
    ResponseFormat,
    ToolBody,
    ToolChoice,
)
from lodesmith.serve.api.request_body import RequestBody

MAX_CHOICES = 128  # OpenAI's bound of `n`
MAX_TOP_LOGPROBS = 20  # OpenAI's bound of `top_logprobs`

_TOKEN_ID = re.compile("[0-9]{1,9}")

StopString = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class StreamOptions(RequestBody):
    """What a stream holds besides the text."""

    include_usage: bool = False
    """The tokens of prompt and answer in a last chunk."""

    continuous_usage_stats: bool = False
    """With `include_usage`, also in every other chunk, so far (vLLM's field; load generators)."""


class GenerationBody(RequestBody):
    """What both kinds of completion share."""

    model: str
    temperature: float = Field(1.0, ge=0.0, le=2.0)
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    top_k: int | None = Field(None, gt=0)
    min_p: float = Field(0.0, ge=0.0, le=1.0)
    repetition_penalty: float = Field(1.0, gt=0.0, le=2.0)
    ignore_eos: bool = False
    presence_penalty: float = Field(0.0, ge=-2.0, le=2.0)
    frequency_penalty: float = Field(0.0, ge=-2.0, le=2.0)
    logit_bias: dict[str, Annotated[float, Field(ge=-100.0, le=100.0)]] | None = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    n: int = Field(1, ge=1, le=MAX_CHOICES)
    stop: StopString | Annotated[list[StopString], Field(max_length=4)] | None = None
    stream: bool = False
    stream_options: StreamOptions | None = None
    user: str | None = None

    @model_validator(mode="after")
    def _check_together(self) -> Self:
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options can only be given with stream: true")
        for key in self.logit_bias or {}:
            if not _TOKEN_ID.fullmatch(key):
                raise ValueError(f"logit_bias takes token ids as keys, not {key[:20]!r}")
        return self

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """The stop strings, however they were written."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class ChatBody(GenerationBody):
    """POST /v1/chat/completions."""

    messages: list[MessageBody] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    response_format: ResponseFormat | None = None
    tools: Annotated[list[ToolBody], Field(min_length=1, max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool = True

    @model_validator(mode="after")
    def _check_chat(self) -> Self:
        _check_tools(self.tools, self.tool_choice)
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("give max_completion_tokens or max_tokens, not both")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs can only be given with logprobs: true")
        if self.tools and self.response_format and self.response_format.type != "text":
            raise ValueError("give tools or a JSON response_format, not both")
        return self


def _check_tools(tools: list[ToolBody] | None, choice: ToolChoice | None) -> None:
    names = [tool.function.name for tool in tools or ()]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two tools have the name {twice!r}")
    if choice not in (None, "none") and not tools:
        raise ValueError("tool_choice can only be given with tools")
    if isinstance(choice, NamedTool) and choice.function.name not in names:
        raise ValueError(f"tool_choice names {choice.function.name!r}, which is not among tools")


TokenIds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
ManyTokenIds = Annotated[list[TokenIds], Field(min_length=1, max_length=2048)]
NonEmpty = Annotated[str, StringConstraints(min_length=1)]
Texts = Annotated[list[NonEmpty], Field(min_length=1, max_length=2048)]  # OpenAI's bound


class CompletionBody(GenerationBody):
    """POST /v1/completions."""

    prompt: str | TokenIds | Annotated[list[str], Field(min_length=1)] | ManyTokenIds
    max_tokens: int = Field(16, ge=0)
    logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    echo: bool = False

    @model_validator(mode="after")
    def _check_completion(self) -> Self:
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens can only be 0 with echo: true")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts, however they were written."""
        return as_texts(self.prompt)


def as_texts(value: str | list[str] | list[int] | list[list[int]]) -> list[str | list[int]]:
    """Return a text, its ids, or many of either, as many.

    >>> as_texts([5, 6]), as_texts(["a", "b"])
    ([[5, 6]], ['a', 'b'])
    """
    if isinstance(value, str):
        return [value]
    if isinstance(value[0], int):
        return [value]
    return cast("list[str | list[int]]", value)


class EmbeddingsBody(RequestBody):
    """POST /v1/embeddings."""

    model: str
    input: NonEmpty | TokenIds | Texts | ManyTokenIds
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None

    @property
    def inputs(self) -> list[str | list[int]]:
        """The texts, however they were written."""
        return as_texts(self.input)


class TokenizeBody(RequestBody):
    """POST /tokenize: a text, or messages as the model would be asked."""

    model: str | None = None
    prompt: str | None = None
    messages: list[MessageBody] | None = None
    add_special_tokens: bool = True

    @model_validator(mode="after")
    def _check_one(self) -> Self:
        if (self.prompt is None) == (self.messages is None):
            raise ValueError("give either prompt or messages")
        return self


class DetokenizeBody(RequestBody):
    """POST /detokenize."""

    model: str | None = None
    tokens: list[Annotated[int, Field(ge=0)]]


_BODIES = (
    ChatBody, CompletionBody, EmbeddingsBody, StreamOptions, TokenizeBody, DetokenizeBody,
    *CHAT_PARTS,
)  # fmt: skip

KNOWN_FIELDS = frozenset(
    field.alias or name for body in _BODIES for name, field in body.model_fields.items()
)

UNSUPPORTED_FIELDS = frozenset(
    {
        "audio", "best_of", "dimensions", "function_call", "functions", "guided_json", "metadata",
        "modalities", "prediction", "reasoning_effort", "service_tier", "store", "suffix",
        "verbosity", "web_search_options",
    }
)  # fmt: skip
"""Fields of OpenAI's reference that ask for something which this server does not do."""

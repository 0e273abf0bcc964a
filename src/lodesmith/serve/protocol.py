"""The requests that the server takes, with the names and ranges of OpenAI's API reference.

What is not listed here is refused, not ignored: a client that asks for something which the server
does not do must learn it. `top_k`, `min_p`, `/tokenize` and `/detokenize` are vLLM's additions.

Source: OpenAI API reference, "Create chat completion" and "Create completion"; vLLM documentation,
"OpenAI-Compatible Server", extra parameters.
"""

from typing import Annotated, Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

MAX_CHOICES = 128  # OpenAI's bound of `n`
MAX_TOP_LOGPROBS = 20  # OpenAI's bound of `top_logprobs`

StopString = Annotated[str, StringConstraints(min_length=1, max_length=1024)]


class RequestBody(BaseModel):
    """A body whose types must be exact and whose unknown fields are errors."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _drop_nulls(cls, data: Any) -> Any:
        """Read null as absent, as OpenAI's reference does for every optional field."""
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if value is not None}


class StreamOptions(RequestBody):
    """What a stream holds besides the text."""

    include_usage: bool = False


class GenerationBody(RequestBody):
    """What both kinds of completion share."""

    model: str
    temperature: float = Field(1.0, ge=0.0, le=2.0)
    top_p: float = Field(1.0, gt=0.0, le=1.0)
    top_k: int | None = Field(None, gt=0)
    min_p: float = Field(0.0, ge=0.0, le=1.0)
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
            if not key.isdecimal():
                raise ValueError(f"logit_bias takes token ids as keys, not {key!r}")
        return self

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """The stop strings, however they were written."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())


class TextPart(RequestBody):
    """A piece of a message."""

    type: Literal["text"]
    text: str


class MessageBody(RequestBody):
    """One message of a conversation."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]

    @property
    def text(self) -> str:
        """The content, its parts joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.content)


class TextFormat(RequestBody):
    """The only answer format there is."""

    type: Literal["text"]


class ChatBody(GenerationBody):
    """POST /v1/chat/completions."""

    messages: list[MessageBody] = Field(min_length=1)
    max_tokens: int | None = Field(None, ge=1)
    max_completion_tokens: int | None = Field(None, ge=1)
    logprobs: bool = False
    top_logprobs: int | None = Field(None, ge=0, le=MAX_TOP_LOGPROBS)
    response_format: TextFormat | None = None

    @model_validator(mode="after")
    def _check_chat(self) -> Self:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("give max_completion_tokens or max_tokens, not both")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs can only be given with logprobs: true")
        return self


TokenIds = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]


class CompletionBody(GenerationBody):
    """POST /v1/completions."""

    prompt: str | TokenIds | Annotated[list[str] | list[TokenIds], Field(min_length=1)]
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
        if isinstance(self.prompt, str):
            return [self.prompt]
        if isinstance(self.prompt[0], int):
            return [self.prompt]
        return cast("list[str | list[int]]", self.prompt)


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
    ChatBody, CompletionBody, MessageBody, TextPart, TextFormat, StreamOptions, TokenizeBody,
    DetokenizeBody,
)  # fmt: skip

KNOWN_FIELDS = frozenset(name for body in _BODIES for name in body.model_fields)

UNSUPPORTED_FIELDS = frozenset(
    {
        "audio", "best_of", "function_call", "functions", "guided_json", "modalities",
        "parallel_tool_calls", "prediction", "reasoning_effort", "response_format", "store",
        "suffix", "tool_choice", "tools", "web_search_options",
    }
)  # fmt: skip
"""Fields of OpenAI's reference that ask for something which this server does not do."""

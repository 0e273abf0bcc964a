"""Answers on their way out: as one JSON body, or as server-sent events while they are made.

A client that goes away ends its requests: a stream is cancelled with its response, and while a
whole body is being made the connection is watched.

Source: HTML Living Standard, "Server-sent events"; OpenAI API reference, "Streaming".
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Protocol

from fastapi import Request
from fastapi.responses import JSONResponse, Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from lodesmith.core.log import warn
from lodesmith.serve.answers.answers import Answers, Piece
from lodesmith.serve.answers.client_gone import CLIENT_CLOSED_REQUEST, unless_gone
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.api.protocol import GenerationBody, StreamOptions

_NOT_GATHERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Format(Protocol):
    """Builds the choices of one endpoint."""

    object_whole: str
    object_chunk: str
    id_prefix: str

    def whole(self, pieces: Sequence[Piece]) -> dict[str, Any]:
        """Return a finished choice from its pieces."""

    def first(self, index: int) -> dict[str, Any] | None:
        """Return the choice of the chunk that opens a choice's stream, if there is one."""

    def chunk(self, piece: Piece) -> dict[str, Any]:
        """Return the choice of the chunk that carries a piece."""


async def respond(
    request: Request,
    answers: Answers,
    answer_format: Format,
    *,
    body: GenerationBody,
    num_prompt_tokens: int,
    limit_seconds: float,
) -> Response:
    """Return the answers in the form that the body asks for.

    Args:
        request: watched for a client that goes away.
        answers: on their way.
        answer_format: of the endpoint.
        body: what was asked.
        num_prompt_tokens: of all prompts, for the usage.
        limit_seconds: after which answers that are not whole are given up, s; a client that does
            not read its stream is also given up then.

    Raises:
        ApiError: 504, they were given up before anything was sent.
    """
    head = {
        "id": f"{answer_format.id_prefix}-{uuid.uuid4().hex}",
        "object": answer_format.object_chunk if body.stream else answer_format.object_whole,
        "created": int(time.time()),
        "model": body.model,
    }
    if body.stream:
        events = _stream(
            answers, answer_format, head=head, options=body.stream_options or StreamOptions(),
            num_prompt_tokens=num_prompt_tokens,
        )  # fmt: skip

        async def close() -> None:
            answers.end()

        return AnswerStream(events, close, limit_seconds=limit_seconds)
    try:
        async with asyncio.timeout(limit_seconds):
            by_choice = await unless_gone(request.receive, _gather(answers))
    except TimeoutError:
        raise too_slow(limit_seconds) from None
    finally:
        answers.end()
    if by_choice is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    choices = [answer_format.whole(pieces) for pieces in by_choice]
    return JSONResponse({**head, "choices": choices, "usage": _usage(answers, num_prompt_tokens)})


class AnswerStream(StreamingResponse):
    """A stream that closes what it comes from however it ends, even before its first event."""

    media_type = "text/event-stream"

    def __init__(
        self,
        events: AsyncIterator[bytes],
        close: Callable[[], Awaitable[None]],
        *,
        limit_seconds: float,
    ) -> None:
        """Make a response of events that are encoded already.

        Args:
            events: what is sent.
            close: called once at the end.
            limit_seconds: after which the rest is given up, s.
        """
        super().__init__(events, headers=_NOT_GATHERED)
        self._close, self._limit_seconds = close, limit_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events; a stream that takes too long ends without its `[DONE]`."""
        del scope
        try:
            async with asyncio.timeout(self._limit_seconds):
                await unless_gone(receive, self.stream_response(send))
        except TimeoutError:
            error = too_slow(self._limit_seconds)
            last = {"type": "http.response.body", "body": encode_event(error.body())}
            try:
                async with asyncio.timeout(1):
                    await send(last)
            except (TimeoutError, OSError):
                warn(f"a client did not read its answer for {self._limit_seconds:g} s; cut off")
        finally:
            await self._close()


async def _stream(
    answers: Answers,
    answer_format: Format,
    *,
    head: dict[str, Any],
    options: StreamOptions,
    num_prompt_tokens: int,
) -> AsyncIterator[bytes]:
    """Yield the events of a stream; what all its chunks share is written once."""
    before = f'data: {_encode(head)[:-1]},"choices":['
    after = '],"usage":null}\n\n' if options.include_usage else "]}\n\n"
    try:
        opened: set[int] = set()
        async for pieces in answers.pieces():
            choices = []
            for piece in pieces:
                opening = None if piece.index in opened else answer_format.first(piece.index)
                opened.add(piece.index)
                choices += [opening] if opening is not None else []
                choices.append(answer_format.chunk(piece))
            if options.include_usage and options.continuous_usage_stats:
                after = f'],"usage":{_encode(_usage(answers, num_prompt_tokens))}}}\n\n'
            data = "".join(f"{before}{_encode(choice)}{after}" for choice in choices).encode()
            if answers.are_whole:  # in the same packet
                if options.include_usage:
                    usage = _usage(answers, num_prompt_tokens)
                    data += encode_event({**head, "choices": [], "usage": usage})
                data += b"data: [DONE]\n\n"
            yield data
    except ApiError as error:  # the status has been sent already; the error can only follow
        yield encode_event(error.body())


async def _gather(answers: Answers) -> list[list[Piece]]:
    """Return the pieces of each choice."""
    by_choice: list[list[Piece]] = [[] for _ in answers.choices]
    async for pieces in answers.pieces():
        for piece in pieces:
            by_choice[piece.index].append(piece)
    return by_choice


def _usage(answers: Answers, num_prompt_tokens: int) -> dict[str, int]:
    return {
        "prompt_tokens": num_prompt_tokens,
        "completion_tokens": answers.num_tokens,
        "total_tokens": num_prompt_tokens + answers.num_tokens,
    }


def too_slow(limit_seconds: float) -> ApiError:
    """Return what a client is told whose answer is given up."""
    return ApiError(
        504,
        f"the answer was not whole after {limit_seconds:g} s; ask for fewer tokens",
        code="timeout",
    )


def encode_event(data: dict[str, Any]) -> bytes:
    """Return data as one server-sent event."""
    return f"data: {_encode(data)}\n\n".encode()

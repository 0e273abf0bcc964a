"""From the engine's thread to the event loop: the choices of one HTTP request, piece by piece.

Tokens come in on the engine's thread; `Answers.pieces` hands them out on the event loop as text
that may be shown. However the iteration ends, also by a client that went away, what still runs is
cancelled.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from lodesmith.data.tokenizer import Tokenizer
from lodesmith.infer.interface import (
    Event,
    Finished,
    FinishReason,
    GenerationRequest,
    NewToken,
    PromptPooled,
    PromptScored,
    TokenLogprobs,
)
from lodesmith.infer.text import AnswerText
from lodesmith.serve.faults import ApiError
from lodesmith.serve.guides import GrammarGuide
from lodesmith.serve.service import Service


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A token of the answer, and where its text begins in it."""

    offset: int  # characters
    logprobs: TokenLogprobs


@dataclass(slots=True)
class Piece:
    """What is new of one choice."""

    index: int
    text: str = ""
    tokens: list[ShownToken] = field(default_factory=list)  # if logprobs were asked for
    finish_reason: str | None = None


class Choice:
    """One answer on its way."""

    def __init__(
        self, index: int, request: GenerationRequest, tokenizer: Tokenizer, stop: Sequence[str]
    ) -> None:
        self.index, self.request = index, request
        self.prompt_logprobs: tuple[TokenLogprobs, ...] = ()
        self.num_tokens = 0
        self.finish_reason: str | None = None
        self._answer = AnswerText(tokenizer, stop=stop)
        self._num_shown = 0  # characters
        self._pending: list[ShownToken] = []  # their text is held back

    def take(self, event: Event) -> Piece | None:
        """Return what an event makes visible, None if nothing."""
        if isinstance(event, PromptScored):
            self.prompt_logprobs = event.logprobs
            return None
        if isinstance(event, PromptPooled):
            return None  # an embedding has no text
        if isinstance(event, Finished):
            return self._finish(event)
        self.num_tokens += 1
        offset, text = self._answer.num_decoded, ""
        if event.token_id not in self.request.stop_ids:
            text = self._answer.push(event.token_id)
        return self._show(text, event, offset)

    def _finish(self, event: Finished) -> Piece:
        if event.reason is FinishReason.ERROR:
            raise ApiError(500, event.error or "the engine has failed")
        if event.reason is FinishReason.CANCELLED:
            raise ApiError(503, "the server is stopping; ask again in a moment")
        guide = self.request.guide
        if isinstance(guide, GrammarGuide) and guide.failure is not None:
            raise ApiError(500, f"the answer could not be held to its form: {guide.failure}")
        text = self._answer.finish()
        self.finish_reason = "stop" if self._answer.stopped else str(event.reason)
        self._num_shown += len(text)
        return Piece(self.index, text, self._release(), self.finish_reason)

    def _show(self, text: str, event: NewToken, offset: int) -> Piece | None:
        self._num_shown += len(text)
        if event.logprobs is not None:
            self._pending.append(ShownToken(offset, event.logprobs))
        if self._answer.stopped:
            self.finish_reason = "stop"
        piece = Piece(self.index, text, self._release(), self.finish_reason)
        return piece if piece.text or piece.tokens or piece.finish_reason else None

    def _release(self) -> list[ShownToken]:
        """Return the tokens whose text is visible now; of a stop string none ever is."""
        everything = self._num_shown == self._answer.num_decoded and not self._answer.stopped
        released = [
            token for token in self._pending if everything or token.offset < self._num_shown
        ]
        self._pending = self._pending[len(released) :]
        return released


class Answers:
    """All choices of one HTTP request."""

    def __init__(
        self,
        service: Service,
        requests: Sequence[GenerationRequest],
        *,
        stop: Sequence[str] = (),
        on_end: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Submit the requests.

        Args:
            service: the model that is asked.
            requests: one for each choice.
            stop: any of these strings ends a choice.
            on_end: told how many tokens were made once no more come, however it ended.

        Raises:
            ApiError: one is impossible, too many wait already, or the engine has failed.
        """
        self.choices = [
            Choice(index, request, service.tokenizer, stop)
            for index, request in enumerate(requests)
        ]
        self._engine, self._metrics, self._on_end = service.engine, service.metrics, on_end
        self._started = time.monotonic()
        self._events: asyncio.Queue[tuple[int, Event]] = asyncio.Queue()
        self._mailbox = service.mailbox
        self._tickets = service.submit(requests, self._deliver)

    @property
    def num_tokens(self) -> int:
        """Tokens made for all choices."""
        return sum(choice.num_tokens for choice in self.choices)

    async def pieces(self) -> AsyncIterator[list[Piece]]:
        """Yield what becomes visible, of all choices as it comes, together what came together.

        Raises:
            ApiError: the engine failed or is stopping.
        """
        left, waiting_for_first = len(self.choices), True
        try:
            while left:
                events = [await self._events.get()]
                while not self._events.empty():
                    events.append(self._events.get_nowait())
                if waiting_for_first:
                    waiting_for_first = False
                    self._metrics.first_token_seconds.observe(time.monotonic() - self._started)
                pieces, failure = self._take_all(events)
                left -= sum(piece.finish_reason is not None for piece in pieces)
                if pieces:
                    yield pieces
                if failure is not None:
                    raise failure
        finally:
            self.cancel()
            self._metrics.num_generation_tokens += self.num_tokens
            self._on_end(self.num_tokens)
            self._metrics.request_seconds.observe(time.monotonic() - self._started)

    def cancel(self) -> None:
        """Stop whatever still runs."""
        for ticket in self._tickets:
            self._engine.cancel(ticket)

    def _take_all(self, events: Sequence[tuple[int, Event]]) -> tuple[list[Piece], ApiError | None]:
        """Return what events make visible, and the fault that ended them if there was one."""
        pieces: list[Piece] = []
        for index, event in events:
            try:
                piece = self._take(index, event)
            except ApiError as error:
                return pieces, error
            if piece is not None:
                pieces.append(piece)
        return pieces, None

    def _take(self, index: int, event: Event) -> Piece | None:
        choice = self.choices[index]
        if choice.finish_reason is not None:  # a stop string ended it before the engine knew
            return None
        piece = choice.take(event)
        if piece is not None and piece.finish_reason is not None:
            self._metrics.num_finished[piece.finish_reason] += 1
            self._engine.cancel(self._tickets[index])
        return piece

    def _deliver(self, index: int, event: Event) -> None:
        self._mailbox.put(self._events.put_nowait, index, event)

"""From the engine's thread to the event loop: the choices of one HTTP request, piece by piece.

Tokens come in on the engine's thread; `Answers.pieces` hands them out on the event loop as text
that may be shown. However the iteration ends, also by a client that went away, what still runs is
cancelled.
"""

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
    PromptScored,
    Ticket,
    TokenLogprobs,
)
from lodesmith.infer.text import AnswerText
from lodesmith.serve.answers.service import Service
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.api.guides import GrammarGuide


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

    @property
    def is_empty(self) -> bool:
        """Whether nothing is new."""
        return not (self.text or self.tokens or self.finish_reason)


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
        self._is_watched = bool(stop) or request.num_top_logprobs is not None  # token by token
        self._num_shown = 0  # characters
        self._pending: list[ShownToken] = []  # their text is held back

    def take(self, events: Sequence[Event], piece: Piece) -> None:
        """Add what events make visible to a piece; what comes after the end counts nothing.

        Raises:
            ApiError: the answer has failed; the piece holds what came before.
        """
        ids: list[int] = []
        for event in events:
            if self.finish_reason is not None:  # a stop string ended it before the engine knew
                return
            if isinstance(event, NewToken):
                ids = self._take_token(event, ids, piece)
            elif isinstance(event, PromptScored):
                self.prompt_logprobs = event.logprobs
            elif isinstance(event, Finished):
                self._show(ids, piece)
                ids = []
                self._finish(event, piece)
        if ids:
            self._show(ids, piece)

    def _take_token(self, event: NewToken, ids: list[int], piece: Piece) -> list[int]:
        """Return the ids whose text has yet to be shown, this token's among them."""
        self.num_tokens += 1
        if event.token_id not in self.request.stop_ids:
            ids.append(event.token_id)
        if not self._is_watched:
            return ids
        self._show(ids, piece, event.logprobs)
        return []

    def _finish(self, event: Finished, piece: Piece) -> None:
        raise_failure(event)
        guide = self.request.guide
        if isinstance(guide, GrammarGuide) and guide.failure is not None:
            raise ApiError(500, f"the answer could not be held to its form: {guide.failure}")
        self._add(self._answer.finish(), piece)
        self.finish_reason = "stop" if self._answer.stopped else str(event.reason)
        piece.finish_reason = self.finish_reason

    def _show(
        self, ids: Sequence[int], piece: Piece, logprobs: TokenLogprobs | None = None
    ) -> None:
        """Add the text of tokens as far as it is clear; logprobs belong to a single one."""
        if logprobs is not None:
            self._pending.append(ShownToken(self._answer.num_decoded, logprobs))
        self._add(self._answer.push(*ids), piece)
        if self._answer.stopped:
            self.finish_reason = piece.finish_reason = "stop"

    def _add(self, text: str, piece: Piece) -> None:
        self._num_shown += len(text)
        piece.text += text
        piece.tokens += self._release()

    def _release(self) -> list[ShownToken]:
        """Return the tokens whose text is visible now; of a stop string none ever is."""
        if not self._pending:
            return []
        everything = self._num_shown == self._answer.num_decoded and not self._answer.stopped
        released = [
            token for token in self._pending if everything or token.offset < self._num_shown
        ]
        self._pending = self._pending[len(released) :]
        return released


def raise_failure(event: Finished) -> None:
    """Raise what whoever waits is told of an end that is no answer's.

    Raises:
        ApiError: 500, the engine has failed, or 503, it is stopping.
    """
    if event.reason is FinishReason.ERROR:
        raise ApiError(500, event.error or "the engine has failed")
    if event.reason is FinishReason.CANCELLED:
        raise ApiError(503, "the server is stopping; ask again in a moment")


class Answers:
    """All choices of one HTTP request."""

    @classmethod
    async def ask(
        cls,
        service: Service,
        requests: Sequence[GenerationRequest],
        *,
        stop: Sequence[str] = (),
        on_end: Callable[[int], None] = lambda _: None,
    ) -> "Answers":
        """Submit the requests, and return their answers on their way.

        Args:
            service: the model that is asked.
            requests: one for each choice.
            stop: any of these strings ends a choice.
            on_end: told how many tokens were made once no more come, however it ended.

        Raises:
            ApiError: one is impossible, too many wait already, or the engine has failed.
        """
        answers = cls(service, requests, stop=stop, on_end=on_end)
        answers._tickets = await service.submit(requests, answers._inbox.put)
        return answers

    def __init__(
        self,
        service: Service,
        requests: Sequence[GenerationRequest],
        *,
        stop: Sequence[str],
        on_end: Callable[[int], None],
    ) -> None:
        """See `ask`, which submits them."""
        self.choices = [
            Choice(index, request, service.tokenizer, stop)
            for index, request in enumerate(requests)
        ]
        self._engine, self._metrics, self._on_end = service.engine, service.metrics, on_end
        self._started = time.monotonic()
        self._inbox = service.mailbox.inbox()
        self._num_left = len(requests)  # choices that go on
        self._has_ended = False  # nobody reads on
        self._tickets: list[Ticket] = []

    @property
    def are_whole(self) -> bool:
        """Whether every choice has come to its end."""
        return not self._num_left

    @property
    def num_tokens(self) -> int:
        """Tokens made for all choices."""
        return sum(choice.num_tokens for choice in self.choices)

    async def pieces(self) -> AsyncIterator[list[Piece]]:
        """Yield what becomes visible, as it comes: of each choice one piece of what came together.

        Raises:
            ApiError: the engine failed or is stopping.
        """
        waiting_for_first = True
        try:
            while not self.are_whole:
                events = await self._inbox.take()
                if waiting_for_first:
                    waiting_for_first = False
                    self._metrics.first_token_seconds.observe(time.monotonic() - self._started)
                pieces, failure = self._take_all(events)
                if pieces:
                    yield pieces
                if failure is not None:
                    raise failure
        finally:
            self.end()

    def end(self) -> None:
        """Stop whatever still runs, and count what was made, once."""
        if self._has_ended:
            return
        self._has_ended = True
        for ticket in self._tickets:
            self._engine.cancel(ticket)
        self._metrics.num_generation_tokens += self.num_tokens
        self._on_end(self.num_tokens)
        self._metrics.request_seconds.observe(time.monotonic() - self._started)

    def _take_all(self, events: Sequence[tuple[int, Event]]) -> tuple[list[Piece], ApiError | None]:
        """Return what events make visible, and the fault that ended them if there was one."""
        by_choice: dict[int, list[Event]] = {}
        for index, event in events:
            by_choice.setdefault(index, []).append(event)
        pieces: list[Piece] = []
        try:
            for index, some in by_choice.items():
                choice = self.choices[index]
                if choice.finish_reason is None:
                    pieces.append(Piece(index))
                    choice.take(some, pieces[-1])
                    self._note_end(choice)
        except ApiError as error:
            return [piece for piece in pieces if not piece.is_empty], error
        return [piece for piece in pieces if not piece.is_empty], None

    def _note_end(self, choice: Choice) -> None:
        if choice.finish_reason is not None:
            self._num_left -= 1
            self._metrics.num_finished[choice.finish_reason] += 1
            self._engine.cancel(self._tickets[choice.index])
            if self.are_whole:  # counted before a client can know it
                self.end()

"""One model behind the routes: texts to ids, requests to its engine."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from lodesmith.core.errors import EngineError, UserError
from lodesmith.data.chat import Message, render_prompt
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.infer.interface import (
    Deliver,
    Engine,
    GenerationRequest,
    PromptTooLongError,
    QueueFullError,
    Ticket,
)
from lodesmith.serve.answers.mailbox import Mailbox
from lodesmith.serve.answers.metrics import Metrics
from lodesmith.serve.api.chat_messages import MessageBody, ToolBody
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.api.guides import Grammars
from lodesmith.serve.api.token_names import TokenNames


@dataclass(frozen=True)
class Service:
    """One model behind the routes."""

    name: str
    tokenizer: Tokenizer
    engine: Engine
    created: int  # seconds since 1970, shown by /v1/models
    metrics: Metrics = field(default_factory=Metrics)
    adapter: str | None = None  # of the engine, that this name stands for
    _starting_again: asyncio.Lock = field(default_factory=asyncio.Lock, repr=False)

    @property
    def owned_by(self) -> str:
        """What computes its answers."""
        return "lodesmith"

    @property
    def max_model_len(self) -> int:
        """Tokens of prompt and answer together."""
        return self.engine.limits.max_model_len

    @property
    def trouble(self) -> str | None:
        """Why it cannot answer now; None if it can."""
        return self.engine.stats().failure

    @property
    def token_names(self) -> TokenNames:
        """How tokens are written in logprobs."""
        return TokenNames(self.tokenizer)

    @cached_property
    def mailbox(self) -> Mailbox:
        """The way of events to the event loop, which is the one that asks first."""
        return Mailbox(asyncio.get_running_loop())

    @cached_property
    def grammars(self) -> Grammars:
        """What holds answers to a form."""
        return Grammars(self.tokenizer, self.engine.limits.vocab_size)

    async def encode_messages(
        self, messages: Sequence[MessageBody], tools: Sequence[ToolBody] = ()
    ) -> tuple[int, ...]:
        """Return the ids that a conversation asks the model with."""
        turns = [_as_turn(message) for message in messages]
        shown = [_as_shown(tool) for tool in tools]
        try:
            return tuple(await asyncio.to_thread(render_prompt, self.tokenizer, turns, tools=shown))
        except UserError as error:
            raise ApiError(400, str(error), param="messages") from None

    async def encode_text(self, text: str, *, add_special_tokens: bool = True) -> tuple[int, ...]:
        """Return the ids of a text, with those before it that the model expects."""
        prefix = self.tokenizer.prefix_ids if add_special_tokens else ()
        return (*prefix, *await asyncio.to_thread(self.tokenizer.encode, text))

    async def encode(self, prompt: str | Sequence[int]) -> tuple[int, ...]:
        """Return the ids of a prompt that is a text or has been encoded already."""
        return await self.encode_text(prompt) if isinstance(prompt, str) else tuple(prompt)

    async def submit(self, requests: Sequence[GenerationRequest], deliver: Deliver) -> list[Ticket]:
        """Submit requests to the engine; one that has failed may start again meanwhile.

        Raises:
            ApiError: they are impossible (400), too many (429), or the engine is down (503).
        """
        most = self.engine.limits.max_num_queued_seqs
        if len(requests) > most:
            raise ApiError(
                400, f"{len(requests)} answers in one request; this server takes {most} at most"
            )
        submit = partial(self.engine.submit, requests, deliver, wake=self.mailbox.wake)
        try:
            if self.trouble is None:
                return submit()
            async with self._starting_again:  # one waits on a thread, the others here
                return await asyncio.to_thread(submit)
        except PromptTooLongError as error:
            raise ApiError(400, str(error), code="context_length_exceeded") from None
        except UserError as error:
            raise ApiError(400, str(error)) from None
        except QueueFullError as error:
            raise ApiError(429, str(error), code="queue_full") from None
        except EngineError as error:
            raise ApiError(503, str(error)) from None


def _as_shown(tool: ToolBody) -> dict[str, Any]:
    """Return a tool as templates want to see it."""
    return tool.model_dump(exclude_none=True, exclude={"function": {"strict"}})


def _as_turn(message: MessageBody) -> Message:
    """Return a message as templates want to see it: arguments of calls as objects."""
    turn: Message = {
        "role": "system" if message.role == "developer" else message.role,
        "content": message.text,
    }
    if message.tool_calls:
        turn["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.function.name,
                    "arguments": json.loads(call.function.arguments),
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        turn["tool_call_id"] = message.tool_call_id
    return turn

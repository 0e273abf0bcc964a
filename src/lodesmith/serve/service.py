"""What the routes share: the model being served, and bodies turned into requests for its engine."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from lodesmith.core.errors import EngineError, UserError
from lodesmith.data.chat import Message, render_prompt
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.infer.interface import (
    Engine,
    GenerationRequest,
    PromptTooLongError,
    QueueFullError,
    Sampling,
)
from lodesmith.serve.answers import Answers
from lodesmith.serve.faults import ApiError
from lodesmith.serve.metrics import Metrics
from lodesmith.serve.protocol import ChatBody, CompletionBody, GenerationBody, MessageBody
from lodesmith.serve.token_names import TokenNames


@dataclass(frozen=True)
class Service:
    """One model behind the routes."""

    name: str
    tokenizer: Tokenizer
    engine: Engine
    created: int  # seconds since 1970, shown by /v1/models
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def token_names(self) -> TokenNames:
        """How tokens are written in logprobs."""
        return TokenNames(self.tokenizer)

    def check_model(self, name: str) -> None:
        """Check that a request means this model.

        Raises:
            ApiError: it does not.
        """
        if name != self.name:
            raise ApiError(
                404,
                f"the model '{name}' is not served here; this server serves '{self.name}'",
                param="model",
                code="model_not_found",
            )

    async def encode_messages(self, messages: Sequence[MessageBody]) -> tuple[int, ...]:
        """Return the ids that a conversation asks the model with."""
        turns: list[Message] = [
            {"role": "system" if turn.role == "developer" else turn.role, "content": turn.text}
            for turn in messages
        ]
        try:
            return tuple(await asyncio.to_thread(render_prompt, self.tokenizer, turns))
        except UserError as error:
            raise ApiError(400, str(error), param="messages") from None

    async def encode_text(self, text: str, *, add_special_tokens: bool = True) -> tuple[int, ...]:
        """Return the ids of a text, with those before it that the model expects."""
        prefix = self.tokenizer.prefix_ids if add_special_tokens else ()
        return (*prefix, *await asyncio.to_thread(self.tokenizer.encode, text))

    async def chat_requests(self, body: ChatBody) -> list[GenerationRequest]:
        """Return one request for each choice."""
        input_ids = await self.encode_messages(body.messages)
        room = max(1, self.engine.limits.max_model_len - len(input_ids))
        num_top = (body.top_logprobs or 0) if body.logprobs else None
        return [
            GenerationRequest(
                input_ids=input_ids,
                max_tokens=body.max_completion_tokens or body.max_tokens or room,
                sampling=sampling_of(body, choice=choice),
                stop_ids=frozenset(self.tokenizer.eos_ids),
                num_top_logprobs=num_top,
            )
            for choice in range(body.n)
        ]

    async def completion_requests(self, body: CompletionBody) -> list[GenerationRequest]:
        """Return one request for each choice of each prompt."""
        prompts = [
            await self.encode_text(prompt) if isinstance(prompt, str) else tuple(prompt)
            for prompt in body.prompts
        ]
        return [
            GenerationRequest(
                input_ids=input_ids,
                max_tokens=body.max_tokens,
                sampling=sampling_of(body, choice=choice),
                stop_ids=frozenset(self.tokenizer.eos_ids),
                num_top_logprobs=body.logprobs,
                score_prompt=body.echo and body.logprobs is not None,
            )
            for input_ids in prompts
            for choice in range(body.n)
        ]

    def ask(self, requests: Sequence[GenerationRequest], *, body: GenerationBody) -> Answers:
        """Submit requests to the engine.

        Raises:
            ApiError: they are impossible (400), too many (429), or the engine is down (503).
        """
        most = self.engine.limits.max_num_queued_seqs
        if len(requests) > most:
            raise ApiError(
                400, f"{len(requests)} answers in one request; this server takes {most} at most"
            )
        try:
            answers = Answers(
                self.engine, self.tokenizer, requests,
                stop=body.stop_strings, metrics=self.metrics,
            )  # fmt: skip
        except PromptTooLongError as error:
            raise ApiError(400, str(error), code="context_length_exceeded") from None
        except UserError as error:
            raise ApiError(400, str(error)) from None
        except QueueFullError as error:
            raise ApiError(429, str(error), code="queue_full") from None
        except EngineError as error:
            raise ApiError(503, str(error)) from None
        self.metrics.num_prompt_tokens += count_prompt_tokens(requests, choices=body.n)
        return answers


def sampling_of(body: GenerationBody, *, choice: int) -> Sampling:
    """Return how the tokens of one choice are chosen; each choice has a seed of its own."""
    seed = None if body.seed is None else (body.seed + choice) % 2**63
    return Sampling(
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        min_p=body.min_p,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        logit_bias={int(token): bias for token, bias in (body.logit_bias or {}).items()},
        seed=seed,
    )


def count_prompt_tokens(requests: Sequence[GenerationRequest], *, choices: int) -> int:
    """Return the tokens of all prompts, each counted once however many choices it has."""
    return sum(len(request.input_ids) for request in requests[::choices])

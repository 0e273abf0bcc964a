"""The routes: OpenAI's, and the few of vLLM's that tools rely on."""

import asyncio
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from lodesmith.infer.interface import GenerationRequest, explain_token_id
from lodesmith.serve.access.front import Front
from lodesmith.serve.answers.answers import Answers
from lodesmith.serve.answers.chat_format import ChatFormat
from lodesmith.serve.answers.completion_format import CompletionFormat
from lodesmith.serve.answers.embeddings import embed
from lodesmith.serve.answers.metrics import render_page
from lodesmith.serve.answers.requests import chat_requests, completion_requests, usable_tools
from lodesmith.serve.answers.respond import respond
from lodesmith.serve.answers.service import Service
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.api.protocol import (
    ChatBody,
    CompletionBody,
    DetokenizeBody,
    EmbeddingsBody,
    GenerationBody,
    TokenizeBody,
)


def add_completions(app: FastAPI, front: Front[Service]) -> None:
    """Add the routes that answer."""

    @app.post("/v1/chat/completions", response_model=None)
    async def complete_chat(body: ChatBody, request: Request) -> Response:
        """Answer a conversation."""
        service = front.admit(request, body.model)
        requests = await chat_requests(service, body)
        answers, num_prompt_tokens = await _ask(front, request, service, requests, body)
        chat_format = ChatFormat(
            service.token_names, with_logprobs=body.logprobs, with_tools=bool(usable_tools(body))
        )
        return await respond(
            request, answers, chat_format, body=body, num_prompt_tokens=num_prompt_tokens,
            limit_seconds=front.request_seconds,
        )  # fmt: skip

    @app.post("/v1/completions", response_model=None)
    async def complete_text(body: CompletionBody, request: Request) -> Response:
        """Go on from a text."""
        service = front.admit(request, body.model)
        requests = await completion_requests(service, body)
        answers, num_prompt_tokens = await _ask(front, request, service, requests, body)
        text_format = CompletionFormat(
            service.token_names, service.tokenizer, answers.choices,
            with_logprobs=body.logprobs is not None, echo=body.echo,
        )  # fmt: skip
        return await respond(
            request, answers, text_format, body=body, num_prompt_tokens=num_prompt_tokens,
            limit_seconds=front.request_seconds,
        )  # fmt: skip

    @app.post("/v1/embeddings")
    async def embed_texts(body: EmbeddingsBody, request: Request) -> dict[str, Any]:
        """Return the mean of the last hidden states of each text, of length one."""
        answer = await embed(front.admit(request, body.model), body)
        front.charge(request, answer["usage"]["prompt_tokens"])(0)
        return answer


async def _ask(
    front: Front[Service],
    request: Request,
    service: Service,
    requests: Sequence[GenerationRequest],
    body: GenerationBody,
) -> tuple[Answers, int]:
    """Return answers on their way, and the tokens of their prompts, each counted once."""
    num_prompt_tokens = sum(len(each.input_ids) for each in requests[:: body.n])
    answers = await Answers.ask(
        service, requests, stop=body.stop_strings, on_end=front.charge(request, num_prompt_tokens)
    )
    service.metrics.num_prompt_tokens += num_prompt_tokens
    return answers, num_prompt_tokens


def add_tokens(app: FastAPI, front: Front[Service]) -> None:
    """Add the routes between texts and ids."""

    @app.post("/tokenize")
    async def tokenize(body: TokenizeBody, request: Request) -> dict[str, Any]:
        """Return the ids that a text or a conversation is asked with."""
        service = front.models.find(body.model, front.caller(request))
        if body.messages is not None:
            ids = await service.encode_messages(body.messages)
        else:
            ids = await service.encode_text(
                body.prompt or "", add_special_tokens=body.add_special_tokens
            )
        longest = service.engine.limits.max_model_len
        return {"count": len(ids), "max_model_len": longest, "tokens": ids}

    @app.post("/detokenize")
    async def detokenize(body: DetokenizeBody, request: Request) -> dict[str, str]:
        """Return the text of ids."""
        service = front.models.find(body.model, front.caller(request))
        vocab_size = service.engine.limits.vocab_size
        wrong = next((token for token in body.tokens if token >= vocab_size), None)
        if wrong is not None:
            raise ApiError(400, explain_token_id(wrong, vocab_size), param="tokens")
        return {"prompt": await asyncio.to_thread(service.tokenizer.decode, body.tokens)}


def add_metrics(app: FastAPI, front: Front[Service]) -> None:
    """Add the route that tells what has been done."""

    @app.get("/metrics", response_class=PlainTextResponse)
    async def tell_metrics(request: Request) -> PlainTextResponse:
        """Return counters for Prometheus, of the models that the caller may use."""
        page = render_page(
            family
            for service in front.models.visible_to(front.caller(request))
            for family in service.metrics.families(model=service.name, stats=service.engine.stats())
        )
        return PlainTextResponse(page, media_type="text/plain; version=0.0.4")

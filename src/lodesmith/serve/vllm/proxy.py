"""Our routes, keys and limits before vLLMs: what may be asked is the same as of our own engine.

A request is read and refused as there, and passed on in vLLM's words; the answer is vLLM's own.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse, Response

from lodesmith.infer.interface import explain_token_id
from lodesmith.serve.access.catalogue import ServedModels
from lodesmith.serve.access.front import Front
from lodesmith.serve.access.keys import ApiKeys
from lodesmith.serve.access.quotas import quotas_of
from lodesmith.serve.answers.client_gone import CLIENT_CLOSED_REQUEST, unless_gone
from lodesmith.serve.answers.metrics import render_page
from lodesmith.serve.answers.respond import AnswerStream, too_slow
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.api.protocol import (
    ChatBody,
    CompletionBody,
    DetokenizeBody,
    EmbeddingsBody,
    GenerationBody,
    StreamOptions,
    TokenizeBody,
)
from lodesmith.serve.vllm.bodies import chat_body, completion_body, tokenize_body
from lodesmith.serve.vllm.metrics import read_families
from lodesmith.serve.vllm.model import VllmModel
from lodesmith.serve.vllm.stream import VllmStream
from lodesmith.serve.web.adapters import AdapterShelf
from lodesmith.serve.web.app import assemble
from lodesmith.serve.web.model_list import add_model_list


def create_proxy(
    models: ServedModels[VllmModel],
    *,
    keys: ApiKeys | None,
    request_seconds: float,
    shelf: AdapterShelf[VllmModel] | None = None,
) -> FastAPI:
    """Return the web application before vLLMs; see `create_app` for the arguments."""
    front = Front(models, quotas_of(keys), request_seconds=request_seconds)
    clients = [model.client for model in models]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        yield
        for client in clients:
            await client.close()

    routes = (_add_completions, _add_tokens, add_model_list, _add_metrics)
    return assemble(front, routes, keys=keys, shelf=shelf, lifespan=lifespan)


def _add_completions(app: FastAPI, front: Front[VllmModel]) -> None:
    @app.post("/v1/chat/completions", response_model=None)
    async def complete_chat(body: ChatBody, request: Request) -> Response:
        """Answer a conversation."""
        model = front.admit(request, body.model)
        data = chat_body(body, chat_template=model.chat_template)
        return await _answer(front, request, body, data, num_prompts=1)

    @app.post("/v1/completions", response_model=None)
    async def complete_text(body: CompletionBody, request: Request) -> Response:
        """Go on from a text."""
        front.admit(request, body.model)
        data = completion_body(body)
        return await _answer(front, request, body, data, num_prompts=len(body.prompts))

    @app.post("/v1/embeddings")
    async def embed_texts(body: EmbeddingsBody, request: Request) -> Response:
        """Say that a vLLM that writes text makes no embeddings."""
        front.admit(request, body.model)
        raise ApiError(
            400, "with vllm this server makes no embeddings; serve the model without --backend vllm"
        )


async def _answer(
    front: Front[VllmModel],
    request: Request,
    body: GenerationBody,
    data: dict[str, Any],
    *,
    num_prompts: int,
) -> Response:
    """Return vLLM's answer, whole or as it comes; a client that goes away ends it there."""
    client = front.models.find(body.model, front.caller(request)).client
    charge = front.charge(request, 0)
    path, limit_seconds = request.url.path, front.request_seconds
    with ExitStack() as stack:
        stack.enter_context(client.place_for(num_prompts * body.n))
        if body.stream:
            answer = await _in_time(client.send("POST", path, data), limit_seconds)
            options = body.stream_options or StreamOptions()
            stream = VllmStream(answer, options, num_choices=body.n)
            held = stack.pop_all()

            async def close() -> None:
                held.close()
                charge(stream.num_tokens)
                await answer.aclose()

            return AnswerStream(stream.events(), close, limit_seconds=limit_seconds)
        whole = await _in_time(
            unless_gone(request.receive, client.fetch("POST", path, data)), limit_seconds
        )
    if whole is None:
        return Response(status_code=CLIENT_CLOSED_REQUEST)
    charge(int(json.loads(whole)["usage"]["total_tokens"]))
    return Response(whole, media_type="application/json")


async def _in_time(work: Any, limit_seconds: float) -> Any:
    try:
        async with asyncio.timeout(limit_seconds):
            return await work
    except TimeoutError:
        raise too_slow(limit_seconds) from None


def _add_tokens(app: FastAPI, front: Front[VllmModel]) -> None:
    @app.post("/tokenize")
    async def tokenize(body: TokenizeBody, request: Request) -> dict[str, Any]:
        """Return the ids that a text or a conversation is asked with."""
        model = front.models.find(body.model, front.caller(request))
        data = tokenize_body(body, name=model.name)
        found = json.loads(await model.client.fetch("POST", "/tokenize", data))
        return {name: found[name] for name in ("count", "max_model_len", "tokens")}

    @app.post("/detokenize")
    async def detokenize(body: DetokenizeBody, request: Request) -> dict[str, str]:
        """Return the text of ids."""
        model = front.models.find(body.model, front.caller(request))
        vocab_size = model.vocab_size
        wrong = [token for token in body.tokens if vocab_size is not None and token >= vocab_size]
        if wrong and vocab_size is not None:
            raise ApiError(400, explain_token_id(wrong[0], vocab_size), param="tokens")
        data = {"model": model.name, "tokens": body.tokens}
        found = json.loads(await model.client.fetch("POST", "/detokenize", data))
        return {"prompt": found["prompt"]}


def _add_metrics(app: FastAPI, front: Front[VllmModel]) -> None:
    @app.get("/metrics", response_class=PlainTextResponse)
    async def tell_metrics(request: Request) -> PlainTextResponse:
        """Return what vLLM counts, of the models that the caller may use."""
        visible = front.models.visible_to(front.caller(request))
        clients = {id(model.client): model.client for model in visible}
        pages = []
        for client in clients.values():
            with contextlib.suppress(ApiError):  # one that is down counts nothing
                pages.append((await client.fetch("GET", "/metrics")).decode())
        page = render_page(family for each in pages for family in read_families(each))
        return PlainTextResponse(page, media_type="text/plain; version=0.0.4")

"""Our address, keys and limits before a vLLM: requests are passed on, answers passed back.

What is asked and answered is vLLM's own; here only callers are told apart. To count the tokens of
a stream it is asked to say its usage, which the caller gets only if it asked too.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from lodesmith.core.version import VERSION
from lodesmith.serve.app import add_error_handlers
from lodesmith.serve.chat_page import add_chat_page
from lodesmith.serve.client_gone import CLIENT_CLOSED_REQUEST, unless_gone
from lodesmith.serve.faults import ApiError
from lodesmith.serve.guard import CALLER, Guard
from lodesmith.serve.keys import ApiKeys, Caller
from lodesmith.serve.quotas import Quotas, quotas_of
from lodesmith.serve.vllm_process import VllmProcess

_POSTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/tokenize", "/detokenize")
_GETS = ("/v1/models", "/health", "/metrics")
_MODELS = "/v1/models"


def create_proxy(
    vllm: VllmProcess, *, name: str, keys: ApiKeys | None, request_seconds: float
) -> FastAPI:
    """Return the web application before a vLLM that serves one model under this name."""
    proxy = _Proxy(vllm, name, quotas_of(keys))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        del app
        limits = httpx.Limits(max_connections=None)  # vLLM knows best how many it answers
        async with httpx.AsyncClient(
            trust_env=False, timeout=request_seconds, limits=limits
        ) as client:
            proxy.client = client
            yield

    app = FastAPI(
        title="Lodesmith", version=VERSION, docs_url=None, redoc_url=None, openapi_url=None,
        lifespan=lifespan,
    )  # fmt: skip
    app.add_middleware(Guard, keys=keys)
    add_error_handlers(app)
    add_chat_page(app)
    for path in _POSTS:
        app.add_api_route(path, proxy.pass_on, methods=["POST"], response_model=None)
    for path in _GETS:
        app.add_api_route(path, proxy.pass_on, methods=["GET"], response_model=None)
    app.add_api_route(f"{_MODELS}/{{asked:path}}", proxy.show_model, response_model=None)
    return app


@dataclass
class _Proxy:
    vllm: VllmProcess
    name: str
    quotas: Quotas
    client: httpx.AsyncClient = field(init=False)

    async def pass_on(self, request: Request) -> Response:
        """Send a request on, and its answer back as it comes."""
        caller = self._check(request)
        body, adds_usage = await request.body(), False
        if request.method == "POST":
            self.quotas.check(caller)
            body, adds_usage = _ask_for_usage(body)
        answer = await unless_gone(request, self._send(request.method, request.url.path, body))
        if answer is None:
            return Response(status_code=CLIENT_CLOSED_REQUEST)
        kind = answer.headers.get("content-type", "")
        if kind.startswith("text/event-stream"):
            events = self._events(answer, caller, hides_usage=adds_usage)
            return StreamingResponse(events, media_type="text/event-stream")
        data = await answer.aread()
        self._charge(caller, data)
        wait = answer.headers.get("retry-after")
        headers = {} if wait is None else {"Retry-After": wait}
        return Response(data, answer.status_code, headers, media_type=kind)

    async def show_model(self, request: Request, asked: str) -> Response:
        """Return what vLLM lists of a model; it has no route for one."""
        self._check(request)
        answer = await self._send("GET", _MODELS, b"")
        listed = _as_object(await answer.aread()).get("data", [])
        found = next((model for model in listed if model["id"] == asked), None)
        if found is None:
            raise ApiError(
                404, f"the model '{asked}' is not served here", param="model",
                code="model_not_found",
            )  # fmt: skip
        return JSONResponse(found)

    def _check(self, request: Request) -> Caller:
        caller: Caller = request.scope[CALLER]
        if caller.models is not None and self.name not in caller.models:
            raise ApiError(404, "no model is served to you", param="model", code="model_not_found")
        return caller

    async def _send(self, method: str, path: str, body: bytes) -> httpx.Response:
        """Return vLLM's answer, of a stream its beginning; to cancel ends the request there."""
        headers = {"Content-Type": "application/json"}
        request = self.client.build_request(
            method, f"{self.vllm.url}{path}", content=body, headers=headers
        )
        try:
            return await self.client.send(request, stream=True)
        except httpx.TransportError:
            reason = self.vllm.failure or "vllm does not answer; it is being started again"
            raise ApiError(503, reason) from None

    async def _events(
        self, answer: httpx.Response, caller: Caller, *, hides_usage: bool
    ) -> AsyncIterator[bytes]:
        """Yield the events of a stream; closing it closes vLLM's, which ends the request there."""
        try:
            async for line in answer.aiter_lines():
                data = line.removeprefix("data: ").encode()
                is_usage = b'"usage":{' in data.replace(b" ", b"") and b'"choices":[]' in data
                if is_usage:
                    self._charge(caller, data)
                if line and not (is_usage and hides_usage):
                    yield f"{line}\n\n".encode()
        except httpx.TransportError:
            error = ApiError(503, "vllm ended before the answer was whole; ask again")
            yield f"data: {json.dumps(error.body())}\n\n".encode()
        finally:
            await answer.aclose()

    def _charge(self, caller: Caller, data: bytes) -> None:
        usage = _as_object(data).get("usage")
        if isinstance(usage, dict):
            self.quotas.add_tokens(caller, int(usage.get("total_tokens", 0)))


def _ask_for_usage(body: bytes) -> tuple[bytes, bool]:
    """Return a body whose stream says its usage, and whether it would not have said it."""
    data = _as_object(body)
    options = data.get("stream_options") or {}
    if data.get("stream") is not True or not isinstance(options, dict):
        return body, False
    if options.get("include_usage"):
        return body, False
    data["stream_options"] = {**options, "include_usage": True}
    return json.dumps(data).encode(), True


def _as_object(data: bytes) -> dict[str, Any]:
    """Return JSON data if it is an object; vLLM says what is wrong with anything else."""
    try:
        value = json.loads(data)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}

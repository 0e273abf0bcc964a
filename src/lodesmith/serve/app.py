"""The routes: OpenAI's, and the few of vLLM's that tools rely on."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException

from lodesmith.core.version import VERSION
from lodesmith.serve.chat_format import ChatFormat
from lodesmith.serve.completion_format import CompletionFormat
from lodesmith.serve.faults import ApiError, explain_validation
from lodesmith.serve.guard import Guard
from lodesmith.serve.keys import ApiKeys
from lodesmith.serve.protocol import ChatBody, CompletionBody, DetokenizeBody, TokenizeBody
from lodesmith.serve.respond import respond
from lodesmith.serve.service import Service, count_prompt_tokens


def create_app(service: Service, *, keys: ApiKeys | None = None) -> FastAPI:
    """Return the web application that serves one model."""
    app = FastAPI(title="Lodesmith", version=VERSION)
    app.add_middleware(Guard, keys=keys)
    _add_error_handlers(app)
    _add_completions(app, service)
    _add_tokens(app, service)
    _add_information(app, service)
    return app


def _add_completions(app: FastAPI, service: Service) -> None:
    @app.post("/v1/chat/completions", response_model=None)
    async def complete_chat(body: ChatBody, request: Request) -> Response:
        """Answer a conversation."""
        service.check_model(body.model)
        requests = await service.chat_requests(body)
        answers = service.ask(requests, body=body)
        chat_format = ChatFormat(service.token_names, with_logprobs=body.logprobs)
        num_prompt_tokens = count_prompt_tokens(requests, choices=body.n)
        return await respond(
            request, answers, chat_format, body=body, num_prompt_tokens=num_prompt_tokens
        )

    @app.post("/v1/completions", response_model=None)
    async def complete_text(body: CompletionBody, request: Request) -> Response:
        """Go on from a text."""
        service.check_model(body.model)
        requests = await service.completion_requests(body)
        answers = service.ask(requests, body=body)
        text_format = CompletionFormat(
            service.token_names, service.tokenizer, answers.choices,
            with_logprobs=body.logprobs is not None, echo=body.echo,
        )  # fmt: skip
        num_prompt_tokens = count_prompt_tokens(requests, choices=body.n)
        return await respond(
            request, answers, text_format, body=body, num_prompt_tokens=num_prompt_tokens
        )


def _add_tokens(app: FastAPI, service: Service) -> None:
    @app.post("/tokenize")
    async def tokenize(body: TokenizeBody) -> dict[str, Any]:
        """Return the ids that a text or a conversation is asked with."""
        service.check_model(body.model or service.name)
        if body.messages is not None:
            ids = await service.encode_messages(body.messages)
        else:
            ids = await service.encode_text(
                body.prompt or "", add_special_tokens=body.add_special_tokens
            )
        longest = service.engine.limits.max_model_len
        return {"count": len(ids), "max_model_len": longest, "tokens": ids}

    @app.post("/detokenize")
    async def detokenize(body: DetokenizeBody) -> dict[str, str]:
        """Return the text of ids."""
        service.check_model(body.model or service.name)
        return {"prompt": service.tokenizer.decode(body.tokens)}


def _add_information(app: FastAPI, service: Service) -> None:
    card = {
        "id": service.name,
        "object": "model",
        "created": service.created,
        "owned_by": "lodesmith",
        "max_model_len": service.engine.limits.max_model_len,
    }

    @app.get("/v1/models")
    async def list_models() -> dict[str, Any]:
        """Return the one model that is served."""
        return {"object": "list", "data": [card]}

    @app.get("/v1/models/{name:path}")
    async def show_model(name: str) -> dict[str, Any]:
        """Return the model of that name."""
        service.check_model(name)
        return card

    @app.get("/health")
    async def tell_health() -> Response:
        """Tell whether the engine works."""
        failure = service.engine.stats().failure
        if failure is not None:
            return JSONResponse({"status": failure}, status_code=503)
        return JSONResponse({"status": "ok"})

    @app.get("/metrics")
    async def tell_metrics() -> PlainTextResponse:
        """Return counters for Prometheus."""
        stats = service.engine.stats()
        text = service.metrics.render(model=service.name, stats=stats)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


def _add_error_handlers(app: FastAPI) -> None:
    @app.exception_handler(ApiError)
    async def tell_api_error(request: Request, error: ApiError) -> Response:
        del request
        return JSONResponse(error.body(), status_code=error.status, headers=error.headers())

    @app.exception_handler(RequestValidationError)
    async def tell_validation_error(request: Request, error: RequestValidationError) -> Response:
        return await tell_api_error(request, explain_validation(error.errors()))

    @app.exception_handler(HTTPException)
    async def tell_http_error(request: Request, error: HTTPException) -> Response:
        message = f"{request.method} {request.url.path}: {error.detail}"
        return await tell_api_error(request, ApiError(error.status_code, message))

    @app.exception_handler(Exception)
    async def tell_fault(request: Request, error: Exception) -> Response:
        message = f"the server failed ({type(error).__name__}); this is a bug, please report it"
        return await tell_api_error(request, ApiError(500, message))

"""The web application: guard, routes, chat page, and every error in OpenAI's shape."""

from collections.abc import Callable, Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.types import Lifespan

from lodesmith.core.version import VERSION
from lodesmith.serve.access.catalogue import ServedModels, T
from lodesmith.serve.access.front import Front
from lodesmith.serve.access.guard import Guard
from lodesmith.serve.access.keys import ApiKeys
from lodesmith.serve.access.listen import REQUEST_SECONDS
from lodesmith.serve.access.quotas import quotas_of
from lodesmith.serve.answers.service import Service
from lodesmith.serve.api.faults import ERRORS, ApiError, explain_validation
from lodesmith.serve.web.adapters import AdapterShelf, add_adapter_routes
from lodesmith.serve.web.api_page import add_api_page
from lodesmith.serve.web.chat_page import add_chat_page
from lodesmith.serve.web.model_list import add_model_list
from lodesmith.serve.web.routes import add_completions, add_metrics, add_tokens


def create_app(
    models: ServedModels[Service],
    *,
    keys: ApiKeys | None = None,
    request_seconds: float = REQUEST_SECONDS,
    shelf: AdapterShelf[Service] | None = None,
) -> FastAPI:
    """Return the web application that serves these models.

    Args:
        models: what is served.
        keys: who may ask; None: anybody.
        request_seconds: after which an answer that is not whole is given up, s.
        shelf: adapters that may be loaded; None: none.
    """
    front = Front(models, quotas_of(keys), request_seconds=request_seconds)
    routes = (add_completions, add_tokens, add_model_list, add_metrics)
    return assemble(front, routes, keys=keys, shelf=shelf)


def assemble(
    front: Front[T],
    routes: Sequence[Callable[[FastAPI, Front[T]], None]],
    *,
    keys: ApiKeys | None,
    shelf: AdapterShelf[T] | None,
    lifespan: Lifespan[FastAPI] | None = None,
) -> FastAPI:
    """Return the web application around an engine's own routes.

    Args:
        front: what a route asks first.
        routes: what adds them, in the order of the page at `/docs`.
        keys: who may ask; None: anybody.
        shelf: adapters that may be loaded; None: none.
        lifespan: what is done before the first request and after the last one.
    """
    app = FastAPI(
        title="Lodesmith", version=VERSION, docs_url=None, redoc_url=None, responses=ERRORS,
        lifespan=lifespan,
    )  # fmt: skip
    app.add_middleware(Guard, keys=keys)
    _add_error_handlers(app)
    for add_routes in routes:
        add_routes(app, front)
    if shelf is not None:
        add_adapter_routes(app, front, shelf)
    add_chat_page(app)
    add_api_page(app)
    return app


def _add_error_handlers(app: FastAPI) -> None:
    """Answer every error in the one shape."""

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
        answer = await tell_api_error(request, ApiError(error.status_code, message))
        answer.headers.update(error.headers or {})  # Allow, of a method that is not
        return answer

    @app.exception_handler(Exception)
    async def tell_fault(request: Request, error: Exception) -> Response:
        message = f"the server failed ({type(error).__name__}); this is a bug, please report it"
        return await tell_api_error(request, ApiError(500, message))

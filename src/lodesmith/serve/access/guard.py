"""What stands before every route: who may ask, and how much may be sent."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from lodesmith.serve.access.keys import ANYBODY, ApiKeys, Caller
from lodesmith.serve.api.faults import ApiError

MAX_BODY_BYTES = 8 << 20
CALLER = "lodesmith.caller"  # where the scope of a request says who asks

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

_OPEN_PATHS = frozenset({"/", "/health"})  # the chat page, and that the server lives


class Guard:
    """An ASGI application around another."""

    def __init__(self, app: App, *, keys: ApiKeys | None) -> None:
        self._app, self._keys = app, keys

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with what is wrong."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope[CALLER] = self._find_caller(scope)
            await self._app(scope, _bounded(receive), send)
        except ApiError as error:
            response = JSONResponse(error.body(), error.status, error.headers())
            await response(scope, receive, send)

    def _find_caller(self, scope: Message) -> Caller:
        if self._keys is None or scope["path"] in _OPEN_PATHS:
            return ANYBODY
        headers = dict(scope["headers"])
        scheme, _, key = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        caller = self._keys.find_caller(key.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            raise ApiError(
                401,
                "this server needs an API key it knows, sent as `Authorization: Bearer KEY`",
                code="invalid_api_key",
            )
        return caller


def _bounded(receive: Receive) -> Receive:
    """Return a `receive` that gives up on a body over the bound."""
    num_bytes = 0

    async def receive_some() -> Message:
        nonlocal num_bytes
        message = await receive()
        num_bytes += len(message.get("body", b""))
        if num_bytes > MAX_BODY_BYTES:
            raise HTTPException(413, f"the body is over {MAX_BODY_BYTES:,} bytes")
        return message

    return receive_some

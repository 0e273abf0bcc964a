"""Work for a client that may go away before it is done."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.types import Receive

CLIENT_CLOSED_REQUEST = 499  # nginx's status for a client that went away; nobody receives it


T = TypeVar("T")


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what work gives; end it and return None once the client has gone away."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_watch(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        watching.cancel()
        if not working.done():
            working.cancel()
            await asyncio.wait((working,))


async def _watch(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass

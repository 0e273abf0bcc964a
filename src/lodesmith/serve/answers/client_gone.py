"""Work for a client that may go away before it is done."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

CLIENT_CLOSED_REQUEST = 499  # nginx's status for a client that went away; nobody receives it


T = TypeVar("T")


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T | None:
    """Return what work gives; cancel it and return None once the client has gone away."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_watch(request))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, watching):
            task.cancel()


async def _watch(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

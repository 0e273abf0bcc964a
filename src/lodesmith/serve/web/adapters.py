"""LoRA adapters that are served and taken away while the server runs, each under a name of its own.

All share the base model's weights and engine, and may stand in one batch. Only folders below the
one that the server was started with are read, and only for callers that may use every model.

Source: vLLM documentation, "LoRA Adapters", for names and fields of the two routes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Generic

from fastapi import FastAPI, Request
from fastapi.responses import PlainTextResponse

from lodesmith.core.errors import LodesmithError
from lodesmith.serve.access.catalogue import T
from lodesmith.serve.access.front import Front
from lodesmith.serve.answers.metrics import Metrics
from lodesmith.serve.answers.service import Service
from lodesmith.serve.api.chat_messages import FunctionName
from lodesmith.serve.api.faults import ApiError
from lodesmith.serve.api.request_body import RequestBody


class LoadAdapterBody(RequestBody):
    """POST /v1/load_lora_adapter."""

    lora_name: FunctionName
    lora_path: str
    """A folder in PEFT's form, below the one that the server was started with."""


class UnloadAdapterBody(RequestBody):
    """POST /v1/unload_lora_adapter."""

    lora_name: str


@dataclass(frozen=True)
class AdapterShelf(Generic[T]):
    """Where adapters lie, and how they are put on a model and taken off again."""

    folder: Path
    put_on: Callable[[str, Path], T]  # on a thread; a `LodesmithError` says what is wrong
    take_off: Callable[[str], None]  # on a thread

    def load(self, name: str, path: str) -> T:
        """Return what is served of base and adapter.

        Raises:
            ApiError: the folder lies elsewhere, or its adapter does not fit the base.
        """
        root = self.folder.resolve()
        folder = (root / path).resolve()
        if not folder.is_relative_to(root) or not folder.is_dir():
            raise ApiError(
                404, f"there is no adapter '{path}' in the server's folder", param="lora_path"
            )
        try:
            return self.put_on(name, folder)
        except LodesmithError as error:
            raise ApiError(400, str(error), param="lora_path") from None


def shelf_of(base: Service, folder: Path) -> AdapterShelf[Service]:
    """Return the shelf of a model that our own engine computes."""

    def put_on(name: str, adapter: Path) -> Service:
        base.engine.load_adapter(name, adapter)
        return replace(base, name=name, adapter=name, metrics=Metrics())

    return AdapterShelf(folder, put_on, base.engine.unload_adapter)


def add_adapter_routes(app: FastAPI, front: Front[T], shelf: AdapterShelf[T]) -> None:
    """Add the routes that load and unload adapters."""
    own: set[str] = set()
    changing = asyncio.Lock()

    @app.post("/v1/load_lora_adapter", response_class=PlainTextResponse)
    async def load_lora_adapter(body: LoadAdapterBody, request: Request) -> str:
        """Serve an adapter under a name of its own."""
        _check_rights(front, request)
        async with changing:
            if front.models.has(body.lora_name):
                raise ApiError(400, f"'{body.lora_name}' is served already", param="lora_name")
            service = await asyncio.to_thread(shelf.load, body.lora_name, body.lora_path)
            front.models.add(service)
            own.add(body.lora_name)
        return f"Success: LoRA adapter '{body.lora_name}' added successfully."

    @app.post("/v1/unload_lora_adapter", response_class=PlainTextResponse)
    async def unload_lora_adapter(body: UnloadAdapterBody, request: Request) -> str:
        """Take an adapter away; requests that use it go on to their end."""
        _check_rights(front, request)
        async with changing:
            if body.lora_name not in own:
                raise ApiError(404, f"no adapter '{body.lora_name}' is loaded", param="lora_name")
            own.discard(body.lora_name)
            front.models.remove(body.lora_name)
            await asyncio.to_thread(shelf.take_off, body.lora_name)
        return f"Success: LoRA adapter '{body.lora_name}' removed successfully."


def _check_rights(front: Front[T], request: Request) -> None:
    if front.caller(request).models is not None:
        raise ApiError(403, "only a caller that may use every model may change them")

"""The server in the foreground: its models, one port, until it is told to stop."""

import contextlib
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from lodesmith.core.log import say
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.load import LoadedModel, open_folder
from lodesmith.serve.adapters import AdapterShelf
from lodesmith.serve.app import create_app
from lodesmith.serve.catalogue import ServedModels
from lodesmith.serve.front import REQUEST_SECONDS
from lodesmith.serve.keeper import KeptEngine
from lodesmith.serve.keys import ApiKeys, check_binding
from lodesmith.serve.listen import STOP_SECONDS, bind, url_of
from lodesmith.serve.service import Service
from lodesmith.serve.vllm_process import VllmCommand, VllmProcess
from lodesmith.serve.vllm_proxy import create_proxy

Models = Mapping[str, Path | LoadedModel]
"""What is served: a Hugging Face folder, or a model in memory, by the name clients call it."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Who may ask, and how long and how much is answered at once."""

    keys: ApiKeys | None = None  # None: anybody
    request_seconds: float = REQUEST_SECONDS  # after which an answer is given up
    engine: EngineConfig | None = None  # of each model
    adapters: Path | None = None  # folder of adapters of the first model that callers may load


def serve(
    models: Models,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    settings: ServerSettings | None = None,
) -> None:
    """Serve models until SIGINT or SIGTERM; what runs then gets ten seconds to finish.

    Args:
        models: by name.
        host: address to listen on; beyond this machine keys must be given.
        port: 0 takes a free one; the one taken is printed.
        settings: keys and limits.

    Raises:
        UserError: the port is taken, the keys are missing or wrong, or a model is.
    """
    settings = settings or ServerSettings()
    check_binding(host, settings.keys)
    with bind(host, port) as listener:  # before the model is loaded: a taken port is told at once
        serve_on(listener, models, settings=settings)


def serve_on(
    listener: socket.socket, models: Models, *, settings: ServerSettings, quiet: bool = False
) -> None:
    """Serve models on a socket that listens already."""
    loaded = [
        model if isinstance(model, LoadedModel) else open_folder(model, name=name)
        for name, model in models.items()
    ]

    def start(name: str, model: LoadedModel) -> Service:
        kept = KeptEngine(lambda: model.start_engine(settings.engine))
        return Service(name=name, tokenizer=model.tokenizer, engine=kept, created=int(time.time()))

    services = [start(*each) for each in zip(models, loaded, strict=True)]
    folder = settings.adapters
    shelf = None if folder is None else AdapterShelf(folder, services[0])
    try:
        if not quiet:
            for service in services:
                limits = service.engine.limits
                say(f"{service.name}: up to {limits.max_model_len:,} tokens in a request, "
                    f"{limits.max_num_seqs} requests at once")  # fmt: skip
            say(f"listening on {url_of(listener)}/v1 (Ctrl-C stops)")
        app = create_app(
            ServedModels(services),
            keys=settings.keys,
            request_seconds=settings.request_seconds,
            shelf=shelf,
        )
        _run(app, listener)
    finally:
        for service in services:
            service.engine.close()


def serve_by_vllm(
    folder: Path, *, name: str, host: str, port: int, settings: ServerSettings
) -> None:
    """Serve a model by a vLLM of its own, behind our address, keys and limits.

    Raises:
        UserError: the port is taken, or the keys are missing or wrong.
        EngineError: there is no vLLM, or it did not start.
    """
    check_binding(host, settings.keys)
    command = VllmCommand(folder=folder, name=name, engine=settings.engine or EngineConfig())
    with bind(host, port) as listener, VllmProcess(command) as vllm:
        say(f"listening on {url_of(listener)}/v1, vllm on {vllm.url} (Ctrl-C stops)")
        app = create_proxy(
            vllm, name=name, keys=settings.keys, request_seconds=settings.request_seconds
        )
        _run(app, listener)


def _run(app: FastAPI, listener: socket.socket) -> None:
    """Answer until SIGINT or SIGTERM."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=STOP_SECONDS
    )
    with _signals_end_quietly():
        uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _signals_end_quietly() -> Iterator[None]:
    """Let SIGINT and SIGTERM end the server and nothing else.

    uvicorn stops in order and then raises the signal again, so that the process dies of it. A
    server that stopped as it was told to has not failed, and exits with 0.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    earlier = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)

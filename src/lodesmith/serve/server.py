"""The server in the foreground: its models, one port, until it is told to stop."""

import contextlib
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from lodesmith.core.log import say
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.load import LoadedModel, load_folder
from lodesmith.serve.adapters import AdapterShelf
from lodesmith.serve.app import create_app
from lodesmith.serve.catalogue import ServedModels
from lodesmith.serve.front import REQUEST_SECONDS
from lodesmith.serve.keeper import KeptEngine
from lodesmith.serve.keys import ApiKeys, check_binding
from lodesmith.serve.listen import STOP_SECONDS, bind, url_of
from lodesmith.serve.service import Service

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
        model if isinstance(model, LoadedModel) else load_folder(model, name=name)
        for name, model in models.items()
    ]

    def start(name: str, model: LoadedModel) -> Service:
        kept = KeptEngine(lambda: model.start_engine(settings.engine))
        return Service(name=name, tokenizer=model.tokenizer, engine=kept, created=int(time.time()))

    served = ServedModels([start(*each) for each in zip(models, loaded, strict=True)])
    folder = settings.adapters
    shelf = None if folder is None else AdapterShelf(folder, loaded[0], start)
    try:
        if not quiet:
            for service in served:
                limits = service.engine.limits
                say(f"{service.name}: up to {limits.max_model_len:,} tokens in a request, "
                    f"{limits.max_num_seqs} requests at once")  # fmt: skip
            say(f"listening on {url_of(listener)}/v1 (Ctrl-C stops)")
        app = create_app(
            served, keys=settings.keys, request_seconds=settings.request_seconds, shelf=shelf
        )
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=STOP_SECONDS
        )
        with _signals_end_quietly():
            uvicorn.Server(config).run(sockets=[listener])
    finally:
        for service in served:
            service.engine.close()


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

"""The server in the foreground: one model, one port, until it is told to stop."""

import contextlib
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import uvicorn

from lodesmith.core.log import say
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.load import LoadedModel, load_folder
from lodesmith.serve.app import create_app
from lodesmith.serve.catalogue import ServedModels
from lodesmith.serve.keys import ApiKeys, check_binding
from lodesmith.serve.listen import STOP_SECONDS, bind, url_of
from lodesmith.serve.service import Service


def serve(
    model: Path | LoadedModel,
    *,
    name: str,
    host: str = "127.0.0.1",
    port: int = 8000,
    api_keys: Path | None = None,
    engine: EngineConfig | None = None,
) -> None:
    """Serve a model until SIGINT or SIGTERM; what runs then gets ten seconds to finish.

    Args:
        model: a Hugging Face folder, or a model in memory.
        name: what clients call the model.
        host: address to listen on.
        port: 0 takes a free one; the one taken is printed.
        api_keys: a file of keys; must be given to listen beyond this machine.
        engine: how much it takes on at once.

    Raises:
        UserError: the port is taken, the keys are missing or wrong, or the model is.
    """
    keys = None if api_keys is None else ApiKeys.load(api_keys)
    check_binding(host, keys)
    with bind(host, port) as listener:  # before the model is loaded: a taken port is told at once
        serve_on(listener, model, name=name, keys=keys, engine=engine)


def serve_on(
    listener: socket.socket,
    model: Path | LoadedModel,
    *,
    name: str,
    keys: ApiKeys | None = None,
    engine: EngineConfig | None = None,
    quiet: bool = False,
) -> None:
    """Serve a model on a socket that listens already."""
    loaded = model if isinstance(model, LoadedModel) else load_folder(model, name=name)
    with loaded.start_engine(engine) as running:
        service = Service(
            name=name, tokenizer=loaded.tokenizer, engine=running, created=int(time.time())
        )
        if not quiet:
            limits = running.limits
            say(f"{name}: up to {limits.max_model_len:,} tokens in a request, "
                f"{limits.max_num_seqs} requests at once")  # fmt: skip
            say(f"listening on {url_of(listener)}/v1 (Ctrl-C stops)")
        config = uvicorn.Config(
            create_app(ServedModels([service]), keys=keys),
            log_level="warning",
            access_log=False,
            timeout_graceful_shutdown=STOP_SECONDS,
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

"""The web side of a server: answers over running engines, until it is told to stop.

It is imported late, see `server`.
"""

import contextlib
import gc
import signal
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from lodesmith.core.log import say
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.infer.interface import Engine
from lodesmith.serve.access.catalogue import ServedModels
from lodesmith.serve.access.keys import ApiKeys
from lodesmith.serve.access.listen import STOP_SECONDS, url_of
from lodesmith.serve.answers.service import Service
from lodesmith.serve.vllm.command import VllmCommand
from lodesmith.serve.vllm.model import VllmModel, vllm_shelf
from lodesmith.serve.vllm.process import VllmProcess
from lodesmith.serve.vllm.proxy import create_proxy
from lodesmith.serve.web.adapters import shelf_of
from lodesmith.serve.web.app import create_app


def answer(
    listener: socket.socket,
    engines: Mapping[str, tuple[Tokenizer, Engine]],
    *,
    keys: ApiKeys | None,
    request_seconds: float,
    adapters: Path | None,
    quiet: bool,
) -> None:
    """Answer by running engines, each under its model's name, until SIGINT or SIGTERM."""
    created = int(time.time())
    services = [
        Service(name=name, tokenizer=tokenizer, engine=engine, created=created)
        for name, (tokenizer, engine) in engines.items()
    ]
    if not quiet:
        for service in services:
            limits = service.engine.limits
            say(f"{service.name}: up to {limits.max_model_len:,} tokens in a request, "
                f"{limits.max_num_seqs} requests at once")  # fmt: skip
        say(f"listening on {url_of(listener)}/v1 (Ctrl-C stops)")
    shelf = None if adapters is None else shelf_of(services[0], adapters)
    app = create_app(
        ServedModels(services), keys=keys, request_seconds=request_seconds, shelf=shelf
    )
    _run(app, listener)


def answer_by_vllm(
    listener: socket.socket,
    commands: Sequence[VllmCommand],
    *,
    keys: ApiKeys | None,
    request_seconds: float,
    adapters: Path | None,
) -> None:
    """Answer by a vLLM for each model, until SIGINT or SIGTERM.

    They start one after the other: each looks how much of a GPU's memory is free.

    Raises:
        EngineError: there is no vLLM, or one did not start.
    """
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(VllmProcess(command)) for command in commands]
        models = [VllmModel.of(each, created=int(time.time())) for each in running]
        for model in models:
            say(f"{model.name}: vllm takes up to {model.max_model_len:,} tokens in a request")
        say(f"listening on {url_of(listener)}/v1 (Ctrl-C stops)")
        shelf = None if adapters is None else vllm_shelf(models[0], adapters)
        app = create_proxy(
            ServedModels(models), keys=keys, request_seconds=request_seconds, shelf=shelf
        )
        _run(app, listener)


def _run(app: FastAPI, listener: socket.socket) -> None:
    """Answer until SIGINT or SIGTERM."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, timeout_graceful_shutdown=STOP_SECONDS,
        http="h11",  # httptools, which uvicorn prefers where it is installed, bounds no header
    )  # fmt: skip
    gc.freeze()  # libraries and models stay; to look for rubbish among them takes .1 s
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

"""The server in the foreground: its models, one port, until it is told to stop.

A model's weights are packed by C, which needs no interpreter. Meanwhile the web side is imported
and the tokenizer made ready, so that the first answer comes sooner.
"""

import socket
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from lodesmith.core.errors import UserError
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.load import LoadedModel, open_folder
from lodesmith.serve.access.keys import ApiKeys, check_binding
from lodesmith.serve.access.listen import REQUEST_SECONDS, bind
from lodesmith.serve.keeper import KeptEngine

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
    """Serve models on a socket that listens already.

    Raises:
        UserError: a model or the folder of adapters is not there, or is wrong.
        DamagedArtifactError: a model's file is torn.
    """
    _check_adapter_folder(settings)
    torch.set_num_threads(1)  # its threads would spin where ours compute; its engines take more
    loaded = {
        name: model if isinstance(model, LoadedModel) else open_folder(model, name=name)
        for name, model in models.items()
    }
    with ThreadPoolExecutor(len(loaded)) as pool:
        starting = [
            pool.submit(KeptEngine, partial(model.start_engine, settings.engine))
            for model in loaded.values()
        ]
        from lodesmith.serve import site

        for model in loaded.values():
            _ = model.tokenizer.token_bytes
    engines = _all_or_none(starting)
    try:
        site.answer(
            listener,
            {
                name: (model.tokenizer, engine)
                for (name, model), engine in zip(loaded.items(), engines, strict=True)
            },
            keys=settings.keys,
            request_seconds=settings.request_seconds,
            adapters=settings.adapters,
            quiet=quiet,
        )
    finally:
        for engine in engines:
            engine.close()


def _all_or_none(starting: Sequence[Future[KeptEngine]]) -> list[KeptEngine]:
    """Return engines that have started; where one has not, close the others and say why."""
    failures = [failure for future in starting if (failure := future.exception()) is not None]
    if failures:
        for future in starting:
            if future.exception() is None:
                future.result().close()
        raise failures[0]
    return [future.result() for future in starting]


def serve_by_vllm(
    folders: Mapping[str, Path],
    *,
    host: str,
    port: int,
    settings: ServerSettings,
    options: Sequence[str] = (),
) -> None:
    """Serve models by a vLLM for each, behind our address, keys and limits.

    Args:
        folders: of the models, by name.
        host: address to listen on; beyond this machine keys must be given.
        port: 0 takes a free one.
        settings: keys and limits.
        options: further words of vLLM's command.

    Raises:
        UserError: the port is taken, the keys are missing or wrong, or a folder is not there.
        EngineError: there is no vLLM, or one did not start.
    """
    check_binding(host, settings.keys)
    _check_adapter_folder(settings)
    from lodesmith.serve import site
    from lodesmith.serve.vllm.command import VllmCommand

    commands = [
        VllmCommand(
            folder=folder,
            name=name,
            engine=settings.engine or EngineConfig(),
            options=tuple(options),
            num_sharing=len(folders),
            with_adapters=settings.adapters is not None and not number,
        )
        for number, (name, folder) in enumerate(folders.items())
    ]
    with bind(host, port) as listener:
        site.answer_by_vllm(
            listener,
            commands,
            keys=settings.keys,
            request_seconds=settings.request_seconds,
            adapters=settings.adapters,
        )


def _check_adapter_folder(settings: ServerSettings) -> None:
    if settings.adapters is not None and not settings.adapters.is_dir():
        raise UserError(f"there is no folder {settings.adapters} for adapters")

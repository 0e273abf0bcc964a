"""A server in a child process, for as long as a block runs."""

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

from lodesmith.core.errors import EngineError
from lodesmith.infer.config import EngineConfig
from lodesmith.serve.access.listen import STOP_SECONDS, bind, url_of

_POLL_SECONDS = 0.05


@contextlib.contextmanager
def background_server(
    folder: Path,
    *,
    name: str,
    port: int | None = None,
    engine: EngineConfig | None = None,
    start_seconds: float = 120.0,
) -> Iterator[str]:
    """Yield the base URL, without /v1, of a loopback server that lives as long as the block.

    Args:
        folder: a Hugging Face folder.
        name: what clients call the model.
        port: None takes a free one.
        engine: how much it takes on at once.
        start_seconds: how long it may take to answer /health, s.

    Raises:
        UserError: the port is taken.
        EngineError: the server ended or did not answer in time.
    """
    with bind("127.0.0.1", port or 0) as listener:
        url = url_of(listener)
        settings = (engine or EngineConfig()).model_dump_json()
        process = subprocess.Popen(
            [sys.executable, "-m", "lodesmith.serve", str(folder), "--name", name,
             "--socket", str(listener.fileno()), "--parent", str(os.getpid()),
             "--engine", settings],
            pass_fds=(listener.fileno(),),
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        _wait_until_healthy(process, url, start_seconds=start_seconds)
        yield url
    finally:
        _stop(process)


def _wait_until_healthy(
    process: subprocess.Popen[bytes], url: str, *, start_seconds: float
) -> None:
    deadline = time.monotonic() + start_seconds
    # trust_env=False: a proxy of the environment has no way to this machine's loopback.
    with httpx.Client(trust_env=False, timeout=1.0) as client:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise EngineError(
                    f"the server ended with exit code {process.returncode} before it answered; "
                    "its own message stands above"
                )
            with contextlib.suppress(httpx.TransportError):  # it is still loading the model
                if client.get(f"{url}/health").status_code == 200:
                    return
            time.sleep(_POLL_SECONDS)
    raise EngineError(
        f"the server did not answer within {start_seconds:g} s; if the model needs longer to "
        "load, raise serve.start_seconds"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=STOP_SECONDS + 5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()

"""vLLM as a process of ours: started on a loopback port, watched, and started again when it ends.

It is told to send nothing home and to ask no hub, and to leave out what the model's folder says of
sampling: a request means the same with either engine.

Source: vLLM documentation, "vllm serve" (its options of versions 0.19 and 0.30), "Usage Stats
Collection", "Tool Calling"; GET /health.
"""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from lodesmith.core.errors import EngineError
from lodesmith.core.log import say, warn
from lodesmith.data.tokenizer_settings import read_tokenizer_settings
from lodesmith.infer.config import EngineConfig
from lodesmith.serve.restart_budget import MAX_RESTARTS, RestartBudget
from lodesmith.serve.tools import OPEN

_POLL_SECONDS = 0.2
_STOP_SECONDS = 20.0  # that running requests get to finish

_SILENT = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}

_TIED = (
    "import os, sys; from lodesmith.core.process import die_with_parent; "
    "die_with_parent(int(sys.argv[1])); os.execvp(sys.argv[2], sys.argv[2:])"
)
"""Becomes the command that follows, and on Linux dies with us: no vLLM keeps a GPU for nobody."""


@dataclass(frozen=True, kw_only=True)
class VllmCommand:
    """How vLLM is started."""

    folder: Path
    name: str  # what clients call the model
    engine: EngineConfig
    start_seconds: float = 900.0  # large weights take minutes to load

    def words(self, port: int) -> list[str]:
        """Return the command."""
        command = [
            "vllm", "serve", str(self.folder), "--host", "127.0.0.1", "--port", str(port),
            "--served-model-name", self.name, "--max-num-seqs", str(self.engine.max_num_seqs),
            "--generation-config", "vllm",
        ]  # fmt: skip
        if OPEN in (read_tokenizer_settings(self.folder).chat_template or ""):
            command += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
        if self.engine.max_model_len is not None:
            command += ["--max-model-len", str(self.engine.max_model_len)]
        return command


class VllmProcess:
    """A running vLLM; use it in a `with` block."""

    def __init__(self, command: VllmCommand) -> None:
        if shutil.which("vllm") is None:
            raise EngineError(
                "there is no `vllm` on the PATH; pip install vllm on a machine with GPUs, or serve "
                "without --backend vllm"
            )
        self._command, self._budget = command, RestartBudget()
        self._stopping = threading.Event()
        self.failure: str | None = None  # why it is not to be started again
        self._start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "VllmProcess":
        try:
            self._wait_until_healthy()
        except BaseException:
            self._end()
            raise
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._watcher.join()  # first: it may be starting another one just now
        self._end()

    def _start(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        tied = [sys.executable, "-c", _TIED, str(os.getpid())]
        command = [*tied, *self._command.words(port)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, env={**os.environ, **_SILENT}
        )

    def _wait_until_healthy(self) -> None:
        deadline = time.monotonic() + self._command.start_seconds
        with httpx.Client(trust_env=False, timeout=5.0) as client:
            while time.monotonic() < deadline and not self._stopping.is_set():
                code = self._process.poll()
                if code is not None:
                    raise EngineError(
                        f"vllm ended with exit code {code} before it answered; its own message "
                        "stands above"
                    )
                with contextlib.suppress(httpx.TransportError):
                    if client.get(f"{self.url}/health").status_code == 200:
                        return
                time.sleep(_POLL_SECONDS)
        raise EngineError(f"vllm did not answer within {self._command.start_seconds:g} s")

    def _watch(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            code = self._process.poll()
            if code is None:
                continue
            if not self._budget.take():
                self.failure = f"vllm ended {MAX_RESTARTS + 1} times, the last time with {code}"
                warn(self.failure)
                return
            warn(f"vllm ended with exit code {code}; starting it again")
            self._start()
            with contextlib.suppress(EngineError):  # if it ended again, the next round sees it
                self._wait_until_healthy()
                say("vllm answers again")

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

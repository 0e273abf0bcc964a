"""vLLM as a process of ours: started, watched, and started again when it ends.

Source: vLLM 0.32, GET /health, POST /v1/load_lora_adapter.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import httpx

from lodesmith.core.errors import EngineError
from lodesmith.core.log import say, warn
from lodesmith.infer.weights import stamp_of
from lodesmith.serve.restart_budget import MAX_RESTARTS, RestartBudget
from lodesmith.serve.vllm import group_guard
from lodesmith.serve.vllm.command import VllmCommand

URL = "http://vllm"  # only its path counts: the way is a socket of the file system

_POLL_SECONDS = 0.2
_HEALTH_SECONDS = 5.0
_STOP_SECONDS = 20.0  # that vLLM gets to end in order


class VllmProcess:
    """A running vLLM; use it in a `with` block."""

    def __init__(self, command: VllmCommand) -> None:
        if shutil.which("vllm") is None:
            raise EngineError(
                "there is no `vllm` on the PATH; pip install vllm on a machine with GPUs, or serve "
                "without --backend vllm"
            )
        self.command = command
        self._budget, self._stopping = RestartBudget(), threading.Event()
        self._stamp = stamp_of(command.folder)
        self._folder = Path(tempfile.mkdtemp(prefix="lodesmith-"))  # for this user only
        self.socket = self._folder / "vllm"
        self.adapters: dict[str, Path] = {}  # that one which is started again gets too
        self.is_ready = False
        self.failure: str | None = None  # why it is not to be started again
        self._start()
        self._watcher = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "VllmProcess":
        try:
            self._wait_until_ready()
        except BaseException:
            self._end()
            raise
        self._watcher.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stopping.set()
        self._watcher.join()  # first: it may be starting another one just now
        self._end()

    @property
    def trouble(self) -> str | None:
        """Why nothing can be asked now, for clients; None if something can."""
        if self.is_ready:
            return None
        return self.failure or "vllm does not answer; it is being started again"

    def connect(self) -> httpx.Client:
        """Return a client of it, for a thread."""
        transport = httpx.HTTPTransport(uds=str(self.socket))
        return httpx.Client(transport=transport, base_url=URL, timeout=60.0)

    def _start(self) -> None:
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, "-P", group_guard.__file__, *self.command.words(self.socket)],
            stdin=subprocess.PIPE, env=self.command.environment(), start_new_session=True,
        )  # fmt: skip

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self.command.start_seconds
        while time.monotonic() < deadline and not self._stopping.is_set():
            code = self._process.poll()
            if code is not None:
                raise EngineError(
                    f"vllm ended with exit code {code} before it answered; its own message "
                    "stands above"
                )
            if self._is_healthy():
                self._load_adapters()
                self.is_ready = True
                return
            time.sleep(_POLL_SECONDS)
        raise EngineError(f"vllm did not answer within {self.command.start_seconds:g} s")

    def _is_healthy(self) -> bool:
        """Ask without a client of HTTP: they leave sockets open on which nobody listens yet."""
        try:
            with socket.socket(socket.AF_UNIX) as probe:
                probe.settimeout(_HEALTH_SECONDS)
                probe.connect(str(self.socket))
                probe.sendall(b"GET /health HTTP/1.0\r\nHost: vllm\r\n\r\n")
                return probe.makefile("rb").readline().split()[1:2] == [b"200"]
        except OSError:
            return False

    def _load_adapters(self) -> None:
        with self.connect() as client:
            for name, folder in list(self.adapters.items()):
                body = {"lora_name": name, "lora_path": str(folder)}
                answer = client.post("/v1/load_lora_adapter", json=body)
                if answer.status_code != 200:
                    warn(f"vllm did not take the adapter '{name}' again: {answer.text[:500]}")

    def _watch(self) -> None:
        while not self._stopping.wait(_POLL_SECONDS):
            code = self._process.poll()
            if code is None:
                continue
            self.is_ready = False
            self._kill_group()
            self.failure = self._why_not_again(code)
            if self.failure is not None:
                warn(self.failure)
                return
            warn(f"vllm ended with exit code {code}; starting it again")
            self._start()
            with contextlib.suppress(EngineError):  # if it ended again, the next round sees it
                self._wait_until_ready()
                say("vllm answers again")

    def _why_not_again(self, code: int) -> str | None:
        """Return why it is not started again, None if it is; counts the restart."""
        if stamp_of(self.command.folder) != self._stamp:
            return "vllm ended, and the model's folder has changed since; start the server again"
        if not self._budget.take():
            return f"vllm ended {MAX_RESTARTS + 1} times, the last time with {code}"
        return None

    def _kill_group(self) -> None:
        """Kill what the ended process left behind: its workers may hold a GPU."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: only zombies left
            os.killpg(self._process.pid, signal.SIGKILL)
        if self._process.stdin is not None:
            self._process.stdin.close()

    def _end(self) -> None:
        self.is_ready = False
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self._kill_group()
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

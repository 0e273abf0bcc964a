"""The command and the environment that vLLM is started with.

It listens on a socket of the file system that only this user may open, so that nobody on the
machine passes by our keys. It sends nothing home, asks no hub, writes no request into its log, and
leaves out what the model's folder says of sampling: a request means the same with either engine.

Source: vLLM 0.32, "vllm serve --help=all"; its documentation, "Usage Stats Collection", "LoRA
Adapters", "CPU".
"""

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

import psutil

from lodesmith.core.errors import UserError
from lodesmith.data.tokenizer_settings import read_tokenizer_settings
from lodesmith.infer.config import EngineConfig
from lodesmith.serve.api.tools import OPEN

MAX_ADAPTER_RANK = 64

_SILENT = {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", "HF_HUB_OFFLINE": "1"}
_GPU_SHARE = 0.9  # of a GPU's memory, for all models on it; vLLM's own for one is about that
_CPU_SHARE = 0.25  # of free memory, for the cache of a vLLM for CPUs, which else takes .9 of all
_OURS = frozenset(
    {"--host", "--port", "--uds", "--served-model-name", "--api-key", "--model", "--config",
     "--enable-log-requests", "--enable-log-outputs", "--root-path", "--middleware"}
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class VllmCommand:
    """How vLLM is started."""

    folder: Path
    name: str  # what clients call the model
    engine: EngineConfig
    options: tuple[str, ...] = ()  # further words of the command
    num_sharing: int = 1  # models for which one machine's memory is divided
    with_adapters: bool = False
    start_seconds: float = 900.0  # large weights take minutes to load

    def words(self, socket: Path) -> list[str]:
        """Return the command of a vLLM that listens on a socket of the file system."""
        share = _GPU_SHARE / self.num_sharing
        command = ["vllm", "serve", str(self.folder)]
        if self.num_sharing > 1:
            command += ["--gpu-memory-utilization", f"{share:.3f}"]
        if self.with_adapters:
            command += ["--enable-lora", "--max-loras", "4",
                        "--max-lora-rank", str(MAX_ADAPTER_RANK)]  # fmt: skip
        if OPEN in (read_tokenizer_settings(self.folder).chat_template or ""):
            command += ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"]
        command += [
            *self.options, "--uds", str(socket), "--served-model-name", self.name,
            "--max-num-seqs", str(self.engine.max_num_seqs), "--generation-config", "vllm",
            "--structured-outputs-config", '{"backend": "guidance"}',
            "--no-enable-log-requests", "--disable-uvicorn-access-log",
        ]  # fmt: skip
        if self.engine.max_model_len is not None:
            command += ["--max-model-len", str(self.engine.max_model_len)]
        return command

    def environment(self) -> dict[str, str]:
        """Return the environment; what bounds the cache on CPUs is nothing to a vLLM for GPUs."""
        free = psutil.virtual_memory().available * _CPU_SHARE / self.num_sharing
        cache = {"VLLM_CPU_KVCACHE_SPACE": str(max(1, int(free / 2**30)))}
        adapters = {"VLLM_ALLOW_RUNTIME_LORA_UPDATING": "1"} if self.with_adapters else {}
        return {**cache, **os.environ, **_SILENT, **adapters}


def read_options(text: str) -> tuple[str, ...]:
    """Return the words of further options for vLLM.

    Raises:
        UserError: a quote is open, or an option is one that is set here.

    >>> read_options("--dtype float32 --tensor-parallel-size 2")
    ('--dtype', 'float32', '--tensor-parallel-size', '2')
    """
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UserError(f"--vllm-options cannot be read: {error}") from None
    for word in words:
        name = word.partition("=")[0].replace("_", "-")
        if name in _OURS:
            raise UserError(f"--vllm-options may not hold {name}, which is set here; leave it out")
    return words

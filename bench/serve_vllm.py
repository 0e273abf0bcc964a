"""Our server beside vLLM's, both asked over HTTP by one client, in turns.

    python bench/serve_vllm.py [FOLDER] --vllm PROGRAM[,DTYPE] [--vllm ...] [--rounds 3]

PROGRAM is the path of `vllm`; DTYPE is float32 unless said. Both servers stream, compute on the
same cores, and look up no beginnings of prompts (no prompt comes twice). vLLM starts in a process
of its own and compiles its kernels before it is measured; how long that took is shown. While one
server answers the processes of the others are suspended: a vLLM that waits keeps a core busy.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import httpx
import psutil
import torch

from lodesmith.infer.config import EngineConfig
from lodesmith.model.checkpoint import read_config
from lodesmith.serve.access.listen import bind
from lodesmith.serve.background import background_server
from serve import ask_server, show, write_model

LENGTHS = ((1, 8, 96), (8, 128, 128), (32, 128, 128))  # at once, tokens in, tokens out


@contextlib.contextmanager
def vllm_server(program: str, dtype: str, folder: Path) -> Iterator[str]:
    """Yield the address of a vLLM that answers."""
    with bind("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    quiet = {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "VLLM_LOGGING_LEVEL": "ERROR",
             "VLLM_CPU_KVCACHE_SPACE": "2"}  # fmt: skip
    with subprocess.Popen(
        [program, "serve", str(folder), "--port", str(port), "--host", "127.0.0.1", "--dtype",
         dtype, "--served-model-name", "bench", "--max-num-seqs", "32", "--max-model-len", "1024",
         "--generation-config", "vllm", "--no-enable-prefix-caching",
         "--disable-uvicorn-access-log"],
        env={**os.environ, **quiet}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        try:
            url = f"http://127.0.0.1:{port}"
            while True:
                assert process.poll() is None, "vllm ended"
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(f"{url}/health", trust_env=False).status_code == 200:
                        break
                time.sleep(0.1)
            yield url
        finally:
            process.terminate()


class Prompts:
    """Prompts that were never asked before."""

    def __init__(self, vocab_size: int) -> None:
        self._vocab_size, self._generator = vocab_size, torch.Generator().manual_seed(5)

    def make(self, count: int, length: int) -> list[list[int]]:
        """Return so many."""
        shape = (count, length)
        return torch.randint(300, self._vocab_size, shape, generator=self._generator).tolist()


@contextlib.contextmanager
def alone(server: psutil.Process, servers: Sequence[psutil.Process]) -> Iterator[None]:
    """Suspend all servers but one, each with its children."""
    others = [
        process
        for other in servers
        if other != server
        for process in [other, *other.children(recursive=True)]
    ]
    for process in others:
        process.suspend()
    try:
        yield
    finally:
        for process in others:
            process.resume()


def compare(
    title: str, ways: dict[str, Callable[[], float]], servers: dict[str, psutil.Process], *,
    rounds: int, num_tokens: int | None,
) -> None:  # fmt: skip
    """Show what each way took in its turns, and our server's share of vLLM's time."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            with alone(servers[name], list(servers.values())):
                taken = way()
            if number:
                seconds[name].append(taken)
    show(title, seconds, num_tokens)
    ours = statistics.median(seconds["ours"])
    for name in list(ways)[1:]:
        print(f"  ours is {statistics.median(seconds[name]) / ours:.2f} x as fast as {name}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--vllm", action="append", required=True, metavar="PROGRAM[,DTYPE]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = options.folder or Path(name)
        if options.folder is None:
            write_model(folder)
        config, urls, servers = read_config(folder), {}, {}
        engine = EngineConfig(num_threads=options.threads, max_model_len=1024, max_num_seqs=32)
        print(f"{config.num_parameters / 1e6:.1f} M parameters, {options.threads} threads")
        prompts = Prompts(config.vocab_size)
        for kind in ("ours", *options.vllm):
            program, _, dtype = kind.partition(",")
            label = kind if kind == "ours" else f"vllm {dtype or 'float32'}"
            started, before = time.perf_counter(), set(psutil.Process().children())
            urls[label] = stack.enter_context(
                background_server(folder, name="bench", engine=engine)
                if kind == "ours"
                else vllm_server(program, dtype or "float32", folder)
            )
            ask_server(urls[label], prompts.make(1, 16), 1, kept=[])
            seconds = time.perf_counter() - started
            (servers[label],) = set(psutil.Process().children()) - before
            print(f"  {label:<22} {seconds:9.1f} s from its start to its first answer", flush=True)
        for count, length, new in (*LENGTHS, (1, 512, 1)):
            ways = {
                label: partial(
                    lambda url, count, length, new: ask_server(
                        url, prompts.make(count, length), new, kept=[]
                    )[0],
                    url, count, length, new,
                )
                for label, url in urls.items()
            }  # fmt: skip
            is_first = new == 1
            title = (f"first token after {length}" if is_first
                     else f"{count} at once, {length} tokens in, {new} out")  # fmt: skip
            compare(title, ways, servers, rounds=options.rounds,
                    num_tokens=None if is_first else count * new)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The engine and the server beside other engines and beside the machine's limits, in one run.

All ways take turns, so that a noisy machine is unfair to all alike; shown are medians of the
rounds and the extremes. Peers other than transformers run in a Python of their own
(`bench/serve_peers.py`).

    python bench/serve.py [FOLDER] [--parts single,batch,first,prefix,server,cold] [--rounds 3]
        [--peer llama.cpp-f32=PYTHON,llama.cpp,MODEL.gguf] [--peer ...]

FOLDER is a Hugging Face folder; without it a random model of 15 million parameters is made.
"""

import argparse
import json
import queue
import selectors
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch

from lodesmith.core.storage import write_json
from lodesmith.data.byte_level import byte_letters, pre_tokenizer
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.engine import LocalEngine
from lodesmith.infer.interface import Finished, GenerationRequest, NewToken, Sampling
from lodesmith.model.checkpoint import load_decoder, save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.serve.background import background_server

VOCAB = 8192
CONFIG = DecoderConfig(
    kind="llama", vocab_size=VOCAB, hidden_size=384, intermediate_size=1024, num_hidden_layers=7,
    num_attention_heads=6, num_key_value_heads=2, head_dim=64, max_position_embeddings=2048,
)  # fmt: skip
LAST_CHUNK = b"0\r\n\r\n"
PARTS = ("single", "batch", "first", "prefix", "server", "cold")
Ways = dict[str, Callable[[], Any]]


def write_model(folder: Path) -> None:
    decoder = Decoder(CONFIG)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.05)
    save_decoder(folder, decoder, eos_ids=[])
    letters = byte_letters()
    pairs = [(left, right) for left in letters[33:127] for right in letters[33:127]]
    merges = pairs[: VOCAB - len(letters)]  # every id is text, so every token is an event
    vocab = {letter: byte for byte, letter in enumerate(letters)}
    vocab |= {left + right: len(letters) + rank for rank, (left, right) in enumerate(merges)}
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                  "use_regex": False}  # fmt: skip
    model = {"type": "BPE", "vocab": vocab, "merges": [list(pair) for pair in merges]}
    write_json(
        folder / "tokenizer.json",
        {"version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None,
         "pre_tokenizer": pre_tokenizer(), "decoder": byte_level, "model": model},
    )  # fmt: skip


class Bench:
    """A model, its engines and what asks them."""

    def __init__(self, folder: Path, options: argparse.Namespace, stack: ExitStack) -> None:
        self.folder, self.options, self.stack = folder, options, stack
        self.decoder = load_decoder(folder)
        self.seed = 0
        self.engines = {
            name: stack.enter_context(
                LocalEngine(
                    self.decoder,
                    config=EngineConfig(
                        num_threads=options.threads, max_model_len=1024, quantization=form,
                        max_num_seqs=32,
                    ),
                )
            )
            for name, form in (("ours fp32", None), ("ours int8", "int8"), ("ours int4", "int4"))
            if form is None or not options.fp32_only
        }  # fmt: skip
        self.peers = {name: self.start_peer(place) for name, place in options.peers.items()}
        self.transformers: Any = None

    def start_peer(self, place: str) -> subprocess.Popen:
        """Return the process of another engine, ready to be asked."""
        python, name, model = place.split(",")
        script = str(Path(__file__).with_name("serve_peers.py"))
        process = self.stack.enter_context(
            subprocess.Popen(
                [python, script, name, model, str(self.options.threads)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            )
        )  # fmt: skip
        self.stack.callback(process.terminate)
        assert json.loads(process.stdout.readline())["ready"]
        return process

    def prompts(self, count: int, length: int) -> list[list[int]]:
        """Return prompts that were never asked before."""
        self.seed += 1
        generator = torch.Generator().manual_seed(self.seed)
        top = self.decoder.config.vocab_size
        return torch.randint(300, top, (count, length), generator=generator).tolist()

    def ways(self, count: int, length: int, new: int) -> Ways:
        """Return every engine's way of answering so many prompts at once."""
        ways: Ways = {
            name: partial(self.ask_engine, engine, count, length, new)
            for name, engine in self.engines.items()
        }
        ways |= {
            name: partial(self.ask_peer, process, count, length, new)
            for name, process in self.peers.items()
        }
        if self.options.transformers:
            ways["transformers"] = partial(self.ask_transformers, count, length, new)
        return ways

    def ask_engine(self, engine: LocalEngine, count: int, length: int, new: int) -> float:
        """Return the seconds of one of our engines."""
        started = time.process_time()
        seconds = run_engine(engine, self.prompts(count, length), new)
        return time.process_time() - started if self.options.cpu_seconds else seconds

    def ask_peer(self, process: subprocess.Popen, count: int, length: int, new: int) -> float:
        """Return the seconds of another engine."""
        order = {"prompts": self.prompts(count, length), "new": new}
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert answer["num"] == count * new, answer
        return answer["cpu"] if self.options.cpu_seconds else answer["seconds"]

    def ask_transformers(self, count: int, length: int, new: int) -> float:
        """Return the seconds of transformers, as one batch."""
        if self.transformers is None:
            from transformers import AutoModelForCausalLM
            from transformers.utils import logging

            logging.disable_progress_bar()
            torch.set_num_threads(self.options.threads)
            self.transformers = AutoModelForCausalLM.from_pretrained(
                self.folder, dtype=torch.float32
            )
        input_ids = torch.tensor(self.prompts(count, length))
        started = time.perf_counter()
        with torch.inference_mode():
            self.transformers.generate(
                input_ids, attention_mask=torch.ones_like(input_ids), do_sample=False,
                max_new_tokens=new, min_new_tokens=new, pad_token_id=0,
            )  # fmt: skip
        return time.perf_counter() - started


def run_engine(engine: LocalEngine, prompts: list[list[int]], new: int) -> float:
    events: queue.SimpleQueue = queue.SimpleQueue()
    requests = [
        GenerationRequest(input_ids=tuple(prompt), max_tokens=new, sampling=Sampling(temperature=0))
        for prompt in prompts
    ]
    started = time.perf_counter()
    engine.submit(requests, lambda _, event: events.put(event))
    left, num = len(prompts), 0
    while left:
        event = events.get()
        num += isinstance(event, NewToken)
        left -= isinstance(event, Finished)
    assert num == len(prompts) * new
    return time.perf_counter() - started


def compare(ways: Ways, *, rounds: int) -> dict[str, list[float]]:
    """Return each way's seconds in each round; ways take turns, the first round warms up."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            taken = way()
            if number:
                seconds[name].append(taken)
    return seconds


def show(title: str, seconds: dict[str, list[float]], num_tokens: int | None) -> None:
    print(title)
    for name, taken in seconds.items():
        if num_tokens is None:
            values, unit = sorted(1e3 * one for one in taken), "ms"
        else:
            values, unit = sorted(num_tokens / one for one in taken), "tokens/s"
        middle = statistics.median(values)
        print(f"  {name:<22} {middle:9.1f} {unit}  ({values[0]:.1f} to {values[-1]:.1f})")


def read_bandwidth(threads: int, clock: Callable[[], float]) -> float:
    """Return how fast memory is read, GB/s: the best of several sums over half a gigabyte."""
    torch.set_num_threads(threads)
    block = torch.ones(1 << 27)
    best = float("inf")
    for _ in range(8):
        started = clock()
        block.sum()
        best = min(best, clock() - started)
    return block.numel() * 4 / best / 1e9


def measure_single(bench: Bench) -> None:
    new = bench.options.new
    clock = time.process_time if bench.options.cpu_seconds else time.perf_counter
    before = read_bandwidth(bench.options.threads, clock)
    seconds = compare(bench.ways(1, 8, new), rounds=bench.options.rounds)
    bandwidth = max(before, read_bandwidth(bench.options.threads, clock))
    show(f"one stream, 8 tokens in, {new} out", seconds, new)
    limit = bandwidth * 1e9 / (bench.decoder.config.num_parameters * 4)
    ours = new / min(seconds["ours fp32"])
    print(f"  memory is read at {bandwidth:.1f} GB/s: at most {limit:.1f} tokens/s in fp32; "
          f"ours reaches {ours / limit:.2f} of it")  # fmt: skip


def measure_batch(bench: Bench) -> None:
    for count in bench.options.at_once:
        new = bench.options.batch_new
        seconds = compare(bench.ways(count, 128, new), rounds=bench.options.rounds)
        show(f"{count} at once, 128 tokens in, {new} out", seconds, count * new)


def measure_first(bench: Bench) -> None:
    seconds = compare(bench.ways(1, 512, 1), rounds=bench.options.rounds)
    show("first token after 512", seconds, None)


def measure_prefix(bench: Bench) -> None:
    engine, results = bench.engines["ours fp32"], {"first request": [], "second": []}
    for _ in range(bench.options.rounds + 2):
        [stem] = bench.prompts(1, 400)
        for taken in results.values():
            [own] = bench.prompts(1, 16)
            started = time.process_time()
            seconds = run_engine(engine, [stem + own], 1)
            busy = time.process_time() - started
            taken.append(busy if bench.options.cpu_seconds else seconds)
    show("first token where 400 of 416 tokens were asked before", results, None)
    first, second = (statistics.median(taken) for taken in results.values())
    print(f"  ratio {second / first:.3f}")


def ask_server(
    url: str, prompts: list[list[int]], new: int, *, kept: list[socket.socket]
) -> tuple[float, float]:
    """Return the seconds until all streams have ended, and the processor time of the client.

    One thread reads whatever has come and counts events in it: a client does as little as can be,
    since it takes its time from the cores that compute. Connections are kept for the next time, as
    OpenAI's client keeps them.
    """
    host, port = url.removeprefix("http://").split(":")
    selector = selectors.DefaultSelector()
    counts = dict.fromkeys(range(len(prompts)), 0)
    ends = dict.fromkeys(counts, b"")
    started, busy = time.perf_counter(), time.thread_time()
    for number, prompt in enumerate(prompts):
        body = json.dumps({"model": "bench", "prompt": prompt, "max_tokens": new, "stream": True,
                           "temperature": 0, "ignore_eos": True}).encode()  # fmt: skip
        head = (
            f"POST /v1/completions HTTP/1.1\r\nHost: {host}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        connection = kept.pop() if kept else socket.create_connection((host, int(port)), 600)
        connection.sendall(head.encode() + body)
        selector.register(connection, selectors.EVENT_READ, number)
    while selector.get_map():
        for key, _ in selector.select():
            data = key.fileobj.recv(65536)
            assert data, "the server hung up"
            counts[key.data] += data.count(b"data: {")
            ends[key.data] = (ends[key.data] + data)[-len(LAST_CHUNK) :]
            if ends[key.data] == LAST_CHUNK:
                kept.append(selector.unregister(key.fileobj).fileobj)
    assert all(counts.values()), counts
    return time.perf_counter() - started, time.thread_time() - busy


def busy_seconds(server: psutil.Process) -> float:
    times = server.cpu_times()
    return times.user + times.system


def measure_server(bench: Bench) -> None:
    settings = EngineConfig(num_threads=bench.options.threads, max_model_len=1024)
    new = bench.options.server_new
    with background_server(bench.folder, name="bench", engine=settings) as url:
        [server] = [
            each for each in psutil.Process().children() if "lodesmith.serve" in each.cmdline()
        ]

        client: list[float] = []
        kept: list[socket.socket] = []

        def ask(count: int) -> float:
            before = busy_seconds(server)
            seconds, of_client = ask_server(url, bench.prompts(count, 128), new, kept=kept)
            client.append(of_client / seconds)
            return busy_seconds(server) - before if bench.options.cpu_seconds else seconds

        engine = bench.engines["ours fp32"]
        for count in (1, 8):
            client.clear()
            ways: Ways = {
                "engine": partial(bench.ask_engine, engine, count, 128, new),
                "server, streaming": partial(ask, count),
            }
            compare(ways, rounds=0)
            seconds = compare_in_turns(ways, turns=bench.options.server_turns)
            show(f"the server, {count} at once, 128 tokens in, {new} out", seconds, count * new)
            ratios = [
                served / bare - 1
                for bare, served in zip(
                    seconds["engine"], seconds["server, streaming"], strict=True
                )
            ]
            low, middle, high = statistics.quantiles(ratios, n=4)
            whole = sum(seconds["server, streaming"]) / sum(seconds["engine"]) - 1
            print(f"  it adds {middle:.1%} by the median of {len(ratios)} neighbouring pairs "
                  f"(quartiles {low:.1%} to {high:.1%}), {whole:.1%} in all; the client keeps a "
                  f"core busy for {statistics.median(client):.1%} of the time")  # fmt: skip


def compare_in_turns(ways: Ways, *, turns: int) -> dict[str, list[float]]:
    """Return each way's seconds in each turn; who is first changes from turn to turn."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(turns):
        for name in list(ways) if number % 2 else list(reversed(ways)):
            seconds[name].append(ways[name]())
    return seconds


def measure_cold(bench: Bench) -> None:
    taken = []
    for _ in range(bench.options.rounds):
        started = time.perf_counter()
        with background_server(bench.folder, name="bench") as url:
            ask_server(url, bench.prompts(1, 16), 1, kept=[])
            taken.append(time.perf_counter() - started)
    show("from the start of the process to the first answer", {"server": taken}, None)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--at-once", type=int, nargs="*", default=[8, 32])
    parser.add_argument("--new", type=int, default=96, help="tokens of a single stream")
    parser.add_argument("--batch-new", type=int, default=128, help="tokens of each of several")
    parser.add_argument("--server-new", type=int, default=128, help="tokens through the server")
    parser.add_argument("--server-turns", type=int, default=40, help="pairs of engine and server")
    parser.add_argument("--fp32-only", action="store_true")
    parser.add_argument(
        "--cpu-seconds",
        action="store_true",
        help="for a busy machine: seconds of processor time, best with --threads 1",
    )
    parser.add_argument("--no-transformers", dest="transformers", action="store_false")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON,PEER,MODEL")
    options = parser.parse_args()
    options.peers = dict(entry.split("=", 1) for entry in options.peer)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = options.folder or Path(name)
        if options.folder is None:
            write_model(folder)
        bench = Bench(folder, options, stack)
        print(f"{bench.decoder.config.num_parameters / 1e6:.1f} M parameters, "
              f"{options.threads} threads, torch {torch.__version__}")  # fmt: skip
        for part in options.parts.split(","):
            globals()[f"measure_{part}"](bench)
    return 0


if __name__ == "__main__":
    sys.exit(main())

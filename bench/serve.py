"""Tokens a second of the engine, of transformers beside it, and what the server adds a token.

All on the same random model of about five million parameters, in the same run and taken in turns,
so that a noisy machine is unfair to all alike. Medians of the rounds, the extremes beside them.

    python bench/serve.py [--rounds 5] [--threads 1] [--prompt 128] [--new 128]
"""

import argparse
import queue
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import httpx
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
    kind="qwen3", vocab_size=VOCAB, hidden_size=256, intermediate_size=640, num_hidden_layers=4,
    num_attention_heads=4, num_key_value_heads=2, head_dim=64, max_position_embeddings=1024,
)  # fmt: skip
AT_ONCE = (1, 8)


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


def make_prompts(count: int, length: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, VOCAB, (count, length), generator=generator).tolist()


def run_engine(engine: LocalEngine, prompts: list[list[int]], num_new: int) -> list[list[int]]:
    events: queue.SimpleQueue = queue.SimpleQueue()
    requests = [
        GenerationRequest(
            input_ids=tuple(prompt), max_tokens=num_new, sampling=Sampling(temperature=0)
        )
        for prompt in prompts
    ]
    engine.submit(requests, lambda place, event: events.put((place, event)))
    answers: list[list[int]] = [[] for _ in prompts]
    left = len(prompts)
    while left:
        place, event = events.get()
        if isinstance(event, NewToken):
            answers[place].append(event.token_id)
        left -= isinstance(event, Finished)
    return answers


def run_transformers(model: Any, prompts: list[list[int]], num_new: int) -> list[list[int]]:
    input_ids = torch.tensor(prompts)
    with torch.inference_mode():
        output = model.generate(
            input_ids, attention_mask=torch.ones_like(input_ids), do_sample=False,
            max_new_tokens=num_new, min_new_tokens=num_new, pad_token_id=0,
        )  # fmt: skip
    return output[:, input_ids.shape[1] :].tolist()


def run_server(url: str, prompts: list[list[int]], num_new: int) -> int:
    def ask(prompt: list[int]) -> int:
        body = {"model": "bench", "prompt": prompt, "max_tokens": num_new, "temperature": 0,
                "stream": True}  # fmt: skip
        with httpx.stream(
            "POST", f"{url}/v1/completions", json=body, trust_env=False, timeout=600
        ) as response:
            return sum(line.startswith("data: {") for line in response.iter_lines())

    with ThreadPoolExecutor(len(prompts)) as pool:
        return sum(pool.map(ask, prompts))


def report(name: str, count: int, seconds: list[float], num_tokens: int) -> None:
    rates = sorted(num_tokens / second for second in seconds)
    middle = statistics.median(rates)
    print(f"{name:<24} {count:>3} at once  {middle:8.1f} tokens/s"
          f"  ({rates[0]:.1f} to {rates[-1]:.1f})")  # fmt: skip


def compare(ways: dict[str, Callable[[], Any]], *, rounds: int) -> tuple[dict, dict]:
    """Return each way's seconds in each round and its last result; ways take turns."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, Any] = {}
    for number in range(rounds + 1):
        for name, way in ways.items():
            started = time.perf_counter()
            results[name] = way()
            if number:  # the first round warms up
                seconds[name].append(time.perf_counter() - started)
    return seconds, results


def measure(folder: Path, options: argparse.Namespace) -> None:
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.set_num_threads(options.threads)
    reference = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    settings = EngineConfig(num_threads=options.threads)
    with (
        LocalEngine(load_decoder(folder), config=settings) as engine,
        background_server(folder, name="bench", engine=settings) as url,
    ):
        for count in AT_ONCE:
            prompts, num_tokens = make_prompts(count, options.prompt), count * options.new
            ways: dict[str, Callable[[], Any]] = {
                "engine": partial(run_engine, engine, prompts, options.new),
                "transformers generate": partial(run_transformers, reference, prompts, options.new),
                "server, streaming": partial(run_server, url, prompts, options.new),
            }
            seconds, results = compare(ways, rounds=options.rounds)
            for name, taken in seconds.items():
                report(name, count, taken, num_tokens)
            equal = results["engine"] == results["transformers generate"]
            middle, best = (
                (choose(seconds["server, streaming"]) - choose(seconds["engine"])) / num_tokens
                for choose in (statistics.median, min)
            )
            print(f"  same tokens as transformers: {equal}; the server adds {middle * 1e6:.0f} us "
                  f"a token by medians, {best * 1e6:.0f} us by best rounds")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--prompt", type=int, default=128, help="tokens")
    parser.add_argument("--new", type=int, default=128, help="tokens")
    options = parser.parse_args()
    print(f"{CONFIG.num_parameters / 1e6:.1f} M parameters, {options.prompt} tokens in, "
          f"{options.new} out, {options.threads} threads, torch {torch.__version__}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder)
        measure(folder, options)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Is the engine right on a real model: greedy tokens and log-probabilities beside transformers,
and what rounding the weights costs in bits per byte of real text.

    python bench/serve_right.py FOLDER TEXT [--prompts 200] [--new 32] [--kilobytes 128]
"""

import argparse
import math
import queue
import sys
from pathlib import Path

import torch

from lodesmith.data.tokenizer import Tokenizer
from lodesmith.infer.config import EngineConfig
from lodesmith.infer.engine import LocalEngine
from lodesmith.infer.interface import (
    Finished,
    GenerationRequest,
    NewToken,
    PromptScored,
    Sampling,
)
from lodesmith.model.checkpoint import load_decoder

WINDOW = 512


def ask(engine: LocalEngine, requests: list[GenerationRequest]) -> list[list]:
    events: queue.SimpleQueue = queue.SimpleQueue()
    engine.submit(requests, lambda place, event: events.put((place, event)))
    got: list[list] = [[] for _ in requests]
    left = len(requests)
    while left:
        place, event = events.get()
        got[place].append(event)
        left -= isinstance(event, Finished)
    return got


def compare_with_transformers(
    folder: Path, engine: LocalEngine, ids: list[int], *, count: int, new: int, longest: int
) -> None:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    generator = torch.Generator().manual_seed(0)
    requests = []
    for _ in range(count):
        start = int(torch.randint(0, len(ids) - 200, (1,), generator=generator))
        length = int(torch.randint(8, longest, (1,), generator=generator))
        requests.append(
            GenerationRequest(
                input_ids=tuple(ids[start : start + length]), max_tokens=new,
                sampling=Sampling(temperature=0), num_top_logprobs=0,
            )
        )  # fmt: skip
    together = ask(engine, requests)
    alone = [ask(engine, [request])[0] for request in requests[:10]]
    num_equal, worst, margins = 0, 0.0, []
    for request, events in zip(requests, together, strict=True):
        made = [event for event in events if isinstance(event, NewToken)]
        tokens = [event.token_id for event in made]
        whole = torch.tensor([[*request.input_ids, *tokens]])
        with torch.inference_mode():  # every step of a greedy search at once
            logprobs = model(whole).logits[0, len(request.input_ids) - 1 : -1].log_softmax(-1)
        best = logprobs.argmax(-1).tolist()
        num_equal += best == tokens
        for step, event in enumerate(made):
            worst = max(worst, abs(event.logprobs.logprob - float(logprobs[step, event.token_id])))
            if best[step] != event.token_id:
                margins.append(float(logprobs[step].max() - logprobs[step, event.token_id]))
    print(f"greedy tokens equal to transformers on {num_equal} of {count} prompts of {new} tokens; "
          f"log-probabilities differ by {worst:.1e} at most")  # fmt: skip
    if margins:
        print(f"  where they differ, transformers prefers its own by {max(margins):.1e} at most")
    same = sum(one == other for one, other in zip(alone, together, strict=False))
    print(f"  asked alone: {same} of {len(alone)} equal to the last bit")


def bits_per_byte(engine: LocalEngine, windows: list[list[int]], num_bytes: int) -> float:
    requests = [
        GenerationRequest(input_ids=tuple(window), max_tokens=0, score_prompt=True)
        for window in windows
    ]
    total = 0.0
    for events in ask(engine, requests):
        [scored] = [event for event in events if isinstance(event, PromptScored)]
        total -= sum(item.logprob for item in scored.logprobs)
    return total / math.log(2) / num_bytes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--longest", type=int, default=120, help="tokens of a prompt")
    parser.add_argument("--new", type=int, default=32)
    parser.add_argument("--kilobytes", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    tokenizer, decoder = Tokenizer.load(options.folder), load_decoder(options.folder)
    text = options.text.read_text(encoding="utf-8")[: options.kilobytes * 1024]
    ids = tokenizer.encode(text)
    windows = [ids[start : start + WINDOW] for start in range(0, len(ids) - 1, WINDOW)]
    num_bytes = sum(len(tokenizer.decode(window[1:]).encode()) for window in windows)
    measured = {}
    for name, form in (("fp32", None), ("int8", "int8"), ("int4", "int4")):
        config = EngineConfig(
            num_threads=options.threads, max_model_len=1024, quantization=form,
            max_num_queued_seqs=100_000,
        )  # fmt: skip
        with LocalEngine(decoder, config=config) as engine:
            if form is None and options.prompts:
                compare_with_transformers(
                    options.folder,
                    engine,
                    ids,
                    count=options.prompts,
                    new=options.new,
                    longest=options.longest,
                )
            measured[name] = bits_per_byte(engine, windows, num_bytes)
        loss = measured[name] / measured["fp32"] - 1
        print(f"{name}: {measured[name]:.4f} bits per byte over {num_bytes:,} bytes, {loss:+.2%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

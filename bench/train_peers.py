"""Training speed on CPU beside transformers' Trainer, litgpt and a bare loop, a step each in turns.

    PEER/bin/python bench/train_peers.py [--size 10m] [--rounds 8] [--threads 2] [--compile]

PEER is a virtual environment that has `accelerate` (Trainer wants it) beside this project's, and
maybe litgpt (`pip install --no-deps litgpt lightning lightning-utilities torchmetrics
pytorch-lightning`, as it asks for older packages than transformers); without, it is left out. All
variants learn random tokens with a Llama-like model of one shape, fp32, one batch, fused AdamW and
the same threads; each takes a step in turn, so a busy machine slows all alike. The rate of a large
fp32 matrix product is measured between the steps: what the processor sustained in this very run, by
torch.matmul (MKL) and by oneDNN, which is faster on AMD. Prints medians, ratios, and the share of
both rates that the model's arithmetic reached, by the clock and, with one thread, by CPU time,
which tells more where others use the machine. With `THP_MEM_ALLOC_ENABLE=1` before the command all
variants take large pages, as our ranks do by themselves.
"""

import argparse
import functools
import importlib.util
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import torch

from lodesmith.model.config import DecoderConfig
from lodesmith.model.hugging_face import to_hugging_face
from lodesmith.model.product import multiply
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.config import TrainingConfig
from lodesmith.train.loop.speed import count_token_flops
from lodesmith.train.loop.training import Training
from lodesmith.train.objectives.batch import Batch
from train import BareDecoder, loop_over, make_job

Step = Callable[[], None]
Seconds = tuple[float, float]  # of the clock, of CPU time
_GEMM = 2048
_PRODUCTS = {"matmul": torch.matmul, "onednn": multiply}
_LENGTH = 256

SHAPES = {
    "10m": {"vocab_size": 8192, "hidden_size": 256, "intermediate_size": 768,
            "num_hidden_layers": 9, "num_attention_heads": 4, "num_key_value_heads": 4},
    "46m": {"vocab_size": 32_000, "hidden_size": 512, "intermediate_size": 1408,
            "num_hidden_layers": 9, "num_attention_heads": 8, "num_key_value_heads": 8},
}  # fmt: skip


def trainer_step(shape: DecoderConfig, rows: torch.Tensor, micro: int, folder: Path) -> Step:
    """Return a step of a running Trainer, which waits for its turn before each."""
    from transformers import (
        LlamaConfig,
        LlamaForCausalLM,
        Trainer,
        TrainerCallback,
        TrainingArguments,
    )

    turn, done = threading.Semaphore(0), threading.Semaphore(0)

    class Turns(TrainerCallback):
        def on_step_begin(self, *_: object, **__: object) -> None:
            turn.acquire()

        def on_step_end(self, *_: object, **__: object) -> None:
            done.release()

    fields = to_hugging_face(shape)
    model = LlamaForCausalLM(
        LlamaConfig(**{name: fields[name] for name in fields if name != "torch_dtype"})
    )
    data = [{"input_ids": row[:-1], "labels": row[:-1]} for row in rows] * 1000
    settings = TrainingArguments(
        output_dir=str(folder), max_steps=10**6, per_device_train_batch_size=micro,
        gradient_accumulation_steps=len(rows) // micro, learning_rate=1e-3, use_cpu=True,
        optim="adamw_torch_fused", report_to=[], save_strategy="no", logging_strategy="no",
        lr_scheduler_type="constant", max_grad_norm=0.0, disable_tqdm=True,
    )  # fmt: skip
    trainer = Trainer(model=model, args=settings, train_dataset=data, callbacks=[Turns()])
    threading.Thread(target=trainer.train, daemon=True).start()

    def step() -> None:
        turn.release()
        done.acquire()

    return step


def litgpt_step(shape: DecoderConfig, micro: int) -> Callable[[torch.Tensor], None]:
    """Return a step of litgpt's model; its own loop needs a trainer that is not measured here."""
    from litgpt import GPT, Config

    model = GPT(
        Config(
            block_size=shape.max_position_embeddings, padded_vocab_size=shape.vocab_size,
            n_layer=shape.num_hidden_layers, n_head=shape.num_attention_heads,
            n_query_groups=shape.num_key_value_heads, head_size=shape.head_dim,
            n_embd=shape.hidden_size, intermediate_size=shape.intermediate_size,
            rotary_percentage=1.0, parallel_residual=False, bias=False,
            norm_class_name="RMSNorm", mlp_class_name="LLaMAMLP",
        )
    )  # fmt: skip
    model.max_seq_length = _LENGTH  # of its table of rotations
    if shape.tie_word_embeddings:
        model.lm_head.weight = model.transformer.wte.weight
    return loop_over(model, model, micro)


def our_step(shape: DecoderConfig, rows: torch.Tensor, folder: Path, **settings: object) -> Step:
    config = TrainingConfig.model_validate(
        {"optimizer": "adamw", "learning_rate": 1e-3, "global_batch_size": len(rows),
         "sequence_length": _LENGTH, "max_steps": 10**6, **settings}
    )  # fmt: skip
    training = Training(make_job(folder, shape, config, folder), ranks=Ranks(rank=0, num_ranks=1))
    batch = Batch(input_ids=rows[:, :-1].contiguous(), labels=rows[:, 1:].contiguous())
    return lambda: training.step(batch)


def measure(step: Step) -> Seconds:
    """Return the seconds of one step, by the clock and of CPU time."""
    started, cpu_started = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - started, time.process_time() - cpu_started


def main() -> None:
    arguments = read_arguments()
    torch.set_flush_denormal(True)
    torch.set_num_threads(arguments.threads)
    shape = DecoderConfig(
        kind="llama", head_dim=64, max_position_embeddings=1024, **SHAPES[arguments.size]
    )
    micro = arguments.micro_batch_size
    rows = torch.randint(0, shape.vocab_size, (2 * micro, _LENGTH + 1))
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder / "inductor")
        bare = BareDecoder(shape)
        bare_step = loop_over(bare, bare, micro)
        steps: dict[str, Step] = {
            "bare loop": lambda: bare_step(rows),
            "transformers Trainer": trainer_step(shape, rows, micro, folder),
            "lodesmith": our_step(shape, rows, folder, micro_batch_size=micro),
        }
        if importlib.util.find_spec("litgpt") is not None:
            lit = litgpt_step(shape, micro)
            steps["litgpt"] = lambda: lit(rows)
        if arguments.compile:
            steps["lodesmith, compiled"] = our_step(
                shape, rows, folder, micro_batch_size=micro, compile="inductor"
            )
        left = torch.ones(_GEMM, _GEMM)
        for name, times in _PRODUCTS.items():
            steps[name] = functools.partial(times, left, left)
        seconds: dict[str, list[Seconds]] = {name: [] for name in steps}
        for number in range(arguments.rounds + 2):
            for name, step in steps.items():
                taken = measure(step)
                if number >= 2:  # the first ones warm up
                    seconds[name].append(taken)
    result: dict[str, object] = {
        "parameters": shape.num_parameters,
        "threads": arguments.threads,
        "by the clock": report(shape, rows, {n: [t[0] for t in s] for n, s in seconds.items()}),
    }
    if arguments.threads == 1:
        cpu = {name: [taken[1] for taken in times] for name, times in seconds.items()}
        result["by CPU time"] = report(shape, rows, cpu)
    print(json.dumps(result, indent=2))


def report(
    shape: DecoderConfig, rows: torch.Tensor, seconds: dict[str, list[float]]
) -> dict[str, object]:
    tokens = rows.shape[0] * _LENGTH
    flops = count_token_flops(shape, sequence_length=_LENGTH)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    rates = {name: 2.0 * _GEMM**3 / medians.pop(name) for name in _PRODUCTS}
    speeds = {name: tokens / median for name, median in medians.items()}
    peers = [name for name in speeds if not name.startswith("lodesmith")]
    best = max(speeds[name] for name in peers)
    return {
        "fp32_product_gflops": {name: round(rate / 1e9, 1) for name, rate in rates.items()},
        "tokens_per_second": {name: round(speed) for name, speed in speeds.items()},
        **{
            f"share_of_{kind}": {name: round(s * flops / rate, 3) for name, s in speeds.items()}
            for kind, rate in rates.items()
        },
        "times_the_best_peer": {
            name: round(s / best, 3) for name, s in speeds.items() if name not in peers
        },
        "compiled_times_eager": round(
            speeds.get("lodesmith, compiled", 0) / speeds["lodesmith"], 3
        ) or None,
    }  # fmt: skip


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", choices=sorted(SHAPES), default="10m")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--micro-batch-size", type=int, default=4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--compile", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()

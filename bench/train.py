"""Training speed on CPU: our loop, a bare PyTorch loop and transformers' own model, in one run.

    python bench/train.py [--rounds 7] [--hidden-size 256] ...

All variants learn the same random tokens with the same shape, batch and AdamW, in fp32 unless said.
Steps of the variants take turns, so that a busy machine slows all of them alike; medians are
printed. Then the real launcher trains with one and with two processes, by which `num_ranks: auto`
is judged.
"""
# ruff: noqa: D102 the bare model says what it is in its class

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from lodesmith.data.tokens import write_token_set
from lodesmith.model.config import DecoderConfig
from lodesmith.model.hugging_face import to_hugging_face
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.config import TrainingConfig
from lodesmith.train.job import TokenSetData, TrainingJob
from lodesmith.train.loop.training import Training
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.ranks.launch import run_training
from lodesmith.train.record.metrics import read_metrics

Step = Callable[[torch.Tensor], None]


class BareLayer(nn.Module):
    """The shortest decoder layer that computes the same kind of model."""

    def __init__(self, shape: DecoderConfig) -> None:
        super().__init__()
        self.shape = shape
        heads, keys, size = (shape.num_attention_heads, shape.num_key_value_heads, shape.head_dim)
        self.sizes = [heads * size, keys * size, keys * size]
        self.qkv = nn.Linear(shape.hidden_size, sum(self.sizes), bias=False)
        self.out = nn.Linear(heads * size, shape.hidden_size, bias=False)
        self.up = nn.Linear(shape.hidden_size, 2 * shape.intermediate_size, bias=False)
        self.down = nn.Linear(shape.intermediate_size, shape.hidden_size, bias=False)
        self.norms = nn.ModuleList(nn.RMSNorm(shape.hidden_size) for _ in range(2))
        self.head_norms = nn.ModuleList(nn.RMSNorm(size) for _ in range(2))

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        batch, num_tokens, _ = x.shape
        parts = self.qkv(self.norms[0](x)).split(self.sizes, dim=-1)
        q, k, v = (part.view(batch, num_tokens, -1, self.shape.head_dim) for part in parts)
        q, k = self.head_norms[0](q).transpose(1, 2), self.head_norms[1](k).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        read = functional.scaled_dot_product_attention(
            q, k, v.transpose(1, 2), is_causal=True, enable_gqa=True
        )
        x = x + self.out(read.transpose(1, 2).flatten(2))
        gate, up = self.up(self.norms[1](x)).chunk(2, dim=-1)
        return x + self.down(functional.silu(gate) * up)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1)


class BareDecoder(nn.Module):
    """The shortest decoder of the shape, tied embeddings."""

    def __init__(self, shape: DecoderConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(BareLayer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = nn.RMSNorm(shape.hidden_size)
        size = shape.head_dim
        frequencies = shape.rope_theta ** (-torch.arange(0, size, 2) / size)
        angles = torch.arange(shape.max_position_embeddings)[:, None] * frequencies
        self.cos, self.sin = angles.cos(), angles.sin()

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        x, num_tokens = self.embedding(input_ids), input_ids.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:num_tokens], self.sin[:num_tokens])
        return functional.linear(self.norm(x), self.embedding.weight)


def loop_over(model: nn.Module, logits: Callable[[torch.Tensor], torch.Tensor], micro: int) -> Step:
    """Return a bare training step: forward, cross entropy, backward, fused AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)

    def step(rows: torch.Tensor) -> None:
        for part in rows.split(micro):
            scores = logits(part[:, :-1]).flatten(0, 1)
            loss = functional.cross_entropy(scores, part[:, 1:].flatten())
            (loss * len(part) / len(rows)).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def transformers_step(shape: DecoderConfig, micro: int) -> Step:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    fields = to_hugging_face(shape)
    model = Qwen3ForCausalLM(Qwen3Config(**{k: v for k, v in fields.items() if k != "torch_dtype"}))
    return loop_over(model, lambda ids: model(input_ids=ids).logits, micro)


def our_step(job: TrainingJob) -> Step:
    training = Training(job, ranks=Ranks(rank=0, num_ranks=1))

    def step(rows: torch.Tensor) -> None:
        training.step(Batch(input_ids=rows[:, :-1].contiguous(), labels=rows[:, 1:].contiguous()))

    return step


def take_turns(
    steps: dict[str, tuple[Step, int]], rows: torch.Tensor, rounds: int
) -> dict[str, float]:
    """Return each variant's median tokens per second of the clock and of CPU time."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in steps}
    for number in range(rounds + 2):
        for name, (step, threads) in steps.items():
            torch.set_num_threads(threads)
            started, cpu_started = time.perf_counter(), time.process_time()
            step(rows)
            used = time.perf_counter() - started, time.process_time() - cpu_started
            if number >= 2:  # the first ones warm up
                seconds[name].append(used)
    num_tokens = rows.shape[0] * (rows.shape[1] - 1)
    rates = {}
    for name, times in seconds.items():
        wall, cpu = (statistics.median(column) for column in zip(*times, strict=True))
        rates[name] = num_tokens / wall
        rates[f"{name}, by CPU time"] = num_tokens / cpu
    return rates


def launched(folder: Path, shape: DecoderConfig, config: TrainingConfig) -> float:
    """Return the median tokens per second of a run by the launcher, without its start."""
    tokens = folder / "tokens"
    if not tokens.exists():
        ids = np.random.default_rng(0).integers(0, shape.vocab_size - 1, 400_000).tolist()
        write_token_set(
            tokens,
            [("random", ids)],
            vocab_size=shape.vocab_size,
            tokenizer_digest="none",
            separator_id=shape.vocab_size - 1,
        )
    out = folder / f"{config.optimizer}-{config.param_dtype}-{config.num_ranks}"
    run_training(make_job(out, shape, config, tokens))
    rates = [record["tokens_per_second"] for record in read_metrics(out / "metrics.jsonl")]
    return statistics.median(rates[2:])


def make_job(out: Path, shape: DecoderConfig, config: TrainingConfig, tokens: Path) -> TrainingJob:
    return TrainingJob(
        config=config,
        start=shape,
        data=TokenSetData(tokens),
        scratch=out / "scratch",
        model_folder=out / "model",
        metrics_file=out / "metrics.jsonl",
        title=f"{config.optimizer}, {config.num_ranks} ranks",
    )


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("hidden-size", 256), ("intermediate-size", 768), ("layers", 6), ("heads", 4),
        ("key-value-heads", 2), ("vocab-size", 4096), ("sequence-length", 256),
        ("global-batch-size", 16), ("micro-batch-size", 8), ("rounds", 7),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    return parser.parse_args()


def main() -> None:
    arguments = read_arguments()
    shape = DecoderConfig(
        vocab_size=arguments.vocab_size,
        hidden_size=arguments.hidden_size,
        intermediate_size=arguments.intermediate_size,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.heads,
        num_key_value_heads=arguments.key_value_heads,
        head_dim=arguments.hidden_size // arguments.heads,
    )
    sizes = {
        "global_batch_size": arguments.global_batch_size,
        "micro_batch_size": arguments.micro_batch_size,
        "sequence_length": arguments.sequence_length,
        "max_steps": arguments.rounds + 2,
        "checkpoint_every_steps": 10**6,
    }
    adamw = TrainingConfig(optimizer="adamw", learning_rate=1e-3, num_ranks=1, **sizes)
    muon = TrainingConfig(optimizer="muon", num_ranks=1, **sizes)
    micro = arguments.micro_batch_size
    rows = torch.randint(
        0, shape.vocab_size, (arguments.global_batch_size, arguments.sequence_length + 1)
    )
    torch.set_flush_denormal(True)
    results: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bare, theirs = BareDecoder(shape), transformers_step(shape, micro)
        bare_step = loop_over(bare, bare, micro)
        ours = our_step(make_job(folder, shape, adamw, folder))
        ours_muon = our_step(make_job(folder, shape, muon, folder))
        bf16 = muon.model_copy(update={"param_dtype": "bf16"})
        ours_bf16 = our_step(make_job(folder, shape, bf16, folder))
        results |= take_turns(
            {
                "bare loop, 1 thread": (bare_step, 1),
                "transformers, 1 thread": (theirs, 1),
                "lodesmith adamw, 1 thread": (ours, 1),
                "lodesmith muon, 1 thread": (ours_muon, 1),
                "lodesmith muon bf16, 1 thread": (ours_bf16, 1),
                "bare loop, 2 threads": (bare_step, 2),
                "transformers, 2 threads": (theirs, 2),
                "lodesmith adamw, 2 threads": (ours, 2),
            },
            rows,
            arguments.rounds,
        )
        for config in (adamw, muon, bf16):
            for num_ranks in (1, 2):
                changed = config.model_copy(update={"num_ranks": num_ranks})
                rate = launched(folder, shape, changed)
                how = f"{config.optimizer} {config.param_dtype}, {num_ranks} ranks"
                results[f"launched {how} x 1 thread"] = rate
    report = {name: round(rate) for name, rate in results.items()}
    print(json.dumps({"parameters": shape.num_parameters, "tokens_per_second": report}, indent=2))


if __name__ == "__main__":
    main()

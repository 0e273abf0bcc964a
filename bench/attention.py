"""Attention while learning: our kernel beside torch's, forward and backward, in turns.

    python bench/attention.py [--rounds 7] [--threads 2] [--kernels avx2]

Heads of 64 in fp32, laid out as a model's products leave them. Documents are of random lengths, an
eighth of a row on average; torch attends to them under a mask, and as Lodesmith does without its
kernel, each laid out as a row. Prints medians, their ratios, and the share of oneDNN's rate on a
large matrix product in the same run that the arithmetic (half of the scores) reached.
"""

import argparse
import functools
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from lodesmith.model import attention
from lodesmith.model.decoder import causal_attention
from lodesmith.model.product import multiply
from lodesmith.train.objectives.segments import attend_within_segments

SHAPES = {  # sequences, heads, heads of keys, tokens
    "10M": (4, 4, 4, 256),
    "46M": (8, 8, 8, 256),
    "1,024 tokens": (2, 8, 8, 1024),
    "2,048 tokens, grouped": (1, 8, 2, 2048),
}
_DIM, _GEMM = 64, 2048

Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--kernels", help="no wider registers than these: plain or avx2")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.kernels:
        for name in ("attend", "attend_backward"):
            whole = getattr(attention, name)
            setattr(attention, name, functools.partial(whole, kernels=options.kernels))
    rate = 2 * _GEMM**3 / min(_time_product() for _ in range(5))
    print(f"oneDNN: {rate / 1e9:.0f} GFLOP/s on {options.threads} threads")
    for name, shape in SHAPES.items():
        _compare(name, shape, rounds=options.rounds, rate=rate)


def _compare(name: str, shape: tuple[int, int, int, int], *, rounds: int, rate: float) -> None:
    size, num_heads, num_kv, tokens = shape
    heads = [_heads(size, number, tokens) for number in (num_heads, num_kv, num_kv, num_heads)]
    ids = (torch.rand(size, tokens) < 8 / tokens).int().cumsum(1)
    same = ids[:, :, None] == ids[:, None, :]
    mask = (same & torch.ones(tokens, tokens, dtype=torch.bool).tril())[:, None]
    grouped = num_heads != num_kv
    masked = functools.partial(scaled_dot_product_attention, attn_mask=mask, enable_gqa=grouped)
    variants: dict[str, tuple[bool, Attend]] = {
        "torch": (False, functools.partial(causal_attention, 0)),
        "ours": (True, functools.partial(causal_attention, 0)),
        "torch, mask": (False, masked),
        "torch, rows": (False, functools.partial(attend_within_segments(ids), 0)),
        "ours, documents": (True, functools.partial(attend_within_segments(ids), 0)),
    }
    seconds: dict[str, list[tuple[float, float]]] = {variant: [] for variant in variants}
    for _ in range(rounds + 1):
        for variant, (own, attend) in variants.items():
            attention.PREFERS_OWN = own
            seconds[variant].append(_time(attend, heads))
    medians = {
        variant: [statistics.median(column) for column in zip(*found[1:], strict=True)]
        for variant, found in seconds.items()
    }
    for variant, (forward, backward) in medians.items():
        peers = ("torch, mask", "torch, rows") if "," in variant else ("torch",)
        ratios = [sum(medians[peer]) / (forward + backward) for peer in peers]
        line = f"{name:22} {variant:16} {forward * 1e3:7.2f} + {backward * 1e3:7.2f} ms"
        print(line, "", " and ".join(f"{ratio:.2f} x {peer}" for ratio, peer in
                                     zip(ratios, peers, strict=True)), end="")  # fmt: skip
        flops = 7 * size * num_heads * tokens**2 * _DIM  # 2 products forward, 5 backward
        share = f", {flops / (forward + backward) / rate:.2f} of oneDNN"
        print("" if "," in variant else share, flush=True)


def _heads(size: int, num_heads: int, tokens: int) -> Tensor:
    return torch.randn(size, tokens, num_heads, _DIM).transpose(1, 2)


def _time(attend: Attend, heads: list[Tensor]) -> tuple[float, float]:
    asked = [x.detach().requires_grad_() for x in heads[:3]]
    started = time.perf_counter()
    out = attend(*asked)
    between = time.perf_counter()
    torch.autograd.grad(out, asked, heads[3])
    return between - started, time.perf_counter() - between


def _time_product() -> float:
    left, right = torch.randn(_GEMM, _GEMM), torch.randn(_GEMM, _GEMM)
    started = time.perf_counter()
    multiply(left, right)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

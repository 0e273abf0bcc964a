"""Times a step of private learning beside the same step without privacy, on the same adapters.

    python bench/private_steps.py [--hidden-size 256] [--micro-batch-size 8]

The plain step adds gradients up in autograd; the private one forms those of each record, cuts and
adds them, and adds noise. Both update the adapters with the same optimizer. CPU-seconds, medians.
"""

import argparse
import random
import statistics
import time
from collections.abc import Callable

import torch

from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.lora import LoraLinear, add_adapter, product
from lodesmith.train.config import TrainingConfig
from lodesmith.tune.private.record_gradients import RecordProduct, watch_records
from lodesmith.tune.private.training import _Adam, _micro_batches, record_losses, sum_gradients

_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_ROUNDS = 7


def main() -> None:  # noqa: C901 two steps stand side by side
    parser = argparse.ArgumentParser(description="Times a step of private learning.")
    parser.add_argument("--hidden-size", type=int, default=256)
    parser.add_argument("--micro-batch-size", type=int, default=8)
    parser.add_argument("--rank", type=int, default=16)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    decoder, products = _make(arguments)
    adapters = [module for module in decoder.modules() if isinstance(module, LoraLinear)]
    weights = [weight for one in products for weight in one.weights]
    optimizer = _Adam(products, TrainingConfig(max_steps=100))
    rng = random.Random(0)
    batch = [_record(rng) for _ in range(16)]
    chance = torch.Generator().manual_seed(0)

    def plain() -> None:
        for weight in weights:
            weight.grad = None
        for adapter in adapters:
            adapter.product = product
        for rows in _micro_batches(batch, arguments.micro_batch_size):
            record_losses(decoder, rows).sum().backward()
        optimizer.step([weight.grad for weight in weights], 1)

    def private() -> None:
        for adapter, one in zip(adapters, products, strict=True):
            adapter.product = one
        total = sum_gradients(
            decoder, products, batch, max_norm=1.0, micro_batch_size=arguments.micro_batch_size
        )
        for gradient in total:
            gradient.add_(torch.randn(gradient.shape, generator=chance))
        optimizer.step(total, 1)

    for step in (plain, private):
        step()
    rounds = [(_cpu_seconds(plain), _cpu_seconds(private)) for _ in range(_ROUNDS)]
    without, with_privacy = (statistics.median(times) for times in zip(*rounds, strict=True))
    num = sum(parameter.numel() for parameter in decoder.parameters())
    print(f"{num / 1e6:.1f}M parameters, {sum(w.numel() for w in weights) / 1e6:.2f}M of adapters")
    print(f"plain {without:.3f} s, private {with_privacy:.3f} s a step: "
          f"{with_privacy / without:.3f} times")  # fmt: skip


def _make(arguments: argparse.Namespace) -> tuple[Decoder, list[RecordProduct]]:
    size = arguments.hidden_size
    config = DecoderConfig(
        hidden_size=size, intermediate_size=3 * size, num_hidden_layers=6,
        num_attention_heads=size // 32, num_key_value_heads=size // 64, head_dim=32,
        max_position_embeddings=512, vocab_size=8192,
    )  # fmt: skip
    decoder = Decoder.fresh(config, seed=0)
    add_adapter(decoder, AdapterShape(arguments.rank, 32.0, _TARGETS), seed=0)
    return decoder, watch_records(decoder)


def _record(rng: random.Random) -> tuple[list[int], list[bool]]:
    length = rng.randint(96, 160)
    ids = [rng.randrange(8192) for _ in range(length)]
    return ids, [False] * (length // 3) + [True] * (length - length // 3)


def _cpu_seconds(step: Callable[[], None]) -> float:
    started = time.process_time()
    step()
    return time.process_time() - started


if __name__ == "__main__":
    main()

"""The loss of training on a CPU: our kernel beside torch's, forward and backward, in turns.

    python bench/cross_entropy.py [--rows 1024] [--columns 32000] [--rounds 9] [--threads 2]

Random logits in fp32, a label for each row, the sum of the losses. Prints medians and their ratio.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from lodesmith.model.cross_entropy import cross_entropy

Loss = Callable[[Tensor, Tensor], Tensor]

WAYS: dict[str, Loss] = {
    "ours": lambda logits, labels: cross_entropy(logits, labels)[0].sum(),
    "torch": lambda logits, labels: functional.cross_entropy(logits, labels, reduction="sum"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    for name, default in (("rows", 1024), ("columns", 32_000), ("rounds", 9), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logits = torch.randn(options.rows, options.columns)
    labels = torch.randint(0, options.columns, (options.rows,))
    seconds: dict[str, list[float]] = {name: [] for name in WAYS}
    for _ in range(options.rounds + 1):
        for name, loss in WAYS.items():
            seconds[name].append(_time(loss, logits, labels))
    medians = {name: statistics.median(found[1:]) for name, found in seconds.items()}
    for name, median in medians.items():
        print(f"{name:6} {median * 1e3:7.1f} ms")
    print(f"torch / ours {medians['torch'] / medians['ours']:.2f}")


def _time(loss: Loss, logits: Tensor, labels: Tensor) -> float:
    asked = logits.clone().requires_grad_()  # our gradient takes the logits' place
    started = time.perf_counter()
    loss(asked, labels).backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

"""Checkpoints: stall of the step, time until durable, and what a background write takes from steps.

    python bench/checkpoint.py [--gigabytes 1] [--rounds 5] [--folder DIR]

In every round, by turns: a warm copy of the same bytes within memory, `dd` of as many bytes to the
same disk (through the page cache with fsync, and past it; the faster counts), our save, our save
with a second copy kept in memory, and
`torch.distributed.checkpoint.async_save` as it comes. Medians are printed, and their ratios.
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
import warnings
from collections import defaultdict
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp

from lodesmith.parallel.checkpoint import Checkpoints
from lodesmith.parallel.memory_folder import open_memory_folder

HIDDEN = 1024


def make_state(num_bytes: int) -> dict[str, torch.Tensor]:
    """Return weights and two moments each, as a decoder of this width has them."""
    state: dict[str, torch.Tensor] = {}
    layer = 0
    while sum(tensor.nbytes for tensor in state.values()) < num_bytes:
        for slot in ("weight", "adamw.mean", "adamw.square"):
            for name, rows in (("qkv", 3 * HIDDEN), ("out", HIDDEN), ("up", 6 * HIDDEN)):
                state[f"{slot}.layers.{layer}.{name}"] = torch.randn(rows, HIDDEN)
            state[f"{slot}.layers.{layer}.norm"] = torch.randn(HIDDEN)
        layer += 1
    return state


def time_memcpy(state: dict[str, torch.Tensor], target: dict[str, torch.Tensor]) -> float:
    """Return the seconds of a copy into memory that was written before."""
    for _ in range(2):  # the first makes it warm
        started = time.perf_counter()
        for name, tensor in state.items():
            target[name].copy_(tensor)
    return time.perf_counter() - started


def time_dd(folder: Path, num_bytes: int) -> float:
    """Return the seconds in which `dd` makes as many bytes durable, the faster of two ways."""
    seconds = []
    for flags in (["conv=fsync"], ["oflag=direct", "conv=fsync"]):
        count = num_bytes >> 24
        command = ["dd", "if=/dev/zero", f"of={folder}/dd", "bs=16M", f"count={count}", *flags]
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 0:
            seconds.append((time.perf_counter() - started) * num_bytes / (count << 24))
        (folder / "dd").unlink(missing_ok=True)
    return min(seconds)


def time_ours(checkpoints: Checkpoints, state: dict[str, torch.Tensor], step: int) -> list[float]:
    """Return seconds until the step may go on, and until the checkpoint is committed."""
    started = time.perf_counter()
    checkpoints.save(step=step, tensors=state, facts={})
    stalled = time.perf_counter() - started
    checkpoints.wait()
    total = time.perf_counter() - started
    checkpoints.shelf.clear(step)  # as that of PyTorch's
    return [stalled, total]


def time_dcp(folder: Path, state: dict[str, torch.Tensor]) -> list[float]:
    """Return the same for PyTorch's own."""
    started = time.perf_counter()
    future = dcp.async_save(state, checkpoint_id=folder / "dcp")
    stalled = time.perf_counter() - started
    future.result()  # type: ignore[union-attr]
    total = time.perf_counter() - started
    shutil.rmtree(folder / "dcp")
    return [stalled, total]


def steps_in(seconds: float, *, until: Checkpoints | None = None) -> float:
    """Return matrix products a second, for a while or until a save is done."""
    a, b, count = torch.randn(1024, 1024), torch.randn(1024, 1024), 0
    started = time.perf_counter()
    while (time.perf_counter() - started < seconds) if until is None else until.is_saving:
        a @ b
        count += 1
    return count / (time.perf_counter() - started)


def measure(args: argparse.Namespace, folder: Path, memory: Path | None) -> dict[str, list[float]]:
    """Return the seconds of every round."""
    state = make_state(int(args.gigabytes * 1e9))
    num_bytes = sum(tensor.nbytes for tensor in state.values())
    copy = {name: tensor.clone() for name, tensor in state.items()}
    checkpoints = Checkpoints(folder / "ours")
    doubled = Checkpoints(folder / "doubled", memory=memory)
    for step in (1, 2):  # buffers are new at the first save, with copies at the first two
        time_ours(checkpoints, state, step)
        time_ours(doubled, state, step)
    found: dict[str, list[float]] = defaultdict(list)
    found["bytes"].append(num_bytes)
    for number in range(args.rounds):
        step = 2 * number + 3
        found["dd"].append(time_dd(folder, num_bytes))
        for name, ours in (("ours", checkpoints), ("with a copy", doubled)):
            found[f"memcpy, {name}"].append(time_memcpy(state, copy))
            stalled, total = time_ours(ours, state, step)
            found[f"stall, {name}"].append(stalled)
            found[f"total, {name}"].append(total)
        stalled, total = time_dcp(folder, state)
        found["stall, dcp"].append(stalled)
        found["total, dcp"].append(total)
        alone = steps_in(1.0)
        checkpoints.save(step=step + 1, tensors=state, facts={})
        found["step rate while saving"].append(steps_in(0, until=checkpoints) / alone)
        checkpoints.wait()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--gigabytes", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # as ranks do
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder, open_memory_folder() as memory:
        found = measure(args, Path(folder), memory)
    dist.destroy_process_group()
    (num_bytes,) = found.pop("bytes")
    print(f"{num_bytes / 1e9:.2f} GB of state, {args.rounds} rounds, median (least to most)")
    for name, values in found.items():
        print(f"{name:24} {statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})")

    def ratio(over: str, under: str, *, less: str | None = None) -> float:
        """Return the median of the rounds' ratios; `less` is taken from what is below the line."""
        taken = found[less] if less else [0.0] * args.rounds
        rounds = zip(found[over], found[under], taken, strict=True)
        return statistics.median(above / (below - part) for above, below, part in rounds)

    print("medians of the rounds' ratios")
    for name, value in {
        "our stall / memcpy (at most 1.15)": ratio("stall, ours", "memcpy, ours"),
        "the same with a copy in memory": ratio("stall, with a copy", "memcpy, with a copy"),
        "dcp stall / our stall (at least 5)": ratio("stall, dcp", "stall, ours"),
        "dcp total / our total (at least 2)": ratio("total, dcp", "total, ours"),
        "our rate / dd's (at least .80)": ratio("dd", "total, ours", less="stall, ours"),
        "the same with a copy": ratio("dd", "total, with a copy", less="stall, with a copy"),
    }.items():
        print(f"{name:36} {value:.2f}")


if __name__ == "__main__":
    main()

"""What this machine has of what a model's life needs, each with a line on what to do without it."""

import importlib.util
import os
import shutil
import sys
from typing import TypedDict

import psutil

from lodesmith.core.gpus import find_gpus
from lodesmith.core.process import count_free_cores
from lodesmith.core.units import format_bytes, format_count, format_counted

_QUICKSTART_MEMORY_BYTES = 6 * 1024**3
_QUICKSTART_DISK_BYTES = 2 * 1024**3

# program -> what it is for
_PROGRAMS = {
    "apt-get": "Debian sources; the quickstart takes PyPI packages without it",
    "npm": "npm sources",
    "sbatch": "cleaning on a Slurm cluster (prepare.engine=slurm)",
    "ray": "cleaning on a Ray cluster (prepare.engine=ray)",
}


class Finding(TypedDict):
    """One line of the doctor's report."""

    ok: bool
    says: str


def examine_machine() -> dict[str, Finding]:
    """Return what was found, by name, in the order to be shown."""
    findings = {
        "python": Finding(ok=True, says=f"{sys.version.split()[0]} at {sys.executable}"),
        "cores": _cores(),
        "memory": _memory(),
        "disk": _disk(),
        "gpu": _gpus(),
        "torch": _package("torch", "training and serving"),
        "pip": _package("pip", "PyPI sources"),
        "vllm": _package("vllm", "serving on GPUs at scale"),
    }
    for program, purpose in _PROGRAMS.items():
        path = shutil.which(program)
        findings[program] = Finding(ok=path is not None, says=path or f"not found; for {purpose}")
    return findings


def examine_speed() -> Finding:
    """Train for some seconds in each way that suits this machine, and say which is the quickest."""
    from lodesmith.train.rehearsal import rehearse

    rates = rehearse()
    best = max(rates, key=lambda way: rates[way])
    shown = ", ".join(f"{way} {format_count(rate)}" for way, rate in rates.items())
    if best == "num_ranks: 2":
        advice = "which num_ranks: auto takes"
    else:
        advice = f"so write pretrain.{best} (auto keeps two ranks, whose bits no machine changes)"
    return Finding(ok=True, says=f"training, tokens/s: {shown}; {best} is the quickest, {advice}")


def _cores() -> Finding:
    free = count_free_cores()
    ranks = min(2, free)
    says = (
        f"{free} of {os.cpu_count()} usable; the quickstart trains with "
        f"{format_counted(ranks, 'gloo rank')}, and `lodesmith doctor --speed` measures other ways"
    )
    return Finding(ok=free >= 2, says=says)


def _memory() -> Finding:
    memory = psutil.virtual_memory()
    says = f"{format_bytes(memory.available)} free of {format_bytes(memory.total)}"
    enough = memory.available >= _QUICKSTART_MEMORY_BYTES
    return Finding(ok=enough, says=says if enough else f"{says}; the quickstart may need 6.4 GB")


def _disk() -> Finding:
    free = shutil.disk_usage(".").free
    says = f"{format_bytes(free)} free here"
    if not os.access(".", os.W_OK):
        says = f"{says}, but this folder cannot be written to; go to one that can"
        return Finding(ok=False, says=says)
    enough = free >= _QUICKSTART_DISK_BYTES
    return Finding(ok=enough, says=says if enough else f"{says}; the quickstart needs about 2 GB")


def _gpus() -> Finding:
    gpus = find_gpus()
    if gpus is None:
        return Finding(ok=False, says="none found (no nvidia-smi); everything runs on the CPU")
    if not gpus:
        return Finding(ok=False, says="nvidia-smi is there but reports no GPU; check the driver")
    names = (f"{gpu.name}, {format_bytes(gpu.total_bytes)}" for gpu in gpus)
    return Finding(ok=True, says=f"{'; '.join(names)} (pretrain.device=cuda trains on it)")


def _package(name: str, purpose: str) -> Finding:
    found = importlib.util.find_spec(name) is not None
    return Finding(ok=found, says="installed" if found else f"not installed; for {purpose}")

"""Which NVIDIA GPUs this machine has, asked of the driver's own program: it needs no torch."""

import functools
import os
import shutil
import subprocess
from dataclasses import dataclass

_QUESTION = "--query-gpu=name,compute_cap,memory.free,memory.total"
_MEBIBYTE = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Gpu:
    """One GPU."""

    name: str
    compute_capability: tuple[int, int]  # NVIDIA's number of the generation, such as (9, 0)
    free_bytes: int
    total_bytes: int


@functools.cache  # asked before training takes their memory
def find_gpus() -> list[Gpu] | None:
    """Return the GPUs that a process started here can use; None if there is no driver to ask."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    result = subprocess.run(
        [program, _QUESTION, "--format=csv,noheader,nounits"],
        capture_output=True, text=True, timeout=20, check=False,
    )  # fmt: skip
    if result.returncode != 0:
        return []
    gpus = [_read_line(line) for line in result.stdout.splitlines() if line.strip()]
    return _visible(gpus, os.environ.get("CUDA_VISIBLE_DEVICES"))


def _read_line(line: str) -> Gpu:
    name, capability, free, total = (part.strip() for part in line.rsplit(",", 3))
    major, _, minor = capability.partition(".")
    return Gpu(
        name=name,
        compute_capability=(int(major), int(minor)),
        free_bytes=int(free) * _MEBIBYTE,
        total_bytes=int(total) * _MEBIBYTE,
    )


def _visible(gpus: list[Gpu], chosen: str | None) -> list[Gpu]:
    """Return the GPUs that CUDA_VISIBLE_DEVICES leaves; it ends at the first that is not there."""
    if chosen is None:
        return gpus
    found = []
    for number in chosen.split(","):
        if not number.strip().isdigit():  # a UUID: which one it is does not matter here
            found += gpus[:1] if number.strip() not in {"", "-1"} else []
        elif int(number) < len(gpus):
            found.append(gpus[int(number)])
        else:
            break
    return found

"""Whether a run fits into memory, told before it starts and not by the OOM killer."""

from pathlib import Path

import psutil

from lodesmith.core.errors import UserError
from lodesmith.core.gpus import find_gpus
from lodesmith.core.units import format_bytes, format_counted
from lodesmith.model.config import DecoderConfig
from lodesmith.train.ahead.memory import Beside, RankMemory, estimate_rank
from lodesmith.train.config import TrainingConfig

_CUDA_BYTES = 1 << 30  # a CUDA context, NCCL and cuBLAS; not measured here
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CGROUP_USED = Path("/sys/fs/cgroup/memory.current")


def free_bytes() -> int:
    """Return the memory that new processes can take: the machine's, or the container's rest."""
    free = psutil.virtual_memory().available
    try:
        limit, used = _CGROUP_LIMIT.read_text().strip(), int(_CGROUP_USED.read_text())
    except (OSError, ValueError):
        return free
    return free if limit == "max" else min(free, int(limit) - used)


def check_memory(
    title: str,
    shape: DecoderConfig,
    config: TrainingConfig,
    num_ranks: int,
    *,
    beside: Beside | None = None,
) -> None:
    """Refuse a run that needs more memory than is free.

    Args:
        title: of the run.
        shape: of its model.
        config: of the run.
        num_ranks: on this machine.
        beside: what is trained in place of the weights.

    Raises:
        UserError: what it needs, where it goes, and what to change.
    """
    rank = estimate_rank(shape, config, num_ranks=num_ranks, beside=beside)
    if config.device == "cuda":
        least = min(gpu.free_bytes for gpu in (find_gpus() or [])[:num_ranks])
        if rank.computing + _CUDA_BYTES > least:
            raise UserError(
                f"{title}: a rank needs about {format_bytes(rank.computing + _CUDA_BYTES)} of its "
                f"GPU, but {format_bytes(least)} are free; {_explain(rank)}"
            )
        each, more = rank.checkpoint + rank.process, rank.model
    else:
        each, more = rank.total, rank.more_at_end
    needed, free = each * num_ranks + more, free_bytes()
    if needed > free:
        raise UserError(
            f"{title}: about {format_bytes(needed)} of memory is needed for "
            f"{format_counted(num_ranks, 'rank')}, but "
            f"{format_bytes(free)} are free; each takes {format_bytes(each)}; {_explain(rank)}"
        )


def _explain(rank: RankMemory) -> str:
    """Return where a rank's memory goes, and what helps most."""
    remedies = {
        "state": ("weights and optimizer", "a smaller model, or more ranks to share it"),
        "checkpoint": ("checkpoint", "a smaller model, or more ranks to share it"),
        "model": ("the model as it is written at the end", "a smaller model"),
        "gathered": ("layers gathered", "a larger tensor_parallel_size"),
        "activations": (
            "activations",
            "activation_checkpointing, or a smaller micro_batch_size or sequence_length",
        ),
        "logits": ("logits", "a smaller micro_batch_size or vocab_size"),
        "holes": ("holes in the heap", "a micro_batch_size that makes a step of one micro-batch"),
    }
    sizes = {name: getattr(rank, name) for name in remedies}
    shown = ", ".join(
        f"{remedies[name][0]} {format_bytes(size)}" for name, size in sizes.items() if size
    )
    largest = max(sizes, key=lambda name: sizes[name])
    return f"{shown}. What helps most is {remedies[largest][1]}"

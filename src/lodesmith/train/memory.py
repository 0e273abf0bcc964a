"""Whether a run fits into this machine's memory, told before it starts and not by the OOM killer.

Counted per rank, in fp32: weights, gradients, the optimizer's averages, what a micro-batch leaves
behind for its backward pass, logits, the buffer of a checkpoint, and the process itself.

Shapes in comments: T tokens of a micro-batch on a rank, D hidden, V vocab.
"""

from dataclasses import dataclass
from pathlib import Path

import psutil

from lodesmith.core.errors import UserError
from lodesmith.core.units import format_bytes
from lodesmith.model.config import DecoderConfig
from lodesmith.parallel.config import ParallelConfig
from lodesmith.train.config import TrainingConfig

_FLOAT_BYTES = 4
_PROCESS_BYTES = 200 << 20  # Python, torch, gloo: 193 MB of private memory in an idle rank
_LOGIT_COPIES = 3  # the logits, their softmax, the gradient of these
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_CGROUP_USED = Path("/sys/fs/cgroup/memory.current")


@dataclass(frozen=True, kw_only=True)
class RankMemory:
    """Bytes of the fullest rank, by cause."""

    state: float  # weights, gradients, the optimizer's averages
    gathered: float  # layers that a sharded rank holds whole while it computes them
    activations: float
    logits: float
    checkpoint: float  # what is staged: weights and averages; second copies only fill what is left
    process: float = _PROCESS_BYTES

    @property
    def total(self) -> float:
        """All of it."""
        working = self.gathered + self.activations + self.logits
        return self.state + working + self.checkpoint + self.process


def estimate_rank(shape: DecoderConfig, config: TrainingConfig) -> RankMemory:
    """Return what the fullest rank of a run needs."""
    layout = config.parallel if isinstance(config.parallel, ParallelConfig) else None
    layers = shape.num_non_embedding_parameters / shape.num_hidden_layers
    matrix = shape.vocab_size * shape.hidden_size
    num_matrices = 1 if shape.tie_word_embeddings else 2
    if layout is None:
        weights, shards = float(shape.num_parameters), 1
        gathered, share = 0.0, 1
    else:
        stages = layout.pipeline_parallel_size
        share = layout.tensor_parallel_size
        ends = matrix if stages > 1 else num_matrices * matrix
        num_layers = -(-shape.num_hidden_layers // stages)
        weights = (num_layers * layers + ends) / share
        shards = layout.data_parallel_shard_size * layout.context_parallel_size
        unfolded = weights if stages > 1 else (2 * layers + ends) / share
        gathered = 2 * unfolded * _FLOAT_BYTES if shards > 1 else 0.0  # with its gradients
    averages = 2 if config.optimizer == "adamw" else 1.5  # muon keeps one, and an update
    tokens = config.micro_batch_size * config.sequence_length
    if layout is not None:
        tokens //= layout.context_parallel_size
    return RankMemory(
        state=weights / shards * _FLOAT_BYTES * (2 + averages + (1 if layout is None else 0)),
        gathered=gathered,
        activations=tokens * _activation_floats(shape, layout) * _FLOAT_BYTES,
        logits=tokens * shape.vocab_size / share * _FLOAT_BYTES * _LOGIT_COPIES,
        checkpoint=weights / shards * _FLOAT_BYTES * (1 + averages),
    )


def _activation_floats(shape: DecoderConfig, layout: ParallelConfig | None) -> float:
    """Return the numbers that one token leaves behind on a rank, over its layers.

    Each operation keeps its input: residual stream and norms 4 D, heads before and after they are
    normalised and turned, attention's output, and the feed-forward layer's three products.
    """
    heads = (shape.num_attention_heads + shape.num_key_value_heads) * shape.head_dim
    width = shape.intermediate_size
    if shape.experts is not None:
        width = shape.experts.num_experts_per_tok * shape.experts.moe_intermediate_size
        width += shape.experts.shared_expert_intermediate_size or 0
    layer = 4 * shape.hidden_size + 5 * heads + 4 * width
    if layout is None:
        return shape.num_hidden_layers * layer
    # A pipeline's first rank holds as many micro-batches as there are ranks, of its own layers.
    return shape.num_hidden_layers * layer / layout.tensor_parallel_size


def free_bytes() -> int:
    """Return the memory that new processes can take: the machine's, or the container's rest."""
    free = psutil.virtual_memory().available
    try:
        limit, used = _CGROUP_LIMIT.read_text().strip(), int(_CGROUP_USED.read_text())
    except (OSError, ValueError):
        return free
    return free if limit == "max" else min(free, int(limit) - used)


def check_memory(title: str, shape: DecoderConfig, config: TrainingConfig, num_ranks: int) -> None:
    """Refuse a run that needs more memory than is free.

    Raises:
        UserError: what it needs, where it goes, and what to change.
    """
    rank, free = estimate_rank(shape, config), free_bytes()
    needed = rank.total * num_ranks
    if needed <= free:
        return
    parts = {
        "weights and optimizer": rank.state,
        "layers gathered": rank.gathered,
        "activations": rank.activations,
        "logits": rank.logits,
        "checkpoint": rank.checkpoint,
    }
    largest = max(parts, key=lambda name: parts[name])
    shown = ", ".join(f"{name} {format_bytes(size)}" for name, size in parts.items() if size)
    remedy = {
        "weights and optimizer": "a smaller model, or more machines",
        "checkpoint": "a smaller model, or more machines",
        "layers gathered": "a larger tensor_parallel_size",
        "activations": "a smaller micro_batch_size or sequence_length",
        "logits": "a smaller micro_batch_size or vocab_size",
    }[largest]
    raise UserError(
        f"{title}: {num_ranks} rank(s) need about {format_bytes(needed)} of memory, but "
        f"{format_bytes(free)} are free; each takes {format_bytes(rank.total)} ({shown}). "
        f"What helps most is {remedy}"
    )

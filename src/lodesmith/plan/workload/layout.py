"""How a training run is laid over devices, and what one optimizer step is made of."""

from dataclasses import dataclass
from typing import Literal

# `selective` computes attention's square again; `alternate` every other product (torchtitan).
Checkpointing = Literal["none", "selective", "full", "alternate"]
Sharded = Literal["nothing", "optimizer", "gradients", "everything"]
Precision = Literal["bf16", "fp32", "fp8", "fp4"]
Attention = Literal["flash", "unfused"]
Optimizer = Literal["adamw", "muon"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """One way to spread a training step over devices."""

    tensor_parallel_size: int = 1
    pipeline_parallel_size: int = 1
    context_parallel_size: int = 1
    expert_parallel_size: int = 1  # a part of the data-parallel ranks
    data_parallel_size: int = 1
    virtual_pipeline_size: int = 1  # model chunks per pipeline rank (interleaved schedule)
    sharded: Sharded = "nothing"  # what data-parallel ranks split among them: ZeRO 0, 1, 2, 3
    data_parallel_shard_size: int | None = (
        None  # ranks that share one copy; None: all (HSDP: fewer)
    )
    sequence_parallel: bool = False  # norms and dropout split over the tensor-parallel ranks
    activation_checkpointing: Checkpointing = "none"
    micro_batch_size: int = 1

    @property
    def num_devices(self) -> int:
        """Devices that the layout fills."""
        ranks = self.tensor_parallel_size * self.pipeline_parallel_size
        return ranks * self.context_parallel_size * self.data_parallel_size

    def __str__(self) -> str:
        """Return the layout in one line, without what is 1 or off."""
        parts = [
            f"{name} {size}"
            for name, size in (
                ("tensor", self.tensor_parallel_size),
                ("pipeline", self.pipeline_parallel_size),
                ("interleaved", self.virtual_pipeline_size),
                ("context", self.context_parallel_size),
                ("expert", self.expert_parallel_size),
                ("data", self.data_parallel_size),
            )
            if size > 1
        ]
        if self.sharded != "nothing":
            group = self.data_parallel_shard_size
            parts.append(f"{self.sharded} sharded" + (f" over {group}" if group else ""))
        parts.append(f"micro-batch {self.micro_batch_size}")
        parts.append(f"recompute {self.activation_checkpointing}")
        return ", ".join(parts)


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """What one optimizer step works on, whatever the layout."""

    global_batch_size: int  # sequences per step over all ranks
    sequence_length: int
    precision: Precision
    attention: Attention = "flash"
    optimizer: Optimizer = "adamw"
    gradient_bytes: float = 4  # of one parameter; fp32, which sums are kept in
    has_dropout: bool = True  # in models of GPT-3's kind; the others have none
    logit_bytes: float = 10  # as computed, in bf16; in fp32 for the loss; the gradient of these

    @property
    def tokens_per_step(self) -> int:
        """Tokens that one optimizer step consumes."""
        return self.global_batch_size * self.sequence_length

    def num_micro_batches(self, layout: Layout) -> int:
        """Return the forward passes that each data-parallel rank makes in one step."""
        return self.global_batch_size // (layout.data_parallel_size * layout.micro_batch_size)

"""A layout as the trainer's own `parallel:` section, and whether the trainer can run it today.

The section is that of `parallel/config.py`: data-parallel ranks are `replicate` ranks, which hold a
copy each, times `shard` ranks, which share one. `_LIMITS` is the one place to change when the
trainer learns more.
"""

from typing import Any

from lodesmith.plan.layout import Layout, Training
from lodesmith.plan.shape import ModelShape

_MOST_RANKS = 2  # processes of one machine that share a batch: parallel/data_parallel.py
_PARTS = 2  # into which every batch is cut, whatever the ranks: parallel/data_parallel.py
_TRAINED_KINDS = ("llama", "qwen3")
_TRAINED_PRECISIONS = ("fp32", "bf16")
# What must stay as it is here, and what the trainer lacks otherwise.
_LIMITS: tuple[tuple[str, Any, str], ...] = (
    ("tensor_parallel_size", 1, "tensor parallelism"),
    ("pipeline_parallel_size", 1, "pipeline parallelism"),
    ("context_parallel_size", 1, "context parallelism"),
    ("expert_parallel_size", 1, "expert parallelism"),
    ("sharded", "nothing", "sharded state"),
    ("activation_checkpointing", "none", "recomputed activations"),
)


def parallel_section(layout: Layout) -> dict[str, Any]:
    """Return the layout as the section `parallel` of a recipe, without what is 1.

    >>> parallel_section(Layout(data_parallel_size=16, sharded="everything"))
    {'data_parallel_shard_size': 16}
    """
    shard = 1
    if layout.sharded != "nothing" or layout.expert_parallel_size > 1:  # experts lie over shards
        shard = min(layout.data_parallel_shard_size or layout.data_parallel_size,
                    layout.data_parallel_size)  # fmt: skip
    sizes = {
        "data_parallel_replicate_size": layout.data_parallel_size // shard,
        "data_parallel_shard_size": shard,
        "tensor_parallel_size": layout.tensor_parallel_size,
        "pipeline_parallel_size": layout.pipeline_parallel_size,
        "virtual_pipeline_size": layout.virtual_pipeline_size,
        "context_parallel_size": layout.context_parallel_size,
        "expert_parallel_size": layout.expert_parallel_size,
    }
    section: dict[str, Any] = {name: size for name, size in sizes.items() if size > 1}
    if layout.virtual_pipeline_size > 1:
        section["pipeline_schedule"] = "interleaved_1f1b"
    return section


def section_text(layout: Layout) -> str:
    """Return what a recipe says to have the layout, as one line of YAML.

    >>> section_text(Layout(tensor_parallel_size=2, micro_batch_size=4))
    'parallel: {tensor_parallel_size: 2}, pretrain: {micro_batch_size: 4}'
    """
    section = parallel_section(layout)
    inner = ", ".join(f"{name}: {value}" for name, value in section.items())
    return f"parallel: {{{inner}}}, pretrain: {{micro_batch_size: {layout.micro_batch_size}}}"


def explain_untrainable(shape: ModelShape, layout: Layout, training: Training) -> str | None:
    """Return what the trainer lacks to run a layout, None if it can run it."""
    lacks = [words for name, value, words in _LIMITS if getattr(layout, name) != value]
    if layout.data_parallel_size > _MOST_RANKS:
        lacks.append(f"more than {_MOST_RANKS} ranks")
    if shape.kind not in _TRAINED_KINDS:
        lacks.append(f"models of kind {shape.kind}")
    if shape.num_experts:
        lacks.append("experts")
    if training.precision not in _TRAINED_PRECISIONS:
        lacks.append(training.precision)
    if training.global_batch_size % (_PARTS * layout.micro_batch_size):
        lacks.append(f"a batch that is no multiple of {_PARTS} micro-batches")
    return f"no {', '.join(lacks)}" if lacks else None

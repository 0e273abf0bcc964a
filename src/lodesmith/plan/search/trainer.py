"""A layout as the trainer's own `pretrain.parallel`, and whether the trainer can run it today.

The section is that of `parallel/config.py`: data-parallel ranks are `replicate` ranks, which hold a
copy each, times `shard` ranks, which share one. Whether sizes suit the model is asked of that room;
`explain_untrainable` is the one place to change when the trainer learns more.
"""

import functools
from typing import Any

from pydantic import ValidationError

from lodesmith.core.errors import UserError
from lodesmith.model.config import DecoderConfig
from lodesmith.parallel.config import ParallelConfig, check_layout
from lodesmith.plan.workload.layout import Layout, Precision, Training
from lodesmith.plan.workload.shape import ModelShape

_TRAINED_KINDS = ("llama", "qwen3")
_TRAINED_PRECISIONS = ("fp32", "bf16")
_RECOMPUTED = ("none", "selective", "full")


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


def section_text(layout: Layout, precision: Precision = "fp32") -> str:
    """Return what a recipe says to have the layout, as one line of YAML.

    >>> section_text(Layout(micro_batch_size=4, activation_checkpointing="full"))
    'pretrain: {micro_batch_size: 4, activation_checkpointing: full, parallel: {}}'
    """
    settings = [f"micro_batch_size: {layout.micro_batch_size}"]
    if layout.activation_checkpointing in _RECOMPUTED[1:]:
        settings.append(f"activation_checkpointing: {layout.activation_checkpointing}")
    if precision == "bf16":  # the trainer's own choice is fp32
        settings.append("param_dtype: bf16")
    section = parallel_section(layout)
    inner = ", ".join(f"{name}: {value}" for name, value in section.items())
    return f"pretrain: {{{', '.join(settings)}, parallel: {{{inner}}}}}"


def explain_untrainable(shape: ModelShape, layout: Layout, training: Training) -> str | None:
    """Return what the trainer lacks to run a layout, None if it can run it."""
    checks = (
        (layout.activation_checkpointing not in _RECOMPUTED, layout.activation_checkpointing),
        (shape.kind not in _TRAINED_KINDS, f"models of kind {shape.kind}"),
        (training.precision not in _TRAINED_PRECISIONS, training.precision),
    )
    lacks = [words for applies, words in checks if applies]
    if lacks:
        return f"no {', '.join(lacks)}"
    try:
        section = ParallelConfig.model_validate(parallel_section(layout))
        check_layout(
            section,
            _as_decoder(shape),
            num_ranks=section.num_ranks,
            sequence_length=training.sequence_length,
            global_batch_size=training.global_batch_size,
            micro_batch_size=layout.micro_batch_size,
        )
    except UserError as error:
        return str(error).splitlines()[0]
    except ValidationError as error:
        return str(error.errors()[0]["msg"]).removeprefix("Value error, ")
    return None


@functools.lru_cache(maxsize=4)  # asked for each of hundreds of layouts of one model
def _as_decoder(shape: ModelShape) -> DecoderConfig:
    names = (
        "kind", "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers",
        "num_attention_heads", "num_key_value_heads", "head_dim", "max_position_embeddings",
        "tie_word_embeddings",
    )  # fmt: skip
    experts = {
        "num_experts": shape.num_experts,
        "num_experts_per_tok": shape.num_experts_per_tok,
        "moe_intermediate_size": shape.moe_intermediate_size,
    }
    sizes = {name: getattr(shape, name) for name in names}
    return DecoderConfig.model_validate(sizes | ({"experts": experts} if shape.num_experts else {}))

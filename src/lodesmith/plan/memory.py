"""Memory of one device in training, by cause.

Weights, gradients and optimizer state follow the mixed-precision Adam of ZeRO (16 to 18 bytes a
parameter before sharding); activations follow the byte counts of Korthikanti et al., generalised
to gated MLPs and grouped keys. The fullest pipeline rank decides: the first holds the most
micro-batches in flight, the last also holds the logits.

Source: Rajbhandari et al., arXiv 1910.02054, section 3.1; Korthikanti et al., arXiv 2205.05198,
section 4 and equations 1 to 6.
"""

from dataclasses import dataclass

from lodesmith.plan.flops import count_parameters
from lodesmith.plan.layout import Layout, Training
from lodesmith.plan.shape import ModelShape

_GRADIENT_BYTES = 4  # accumulated in fp32 whatever the weights are
_MOMENT_BYTES = 8  # Adam's two moments in fp32
_MASTER_BYTES = 4  # fp32 copy of bf16 weights
_LOGIT_BYTES = 4  # fp32, overwritten by their own gradient


@dataclass(frozen=True, kw_only=True, slots=True)
class MemoryUse:
    """Bytes on the fullest device, by cause."""

    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    buffers: float  # gathered layers, pipeline messages, the device's own runtime

    @property
    def total(self) -> float:
        """All of it."""
        return (
            self.weights + self.gradients + self.optimizer
            + self.activations + self.logits + self.buffers
        )  # fmt: skip


def count_activation_bytes(shape: ModelShape, layout: Layout, training: Training) -> float:
    """Return the bytes that one layer keeps of one micro-batch for its backward pass.

    For a GPT layer without recomputation this is the paper's s b h (34 + 5 a s / h).

    Source: Korthikanti et al., arXiv 2205.05198, equations 1, 2, 4 and 6.
    """
    tokens = layout.micro_batch_size * training.sequence_length
    width = element_bytes(training)
    if layout.activation_checkpointing == "full":
        return tokens * shape.hidden_size * width  # the layer's input alone
    split = layout.tensor_parallel_size
    shared = tokens * _shared_bytes(shape, width)
    whole = shared / split if layout.sequence_parallel else shared
    keeps_scores = training.attention == "unfused" and layout.activation_checkpointing == "none"
    scores = count_score_bytes(shape, training) * tokens if keeps_scores else 0
    return whole + (tokens * _split_bytes(shape, width) + scores) / split


def count_score_bytes(shape: ModelShape, training: Training) -> float:
    """Return the bytes per token that attention's square leaves behind: 5 a s in bf16.

    Softmax output and dropout output (one element each) and the dropout mask (one byte).
    """
    width = element_bytes(training)
    return shape.num_attention_heads * training.sequence_length * (2 * width + 1)


def element_bytes(training: Training) -> int:
    """Return the bytes of one activation."""
    return 2 if training.precision == "bf16" else 4


def _shared_bytes(shape: ModelShape, width: int) -> float:
    """Bytes per token of what every tensor-parallel rank holds: inputs of norms and of matrices."""
    masks = 2 * shape.hidden_size if shape.kind == "gpt" else 0  # dropout, one byte an element
    return 4 * width * shape.hidden_size + masks


def _split_bytes(shape: ModelShape, width: int) -> float:
    """Bytes per token of what tensor-parallel ranks split: heads, and the MLP's inner width."""
    heads = 2 * shape.query_size + 2 * shape.key_value_size  # query, attention output, key, value
    inner = (shape.num_mlp_inputs + 1) * shape.intermediate_size  # before and after activation
    return width * (heads + inner)


def estimate_memory(
    shape: ModelShape, layout: Layout, training: Training, *, reserved_bytes: float
) -> MemoryUse:
    """Return the memory of the fullest device.

    Args:
        shape: the model.
        layout: how it is spread.
        training: what a step works on.
        reserved_bytes: what the device's runtime and its communication library keep.
    """
    parameters = count_rank_parameters(shape, layout)
    is_mixed = training.precision == "bf16"
    weight_bytes = element_bytes(training)
    optimizer_bytes = _MOMENT_BYTES + (_MASTER_BYTES if is_mixed else 0)
    everywhere = layout.data_parallel_size if layout.sharded == "everything" else 1
    optimizer_split = layout.data_parallel_size if layout.sharded != "nothing" else 1
    activations, logits = _estimate_activations(shape, layout, training)
    return MemoryUse(
        weights=parameters * weight_bytes / everywhere,
        gradients=parameters * _GRADIENT_BYTES / everywhere,
        optimizer=parameters * optimizer_bytes / optimizer_split,
        activations=activations,
        logits=logits,
        buffers=reserved_bytes + _count_buffer_bytes(shape, layout, training),
    )


def count_rank_parameters(shape: ModelShape, layout: Layout) -> float:
    """Return the parameters of the first pipeline rank's share, before data-parallel sharding."""
    count = count_parameters(shape)
    layers = shape.num_hidden_layers / layout.pipeline_parallel_size
    ends = count.embedding + (count.output_head if layout.pipeline_parallel_size == 1 else 0)
    return (layers * count.per_layer + ends) / layout.tensor_parallel_size


def _estimate_activations(
    shape: ModelShape, layout: Layout, training: Training
) -> tuple[float, float]:
    """Bytes of kept activations and of logits on the fullest pipeline rank."""
    pipeline, chunks = layout.pipeline_parallel_size, layout.virtual_pipeline_size
    layers = shape.num_hidden_layers / pipeline
    waiting = training.num_micro_batches(layout)
    in_flight = float(min(waiting, pipeline)) if pipeline > 1 else 1.0
    if chunks > 1:
        in_flight *= 1 + (pipeline - 1) / (pipeline * chunks)
    per_layer = count_activation_bytes(shape, layout, training)
    working = 0.0
    if layout.activation_checkpointing == "full":  # one layer is unfolded again while it is used
        unfolded = _without_recompute(layout)
        working = count_activation_bytes(shape, unfolded, training)
    tokens = layout.micro_batch_size * training.sequence_length
    logits = tokens * shape.vocab_size * _LOGIT_BYTES / layout.tensor_parallel_size
    first = layers * per_layer * in_flight + working
    last = layers * per_layer + working + logits
    if pipeline == 1 or last > first:
        return layers * per_layer + working, logits
    return first, 0.0


def _without_recompute(layout: Layout) -> Layout:
    return Layout(
        tensor_parallel_size=layout.tensor_parallel_size,
        sequence_parallel=layout.sequence_parallel,
        micro_batch_size=layout.micro_batch_size,
    )


def _count_buffer_bytes(shape: ModelShape, layout: Layout, training: Training) -> float:
    """Bytes of layers gathered ahead (the one in use and the next) and of pipeline messages."""
    width = element_bytes(training)
    gathered = 0.0
    if layout.sharded == "everything":
        gathered = 2 * count_parameters(shape).per_layer * width / layout.tensor_parallel_size
    messages = 0.0
    if layout.pipeline_parallel_size > 1:
        tokens = layout.micro_batch_size * training.sequence_length
        messages = 2 * tokens * shape.hidden_size * width
    return gathered + messages

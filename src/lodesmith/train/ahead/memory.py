"""How much memory a run needs, estimated before it starts.

Counted per rank: weights, gradients, the optimizer's averages, what a micro-batch leaves behind for
its backward pass, logits, the buffer of a checkpoint, and the process itself. On a GPU the last two
are in main memory, the rest is on the GPU. `bench/train_memory.py` compares it with whole runs.
"""

from dataclasses import dataclass

from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.config import DecoderConfig
from lodesmith.parallel.config import ParallelConfig
from lodesmith.train.config import TrainingConfig

_FLOAT_BYTES = 4
_HALF_BYTES = 2
_PROCESS_BYTES = 200 << 20  # Python, torch, gloo: 193 MB of private memory in an idle rank
_LAYOUT_BYTES = 56 << 20  # of what such a rank imports besides
_LOGIT_COPIES = 3  # by torch: the logits, their softmax, the gradient of these
_SHARED_LOGIT_COPIES = 4  # where ranks share the vocabulary: that gradient in two steps
_KERNEL_LOGIT_COPIES = 2  # on a processor the gradient takes their place: one fewer was seen
_OUTPUT_COPIES = 2  # of the output matrix's gradient: oneDNN makes it turned on its side
_LARGE_PAGES = 1.05  # tensors of some MB begin at pages of 2 MB
_NF4_BYTES = 4.127 / 8  # 4 bits, a scale of 8 bits for 64 weights and one of 32 for 256 scales
_ADAPTER_HOLES = 0.6  # of activations, between which the products beside them come and go
_AVERAGES = 2  # of AdamW, squared or not; Muon keeps one, and an update


@dataclass(frozen=True, kw_only=True)
class RankMemory:
    """Bytes of the fullest rank, by cause."""

    state: float  # weights, gradients, the optimizer's averages
    gathered: float  # layers that a sharded rank holds whole while it computes them
    activations: float
    logits: float  # and the gradient of the matrix that makes them
    holes: float  # that the heap keeps between what stays from micro-batch to micro-batch
    checkpoint: float  # what is staged: weights and averages; second copies only fill what is left
    model: float  # the whole model as rank 0 collects and writes it, when the steps are over
    process: float = _PROCESS_BYTES

    @property
    def computing(self) -> float:
        """What is where the rank computes: in main memory, or on its GPU."""
        return self.state + self.gathered + self.activations + self.logits

    @property
    def total(self) -> float:
        """All of it while the rank takes steps."""
        held = self.computing + self.holes + self.checkpoint
        return _LARGE_PAGES * held + self.process

    @property
    def more_at_end(self) -> float:
        """What rank 0 wants beyond that to write the model: all but the state is free again."""
        return max(0.0, self.model - (self.computing - self.state) - self.holes)


@dataclass(frozen=True, kw_only=True)
class _Share:
    """What the fullest rank has of a model."""

    hidden: float  # weights of the layers
    others: float  # embedding and output matrix
    tensor: int  # ranks that share each matrix
    shards: int  # ranks that share the state of its weights
    writers: int  # ranks that share the writing of it
    gradients: int  # buffers as large as the weights


@dataclass(frozen=True, kw_only=True)
class Beside:
    """An adapter, and the weights that it is trained beside."""

    adapter: AdapterShape
    quantize_base: str | None = None  # "nf4": the frozen matrices of layers are held in 4 bits


def estimate_rank(
    shape: DecoderConfig,
    config: TrainingConfig,
    *,
    num_ranks: int = 1,
    beside: Beside | None = None,
) -> RankMemory:
    """Return what the fullest rank of a run needs.

    Args:
        shape: of the model.
        config: of the run.
        num_ranks: that train together; counts where the model is not laid over ranks.
        beside: what is trained in place of the weights.
    """
    if beside is not None:
        return _estimate_adapter(shape, config, beside, num_ranks=num_ranks)
    layout = config.parallel if isinstance(config.parallel, ParallelConfig) else None
    share = _share_of_whole(shape, num_ranks) if layout is None else _share(shape, layout)
    tokens = config.micro_batch_size * config.sequence_length
    if layout is not None:
        tokens //= layout.context_parallel_size
    # A pipeline's first rank holds as many micro-batches as there are ranks, of its own layers.
    layers = shape.num_hidden_layers
    weights = share.hidden + share.others
    kept = _AVERAGES * weights - (share.hidden if config.optimizer == "muon" else 0)
    activations = tokens * layers * _activation_bytes(shape, config, tensor=share.tensor)
    return RankMemory(
        state=weights / share.shards * (1 + share.gradients + _AVERAGES) * _FLOAT_BYTES,
        gathered=0.0 if layout is None else _gathered_bytes(shape, config, layout, share),
        activations=activations,
        logits=_logit_bytes(shape, config, tokens, share.tensor),
        holes=activations + weights * _FLOAT_BYTES if _keeps_gradients(config, layout) else 0.0,
        checkpoint=(weights + kept) / share.writers * _FLOAT_BYTES,
        model=_collected_bytes(shape, config, layout),
        process=_PROCESS_BYTES + (0 if layout is None else _LAYOUT_BYTES),
    )


def _estimate_adapter(
    shape: DecoderConfig, config: TrainingConfig, beside: Beside, *, num_ranks: int
) -> RankMemory:
    """Return what a rank needs that trains an adapter: gradients and averages are of it alone."""
    tokens = config.micro_batch_size * config.sequence_length
    trained = beside.adapter.num_parameters(shape)
    copies = _share_of_whole(shape, num_ranks).gradients + 1 + _AVERAGES
    frozen = float(shape.num_parameters * _FLOAT_BYTES)
    if beside.quantize_base is not None:
        matrices = sum(rows * columns for rows, columns in shape.matrix_shapes().values())
        frozen -= shape.num_hidden_layers * matrices * (_FLOAT_BYTES - _NF4_BYTES)
    activations = tokens * shape.num_hidden_layers * _activation_bytes(shape, config, tensor=1)
    return RankMemory(
        state=frozen + trained * copies * _FLOAT_BYTES,
        gathered=0.0,
        activations=activations,
        logits=_logit_bytes(shape, config, tokens, 1),
        holes=activations * _ADAPTER_HOLES,
        checkpoint=trained * (1 + _AVERAGES) / num_ranks * _FLOAT_BYTES,
        model=shape.num_parameters * _FLOAT_BYTES,
    )


def _collected_bytes(
    shape: DecoderConfig, config: TrainingConfig, layout: ParallelConfig | None
) -> float:
    """Return the bytes of the model as it is written, where the rank does not hold it already."""
    is_there = layout is None and config.device == "cpu"
    return 0.0 if is_there else shape.num_parameters * _FLOAT_BYTES


def _gathered_bytes(
    shape: DecoderConfig, config: TrainingConfig, layout: ParallelConfig, share: _Share
) -> float:
    """Return the bytes of weights and gradients that a rank holds whole for a while.

    Two layers and the ends; a pipeline gathers all of a stage. One shard is copied like many.
    """
    weights = share.hidden + share.others
    two = 2 * shape.num_non_embedding_parameters / shape.num_hidden_layers / share.tensor
    at_once = weights if layout.pipeline_parallel_size > 1 else two + share.others
    gradients = weights if _num_micro_batches(config, layout) > 1 else at_once
    return (at_once + gradients) * _FLOAT_BYTES


def _num_micro_batches(config: TrainingConfig, layout: ParallelConfig) -> int:
    return config.global_batch_size // (layout.data_parallel_size * config.micro_batch_size)


def _keeps_gradients(config: TrainingConfig, layout: ParallelConfig | None) -> bool:
    """Tell whether whole gradients stay, in pieces, while micro-batches come and go.

    They lie between what a micro-batch frees, so the next one finds no room of its size: the heap
    was seen to grow by about as much again as both. A pipeline's micro-batches overlap anyway.
    """
    if layout is None or layout.pipeline_parallel_size > 1:
        return False
    return _num_micro_batches(config, layout) > 1


def _logit_bytes(shape: DecoderConfig, config: TrainingConfig, tokens: int, tensor: int) -> float:
    """Return the bytes of logits, and of the gradient of the matrix that makes them."""
    copies = _LOGIT_COPIES if tensor == 1 else _SHARED_LOGIT_COPIES
    if tensor == 1 and config.device == "cpu" and config.param_dtype == "fp32":
        copies = _KERNEL_LOGIT_COPIES
    layout = config.parallel if isinstance(config.parallel, ParallelConfig) else None
    if layout is not None and layout.pipeline_parallel_size > 1:  # keeps what came out of each
        copies += _num_micro_batches(config, layout) - 1
    return (
        shape.vocab_size
        / tensor
        * (copies * tokens + _OUTPUT_COPIES * shape.hidden_size)
        * _FLOAT_BYTES
    )


def _share_of_whole(shape: DecoderConfig, num_ranks: int) -> _Share:
    hidden = shape.num_non_embedding_parameters
    return _Share(
        hidden=hidden,
        others=shape.num_parameters - hidden,
        tensor=1,
        shards=1,
        writers=num_ranks,
        gradients=2 if num_ranks == 1 else 1,  # one for each part of a batch
    )


def _share(shape: DecoderConfig, layout: ParallelConfig) -> _Share:
    stages, tensor = layout.pipeline_parallel_size, layout.tensor_parallel_size
    matrix = shape.vocab_size * shape.hidden_size
    ends = 1 if stages > 1 or shape.tie_word_embeddings else 2
    num_layers = -(-shape.num_hidden_layers // stages)
    layer = shape.num_non_embedding_parameters / shape.num_hidden_layers
    shards = layout.data_parallel_shard_size * layout.context_parallel_size
    return _Share(
        hidden=num_layers * layer / tensor,
        others=ends * matrix / tensor,
        tensor=tensor,
        shards=shards,
        writers=shards * layout.data_parallel_replicate_size,
        gradients=1,
    )


def _activation_bytes(shape: DecoderConfig, config: TrainingConfig, *, tensor: int) -> float:
    """Return the bytes that one token leaves behind on a rank, of each layer.

    Each operation keeps its input: the residual stream twice, and in the format of products norms
    2 D, heads before and after they are normalised and turned, attention's output, and the
    feed-forward layer's three products. Of `tensor` ranks that share a layer each has its share,
    but what norms gave whole. Where layers are computed again, one at a time is whole.
    """
    width = shape.intermediate_size
    if shape.experts is not None:
        width = shape.experts.num_experts_per_tok * shape.experts.moe_intermediate_size
        width += shape.experts.shared_expert_intermediate_size or 0
    heads = shape.num_attention_heads * shape.head_dim
    keys = shape.num_key_value_heads * shape.head_dim
    product = _FLOAT_BYTES if config.param_dtype == "fp32" else _HALF_BYTES
    stream = shape.hidden_size * _FLOAT_BYTES / tensor
    normed = 2 * shape.hidden_size * product
    whole = 2 * stream + normed + (5 * (heads + keys) + 4 * width) * product / tensor
    dear = stream + normed + (2 * (heads + keys) + 2 * width) * product / tensor
    kept = {"none": whole, "selective": dear, "full": stream}[config.activation_checkpointing]
    return kept if kept == whole else kept + whole / shape.num_hidden_layers

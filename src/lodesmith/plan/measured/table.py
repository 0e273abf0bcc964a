"""Rows of published measurements, read into what the planner computes with.

A published table leaves things out: the network of its machine, whether norms were split, what
program ran. The first two come from the program's stack file, which is found by the row's source.
"""

from dataclasses import dataclass

from lodesmith.core.errors import UserError
from lodesmith.plan.hardware.cluster import Cluster, bare_cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.load import list_stacks, load_device
from lodesmith.plan.hardware.stack import Stack
from lodesmith.plan.measured.row import Row, find_device, read_number, show
from lodesmith.plan.workload.layout import Checkpointing, Layout, Precision, Sharded, Training
from lodesmith.plan.workload.shape import ModelShape

# What the columns leave out of a few families: beginning of the model's name, width of a head where
# it is not hidden / heads, inner width of the shared experts. DeepSeek's latent attention counts as
# one shared key of 128. Source: each model's config.json.
_FAMILIES: tuple[tuple[str, int, int], ...] = (
    ("DeepSeekV3", 128, 2048),
    ("Kimi_K2", 128, 2048),
    ("Qwen3_", 128, 0),
    ("GPT OSS", 64, 0),
    ("Gemma", 256, 0),
)
_LATENT = ("DeepSeekV3", "Kimi_K2")
_VOCAB_PADDING = 128  # rows of the embedding per tensor-parallel rank: Megatron-LM's default
_USUAL_NETWORK = 25.0  # 200 Gb/s a device, 10^9 bytes/s: where nobody says


@dataclass(frozen=True, kw_only=True, slots=True)
class MeasuredJob:
    """One row: what ran, on what, under which program."""

    shape: ModelShape
    layout: Layout
    training: Training
    device: Device
    cluster: Cluster
    stack: Stack


def read_job(row: Row, stack: Stack | None = None) -> MeasuredJob:
    """Return what a row describes; `explain_unknown` must have nothing against it.

    Args:
        row: the row.
        stack: the program that ran; told by the row's source if left out.

    Raises:
        UserError: sizes of the row contradict each other, or one is missing.
    """
    name = find_device(row)
    if name is None:
        raise UserError(f"device {show(row, 'device')}")
    stack = stack or find_stack(row)
    layout = _read_layout(row, stack)
    devices = _whole(row, "devices")
    if layout.num_devices != devices:
        raise UserError(f"the layout fills {layout.num_devices} devices, the row has {devices}")
    training = _read_training(row, stack)
    if training.num_micro_batches(layout) < 1:
        raise UserError("the batch is smaller than data ranks x micro-batch")
    shape = _read_shape(row, layout)
    _check_division(shape, layout)
    device = load_device(name)
    network = stack.network_by_device.get(name) or stack.network_gb_per_second or _USUAL_NETWORK
    return MeasuredJob(
        shape=shape,
        layout=layout,
        training=training,
        device=device,
        cluster=bare_cluster(
            device.name,
            num_devices=devices,
            devices_per_node=_whole(row, "devices_per_node", 8),
            network_gb_per_second=network,
        ),
        stack=stack,
    )


def _check_division(shape: ModelShape, layout: Layout) -> None:
    if shape.num_attention_heads % layout.tensor_parallel_size:
        raise UserError(
            f"tp ({layout.tensor_parallel_size}) does not divide heads "
            f"({shape.num_attention_heads})"
        )
    # Megatron lets the embedding and the head fill a place each.
    if shape.num_hidden_layers + 2 < layout.pipeline_parallel_size * layout.virtual_pipeline_size:
        raise UserError(f"pp x vpp is more than layers ({shape.num_hidden_layers})")
    if max(shape.num_experts, 1) % layout.expert_parallel_size:
        raise UserError(
            f"ep ({layout.expert_parallel_size}) does not divide experts ({shape.num_experts})"
        )


def find_stack(row: Row) -> Stack:
    """Return the stack that a row is of; the average one where none is known.

    It is told by the row's source. A source may compare programs: then its table's title ends in
    the name of one, or a row's notes say which it is.
    """
    table, source, notes = (row.get(name) or "" for name in ("table", "source", "notes"))
    named = [stack for stack in list_stacks() if table.endswith(f" {stack.name}")]
    found = [stack for stack in list_stacks() if any(part in source for part in stack.sources)]
    noted = [stack for stack in found if any(words in notes for words in stack.notes)]
    plain = [stack for stack in found if not stack.notes]
    return next(iter([*named, *noted, *plain]), Stack(name="average"))


def _read_shape(row: Row, layout: Layout) -> ModelShape:
    hidden, heads = _whole(row, "hidden"), _whole(row, "heads")
    if heads > hidden:
        raise UserError(f"heads ({heads}) are more than hidden ({hidden}), which they share")
    is_gated = row.get("gated") == "1"
    if row.get("arch") == "moe" and not _whole(row, "experts", 0):
        raise UserError("arch is moe, but experts is empty")
    padding = _VOCAB_PADDING * layout.tensor_parallel_size
    model = row.get("model") or ""
    known = next(((head, shared) for start, head, shared in _FAMILIES if model.startswith(start)),
                 (hidden // heads, 0))  # fmt: skip
    return ModelShape(
        kind="llama" if is_gated else "gpt",
        vocab_size=-(-_whole(row, "vocab") // padding) * padding,
        hidden_size=hidden,
        intermediate_size=_whole(row, "ffn"),
        num_hidden_layers=_whole(row, "layers"),
        num_attention_heads=heads,
        num_key_value_heads=1 if model.startswith(_LATENT) else _whole(row, "kv_heads"),
        head_dim=known[0],
        max_position_embeddings=_whole(row, "seq"),
        tie_word_embeddings=not is_gated,
        num_experts=_whole(row, "experts", 0),
        num_experts_per_tok=_whole(row, "topk", 0),
        moe_intermediate_size=_whole(row, "moe_ffn", 0),
        shared_expert_intermediate_size=known[1],
    )


def _read_layout(row: Row, stack: Stack) -> Layout:
    recompute = row.get("recompute") or ""
    tensor, pipeline, context = _whole(row, "tp"), _whole(row, "pp"), _whole(row, "cp", 1)
    ranks = tensor * pipeline * context
    data = _whole(row, "dp", max(1, _whole(row, "devices") // ranks))
    sharded, group = _read_sharding(row.get("zero") or "")
    return Layout(
        tensor_parallel_size=tensor,
        pipeline_parallel_size=pipeline,
        context_parallel_size=context,
        expert_parallel_size=_whole(row, "ep", 1),
        data_parallel_size=data,
        virtual_pipeline_size=_whole(row, "vpp", 1),
        sharded=sharded,
        data_parallel_shard_size=min(group, data) if group else None,
        sequence_parallel=tensor > 1 and ("sp" in recompute or stack.sequence_parallel),
        activation_checkpointing=_read_checkpointing(recompute, stack),
        micro_batch_size=_whole(row, "microbatch"),
    )


def _read_sharding(text: str) -> tuple[Sharded, int | None]:
    words = text.replace("fsdp", "fsdp ").split()
    group = next((int(word) for word in words[1:] if word.isdigit() and int(word)), None)
    if "SHARD_GRAD_OP" in text or "zero2" in text or text == "2":
        return "gradients", group
    if "fsdp" in text or text == "3":
        return "everything", group
    return ("optimizer" if text.startswith(("1", "zero1")) else "nothing"), group


def _read_checkpointing(text: str, stack: Stack) -> Checkpointing:
    if "selective" in text:
        return "alternate" if stack.alternates else "selective"
    return "full" if text == "full" else "none"


def _read_training(row: Row, stack: Stack) -> Training:
    is_half = row.get("precision") == "fp16"  # a habit of bf16, which has fewer digits to add with
    return Training(
        global_batch_size=_whole(row, "global_batch"),
        sequence_length=_whole(row, "seq"),
        precision=_read_precision(row.get("precision") or ""),
        attention="unfused" if row.get("attn_impl") == "unfused" else "flash",
        gradient_bytes=4 if is_half else stack.gradient_bytes,
        logit_bytes=stack.logit_bytes,
        has_dropout=stack.has_dropout,
    )


def _read_precision(text: str) -> Precision:
    # A scale for each row was as slow as bf16 in torchtitan's own comparison, June 2025.
    if "fp32" in text:
        return "fp32"
    if "fp8" in text and "rowwise" not in text:
        return "fp8"
    return "fp4" if "fp4" in text else "bf16"


def _whole(row: Row, name: str, otherwise: int | None = None) -> int:
    value = read_number(row, name)
    if value is None:
        if otherwise is None:
            raise UserError(f"no {name} in the row")
        return otherwise
    return int(value)

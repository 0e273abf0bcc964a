"""What serving a model takes: room for weights and cache, and how fast prompts and answers go.

Reading a prompt is bound by compute: two FLOPs a weight and token, and the causal square of
attention. Writing an answer is bound by memory: each step reads every weight once for all running
requests, and each request's own keys and values. A group of devices that runs b requests together,
whose prompts take p seconds each and whose answers of A tokens take d seconds a token, writes

    b A / (b p + A d)

tokens a second. Starting kernels is not counted (engines capture graphs), nor are waiting requests.

Source: Pope et al., arXiv 2211.05102, sections 2 and 3; Kwon et al., arXiv 2309.06180, section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lodesmith.core.divisors import list_divisors, next_to
from lodesmith.core.errors import UserError
from lodesmith.plan.config import InferenceConfig
from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.machine import Machine, machine_of
from lodesmith.plan.hardware.stack import Stack
from lodesmith.plan.workload.flops import count_key_value_bytes, count_parameters, count_token_flops
from lodesmith.plan.workload.layout import Precision
from lodesmith.plan.workload.shape import ModelShape

_GIGA = 1e9
_USABLE = 0.9  # of a device's memory, as vLLM's gpu_memory_utilization
_ALL_REDUCE_SECONDS = 1e-5  # least time of one inside a node: an estimate
_ELEMENT_BYTES: dict[Precision, float] = {"fp32": 4, "bf16": 2, "fp8": 1, "fp4": 0.5}


@dataclass(frozen=True, kw_only=True, slots=True)
class InferenceEstimate:
    """What one group of devices that holds the model serves."""

    precision: Precision
    num_devices: int  # of the group
    tensor_parallel_size: int
    pipeline_parallel_size: int  # nodes that the model is spread over
    weight_bytes: float  # of all devices of the group
    cache_bytes_per_token: float
    cache_tokens: float  # that fit beside the weights
    num_running: float  # requests together
    prompt_tokens: float  # of the mean request
    answer_tokens: float
    first_token_seconds: float  # of the mean prompt, on an idle group
    token_seconds: float  # between two tokens of one answer, with all running
    prompt_tokens_per_second: float  # if it read prompts only
    decode_tokens_per_second: float  # if it wrote answers only
    tokens_per_second: float  # written, prompts read meanwhile
    tokens_per_second_per_device: float
    requests_per_second: float
    bound: str  # what limits it


def estimate_inference(
    shape: ModelShape, config: InferenceConfig, *, cluster: Cluster, device: Device
) -> InferenceEstimate | None:
    """Return what serving takes; None where not even the whole cluster holds the model.

    Raises:
        UserError: the given tensor ranks do not divide the heads, or leave the node.

    Args:
        shape: the model.
        config: the requests, and what is fixed in advance.
        cluster: whose nodes may be joined to a group.
        device: what they are made of.
    """
    precision = config.precision or ("bf16" if "bf16" in device.peak_tflops else "fp32")
    width = _ELEMENT_BYTES[precision]
    weights = count_parameters(shape).total * width
    per_token = float(count_key_value_bytes(shape, element_bytes=4 if precision == "fp32" else 2))
    prompt, answer = config.mean_prompt_tokens, config.mean_answer_tokens
    one_request = per_token * (prompt + answer)
    sizes = _tensor_sizes(shape, config, cluster)
    split = _choose_split(sizes, weights + one_request, cluster=cluster, device=device)
    if split is None:
        return None
    tensor, pipeline = split
    room = _room(device) * tensor * pipeline - weights
    running = min(room / one_request, float(config.max_num_seqs))
    machine = machine_of(device, cluster, Stack(name="average"), precision=precision)
    together = max(running / pipeline, 1.0)  # in one stage at a time
    first = _read_seconds(shape, config, machine, tensor, width)
    step, bound = _write_seconds(shape, config, machine, tensor, together, weights, per_token)
    per_round = together * first + answer * step
    rate = pipeline * together * answer / per_round
    reading = together * first / per_round
    return InferenceEstimate(
        precision=precision,
        num_devices=tensor * pipeline,
        tensor_parallel_size=tensor,
        pipeline_parallel_size=pipeline,
        weight_bytes=weights,
        cache_bytes_per_token=per_token,
        cache_tokens=room / per_token,
        num_running=running,
        prompt_tokens=prompt,
        answer_tokens=answer,
        first_token_seconds=first,
        token_seconds=step,
        prompt_tokens_per_second=pipeline * prompt / first,
        decode_tokens_per_second=pipeline * together / step,
        tokens_per_second=rate,
        tokens_per_second_per_device=rate / (tensor * pipeline),
        requests_per_second=rate / answer,
        bound="reading prompts (compute)" if reading > 0.5 else bound,
    )


def _room(device: Device) -> float:
    """Bytes of a device for weights and cache."""
    return max(_USABLE * device.memory_gb - device.reserved_gb, 0.0) * _GIGA


def _tensor_sizes(shape: ModelShape, config: InferenceConfig, cluster: Cluster) -> list[int]:
    heads, most, asked = (
        shape.num_attention_heads, cluster.devices_per_node, config.tensor_parallel_size
    )  # fmt: skip
    sizes = [size for size in list_divisors(heads) if size <= most]
    if asked is None:
        return [size for size in sizes if size & (size - 1) == 0]
    if asked not in sizes:
        raise UserError(
            f"plan.inference.tensor_parallel_size: {asked} must divide {heads} query heads and lie "
            f"within a node of {most} devices; nearest: "
            f"{' or '.join(str(size) for size in next_to(sizes, asked))}"
        )
    return [asked]


def _choose_split(
    sizes: Sequence[int], least_bytes: float, *, cluster: Cluster, device: Device
) -> tuple[int, int] | None:
    """Return the fewest tensor ranks, then nodes, that hold the weights and one request."""
    needed = least_bytes / max(_room(device), 1.0)
    for size in sizes:
        if needed <= size:
            return size, 1
    for nodes in range(2, cluster.num_nodes + 1):
        if needed <= sizes[-1] * nodes:
            return sizes[-1], nodes
    return None


def _read_seconds(
    shape: ModelShape, config: InferenceConfig, machine: Machine, tensor: int, width: float
) -> float:
    """Seconds to read the mean prompt: compute, and two all-reduces a layer."""
    total = 0.0
    for kind, share in config.shares:
        tokens = kind.prompt_tokens
        flops = count_token_flops(shape, sequence_length=tokens)
        # Forward is a third; the head works on the last token alone.
        products = flops.matrices / 3 * tokens + flops.output_head / 3
        slowness = 1 + machine.half_size / tokens
        seconds = products * slowness / machine.matmul_flops_per_second
        seconds += flops.attention / 3 * tokens / machine.attention_flops_per_second
        messages = _reduce_seconds(shape, machine, tensor, tokens * width)
        total += share * (seconds / tensor + messages)
    return total


def _write_seconds(
    shape: ModelShape, config: InferenceConfig, machine: Machine, tensor: int, together: float,
    weights: float, per_token: float,
) -> tuple[float, str]:  # fmt: skip
    """Seconds of one decoding step of so many requests together, and what bounds it."""
    counted = count_parameters(shape)
    flops = 2 * counted.active * together / machine.matmul_flops_per_second
    met = 1.0
    if shape.num_experts:  # of the experts, those that some request meets
        met = min(1.0, together * shape.num_experts_per_tok / shape.num_experts)
    dense = counted.active / counted.total
    read = weights * max(dense, met)
    cache = together * per_token * config.mean_context
    reading = (read + cache) / machine.memory_bytes_per_second
    messages = _reduce_seconds(shape, machine, tensor, together * weights / counted.total)
    bound = "memory: " + ("weights" if read > cache else "keys and values")
    if flops > reading:
        bound = "compute of decoding"
    seconds = max(flops, reading) / tensor
    return seconds + messages, bound if messages < seconds else "messages between devices"


def _reduce_seconds(shape: ModelShape, machine: Machine, tensor: int, row_bytes: float) -> float:
    """Two all-reduces in each layer; `row_bytes` is tokens times bytes of an element."""
    if tensor == 1:
        return 0.0
    moved = 2 * (tensor - 1) / tensor * row_bytes * shape.hidden_size
    each = max(moved / machine.link_bytes_per_second, _ALL_REDUCE_SECONDS)
    return 2 * shape.num_hidden_layers * each

"""What a stack gets out of one device of a cluster: the rates that step times are made of."""

from dataclasses import dataclass

from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.stack import Stack
from lodesmith.plan.workload.layout import Precision

_GIGA, _TERA = 1e9, 1e12
_CAST_BYTES = 4.0  # read in bf16, written as it is and transposed


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """Rates of one device under one stack, efficiencies counted."""

    matmul_flops_per_second: float  # of a large product, in the number format of the matrices
    score_flops_per_second: float  # of a large product in bf16 (or fp32): attention's square
    attention_flops_per_second: float  # of fused attention over long sequences
    attention_half_sequence: float  # tokens at which fused attention reaches half of its rate
    half_size: float  # size at which a product reaches half of its rate
    wave_outputs: float  # outputs by which the last wave of a product's tiles falls short
    memory_bytes_per_second: float
    cast_bytes: float  # moved for each input of a product that is cast to a narrow format
    link_bytes_per_second: float  # inside a node
    network_bytes_per_second: float  # between nodes, for point-to-point and all-to-all
    gradient_bytes_per_second: float  # between nodes, for reductions of gradients
    devices_per_node: int  # that the fast links join, which may be a whole rack
    kernel_seconds: float
    message_seconds: float  # wait at each level of a tree of devices
    stack: Stack


def machine_of(device: Device, cluster: Cluster, stack: Stack, *, precision: Precision) -> Machine:
    """Return the rates of a device of a cluster under a stack."""
    has_bf16 = "bf16" in device.peak_tflops
    wide: Precision = "bf16" if has_bf16 and precision != "fp32" else "fp32"
    peak = device.peak_tflops.get(precision, device.peak_tflops[wide])
    share, casts = device.matmul_efficiency, 0.0
    if precision in ("fp8", "fp4"):
        share *= device.low_precision_efficiency
        casts = _CAST_BYTES
    network = cluster.network_gb_per_second * cluster.network_efficiency * _GIGA
    link = device.link_gb_per_second * device.link_efficiency
    wide_peak = device.peak_tflops[wide] * _TERA
    return Machine(
        matmul_flops_per_second=peak * _TERA * share,
        score_flops_per_second=wide_peak * device.matmul_efficiency,
        attention_flops_per_second=wide_peak * device.attention_efficiency,
        attention_half_sequence=device.attention_half_sequence,
        half_size=device.matmul_half_size,
        wave_outputs=device.matmul_wave_outputs,
        memory_bytes_per_second=device.memory_gb_per_second * device.memory_efficiency * _GIGA,
        cast_bytes=casts,
        link_bytes_per_second=link * stack.link_factor * _GIGA,
        network_bytes_per_second=network,
        gradient_bytes_per_second=network * stack.network_factor,
        devices_per_node=cluster.devices_per_node,
        kernel_seconds=device.kernel_seconds,
        message_seconds=device.message_seconds / stack.link_factor,
        stack=stack,
    )

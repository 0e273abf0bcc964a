"""A device: what one accelerator, or one CPU core, can do. Each constant has its source beside it
in the device's file."""

from pydantic import Field, field_validator

from lodesmith.core.config import Config
from lodesmith.plan.workload.layout import Precision


class Device(Config):
    """One accelerator, or one CPU core."""

    name: str
    """As people call it."""

    peak_tflops: dict[Precision, float]
    """Dense peak of matrix multiplication by number format, TFLOP/s; sparsity not counted."""

    matmul_efficiency: float = Field(gt=0, le=1)
    """Share of the peak that a large matrix multiplication reaches."""

    matmul_half_size: float = Field(default=0, ge=0)
    """Inner or outer size, in elements, at which a matrix multiplication reaches half of that
    share; 0 where size does not matter."""

    matmul_wave_outputs: float = Field(default=0, ge=0)
    """Outputs of a product by which its last wave of tiles falls short on average: half of what the
    device computes at once; 0 where it has no waves."""

    attention_efficiency: float = Field(gt=0, le=1)
    """Share of the peak that fused attention reaches over long sequences."""

    attention_half_sequence: float = Field(default=341, ge=0)
    """Tokens of a sequence at which fused attention reaches half of that share."""

    low_precision_efficiency: float = Field(default=0.85, gt=0, le=1)
    """Of products in fp8 and fp4: share of what products in bf16 reach of their peak. Scaling and
    casting cost the rest."""

    memory_gb: float = Field(gt=0)
    """Memory of the device, 10^9 bytes."""

    reserved_gb: float = Field(ge=0)
    """Memory that the runtime and communication buffers keep, 10^9 bytes."""

    memory_gb_per_second: float = Field(gt=0)
    """Peak memory bandwidth, 10^9 bytes/s."""

    memory_efficiency: float = Field(gt=0, le=1)
    """Share of the memory bandwidth that elementwise kernels reach."""

    link_gb_per_second: float = Field(gt=0)
    """Peak bandwidth to other devices of the same node, one direction, 10^9 bytes/s."""

    link_efficiency: float = Field(default=0.8, gt=0, le=1)
    """Share of that bandwidth that collectives reach."""

    kernel_seconds: float = Field(ge=0)
    """Time that a program takes to start one kernel, s; in Python several times the driver's."""

    message_seconds: float = Field(default=2.0e-5, ge=0)
    """Time that a message between devices of a node waits at each level of a tree of them, s."""

    watts: float = Field(gt=0)
    """Power drawn under full load, W."""

    fault_hours: float = Field(gt=0)
    """Mean time between faults that stop a job, per device, h."""

    @field_validator("peak_tflops")
    @classmethod
    def _are_peaks(cls, peaks: dict[Precision, float]) -> dict[Precision, float]:
        if not {"bf16", "fp32"} & set(peaks):
            raise ValueError(f"needs bf16 or fp32, which attention and gradients are computed in; "
                             f"it has {', '.join(peaks) or 'nothing'}")  # fmt: skip
        for name, peak in peaks.items():
            if peak <= 0:
                raise ValueError(f"{name} must be above 0, not {peak:g}")
        return peaks

"""What a whole training run takes: days, energy, money, checkpoints, faults, storage, and the loss.

Four figures tell how well a run uses its machine, each under its own name. MFU: model FLOPs over
peak FLOPs while a step runs. HFU: the same with what recomputation adds. ETTR: share of wall time
that is work kept for good, saves and faults taken off. Goodput: tokens kept for a second of wall
time.

Source: MFU and HFU: Chowdhery et al., arXiv 2204.02311, section 4.1; Korthikanti et al., arXiv
2205.05198, section 6.3; ETTR: Kokolis et al., arXiv 2410.21680, section 2.
"""

from dataclasses import dataclass
from math import ceil

from lodesmith.core.errors import UserError
from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.whole_run.faults import SavePlan, plan_saves
from lodesmith.plan.whole_run.loss import HOFFMANN, predict_losses
from lodesmith.plan.workload.flops import TokenFlops, count_parameters, count_token_flops
from lodesmith.plan.workload.layout import Checkpointing, Training
from lodesmith.plan.workload.shape import ModelShape

_GIGA, _TERA, _KILO = 1e9, 1e12, 1e3
TOKEN_BYTES = 4  # a token in memory-mapped shards, at most
_QUICK_SAVE_SECONDS = 60.0  # a save that nobody notices in a day


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEstimate:
    """A whole training run."""

    num_steps: int
    tokens: float
    model_flops: float
    days: float  # wall time, faults and saves counted
    device_hours: float
    energy_kwh: float
    cost_dollars: float
    mfu: float  # model FLOPs over peak FLOPs while a step runs, in [0, 1]
    hfu: float  # the same with what is computed again, in [0, 1]
    tokens_per_second: float  # while a step runs
    effective_fraction: float  # of wall time that is work kept for good (ETTR), in (0, 1]
    goodput_tokens_per_second: float  # of wall time
    checkpoint_bytes: float
    checkpoint_seconds: float  # to write one, and about as long to read it
    checkpoint_interval_seconds: float
    expected_faults: float
    loader_bytes_per_second: float  # that the data loaders of all ranks read together
    quick_save_gb_per_second: float  # storage that would write a checkpoint in a minute
    expected_loss: float | None  # nats per token by Hoffmann 2022; None outside the law's range
    losses_by_law: dict[str, float]  # the same by each law; empty outside their range
    tokens_per_parameter: float


def estimate_run(
    shape: ModelShape, training: Training, *, step_seconds: float, tokens: float,
    cluster: Cluster, device: Device, recompute: Checkpointing = "none",
) -> RunEstimate:  # fmt: skip
    """Return what it takes to train on that many tokens.

    Raises:
        UserError: faults come faster than a checkpoint can be written.
    """
    num_steps = ceil(tokens / training.tokens_per_step)
    parameters = count_parameters(shape)
    flops = count_token_flops(shape, sequence_length=training.sequence_length)
    num_bytes = count_checkpoint_bytes(parameters.total, training)
    save_seconds = num_bytes / (cluster.storage_gb_per_second * _GIGA)
    saves = _plan_saves(save_seconds, num_bytes, cluster=cluster, device=device)
    seconds = num_steps * step_seconds / saves.effective_fraction
    hours = seconds / 3600
    watts = (device.watts + cluster.host_watts_per_device) * cluster.power_usage_effectiveness
    peak = device.peak_tflops[training.precision] * _TERA * cluster.num_devices
    mfu = flops.total * training.tokens_per_step / (step_seconds * peak)
    rate = training.tokens_per_step / step_seconds
    losses = predict_losses(parameters.without_embedding, tokens=tokens)
    return RunEstimate(
        num_steps=num_steps,
        tokens=tokens,
        model_flops=flops.total * tokens,
        days=hours / 24,
        device_hours=hours * cluster.num_devices,
        energy_kwh=watts * cluster.num_devices * hours / _KILO,
        cost_dollars=hours * cluster.num_devices * cluster.price_per_device_hour,
        mfu=mfu,
        hfu=mfu * (1 + _again(flops, recompute) / flops.total),
        tokens_per_second=rate,
        effective_fraction=saves.effective_fraction,
        goodput_tokens_per_second=rate * saves.effective_fraction,
        checkpoint_bytes=num_bytes,
        checkpoint_seconds=save_seconds,
        checkpoint_interval_seconds=saves.interval_seconds,
        expected_faults=saves.faults_per_day * hours / 24,
        loader_bytes_per_second=rate * TOKEN_BYTES,
        quick_save_gb_per_second=num_bytes / _QUICK_SAVE_SECONDS / _GIGA,
        expected_loss=losses.get(HOFFMANN.name),
        losses_by_law=losses,
        tokens_per_parameter=tokens / parameters.total,
    )


def count_checkpoint_bytes(num_parameters: float, training: Training) -> float:
    """Return the bytes of a checkpoint: weights, two moments and, in bf16, the master copy.

    >>> half = Training(global_batch_size=1, sequence_length=1, precision="bf16")
    >>> count_checkpoint_bytes(200e9, half) / 1e12
    2.8
    """
    return float(num_parameters) * (12 if training.precision == "fp32" else 14)


def count_seconds_between_faults(cluster: Cluster, device: Device) -> float:
    """Return the mean time between faults that stop a job on the whole cluster, s.

    Causes of a table add up; without a table or a rate per node the device's own rate counts.
    """
    if cluster.fault_hours_per_node is not None:
        return 3600 * cluster.fault_hours_per_node / cluster.num_nodes
    causes = cluster.fault_hours_by_cause or {"device": device.fault_hours}
    per_hour = sum(1 / hours for hours in causes.values()) * cluster.num_devices
    return 3600 / per_hour


def _again(flops: TokenFlops, recompute: Checkpointing) -> float:
    """FLOPs of a token that recomputation adds: a forward pass, a third of all three."""
    attention = flops.attention / 3
    return {
        "none": 0.0,
        "selective": attention,
        "full": flops.matrices / 3 + attention,
        "alternate": flops.matrices / 6,
    }[recompute]


def _plan_saves(
    save_seconds: float, num_bytes: float, *, cluster: Cluster, device: Device
) -> SavePlan:
    between = count_seconds_between_faults(cluster, device)
    try:
        return plan_saves(
            stall_seconds=save_seconds * cluster.save_stall_fraction,
            mean_seconds_between_faults=between,
            restart_seconds=cluster.restart_seconds + save_seconds,  # the last save is read again
        )
    except UserError:
        raise UserError(
            f"{cluster.name}: {cluster.num_devices} devices fault every {between:.0f} s and "
            f"a checkpoint of {num_bytes / _GIGA:.0f} GB takes {save_seconds:.0f} s, so no work "
            "would be kept; use faster storage or fewer devices"
        ) from None

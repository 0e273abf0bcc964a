"""What a whole training run takes: days, energy, money, checkpoints, faults, and the loss.

Saving a checkpoint stalls the run, and a fault throws away what was done since the last one.
Young's interval balances the two; what both cost makes wall time longer than compute time.

Source: J. W. Young, CACM 17(9), 1974, doi:10.1145/361147.361115; Daly, FGCS 22(3), 2006,
doi:10.1016/j.future.2004.11.016.
"""

from dataclasses import dataclass
from math import ceil, sqrt

from lodesmith.core.errors import UserError
from lodesmith.plan.flops import count_parameters, count_token_flops
from lodesmith.plan.hardware import Cluster, Device
from lodesmith.plan.layout import Training
from lodesmith.plan.shape import ModelShape

_GIGA, _TERA, _KILO = 1e9, 1e12, 1e3
_LEAST_PARAMETERS, _LEAST_TOKENS = 70e6, 5e9  # arXiv 2203.15556, abstract
_RESTART_SECONDS = 600.0  # noticing, rescheduling, starting and loading: an estimate


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
    tokens_per_second: float
    checkpoint_bytes: float
    checkpoint_seconds: float
    checkpoint_interval_seconds: float
    expected_faults: float
    lost_fraction: float  # of wall time, to saves, repeated work and restarts
    expected_loss: float | None  # nats per token on web text; None outside the law's range
    tokens_per_parameter: float


def estimate_run(
    shape: ModelShape, training: Training, *, step_seconds: float, tokens: float,
    cluster: Cluster, device: Device,
) -> RunEstimate:  # fmt: skip
    """Return what it takes to train on that many tokens.

    Raises:
        UserError: faults come faster than a checkpoint can be written.
    """
    num_steps = ceil(tokens / training.tokens_per_step)
    parameters = count_parameters(shape)
    flops = count_token_flops(shape, sequence_length=training.sequence_length).total
    saves = _plan_saves(parameters.total, training, cluster=cluster, device=device)
    seconds = num_steps * step_seconds / (1 - saves.lost_fraction)
    hours = seconds / 3600
    watts = (device.watts + cluster.host_watts_per_device) * cluster.power_usage_effectiveness
    peak = device.peak_tflops[training.precision] * _TERA * cluster.num_devices
    return RunEstimate(
        num_steps=num_steps,
        tokens=tokens,
        model_flops=flops * tokens,
        days=hours / 24,
        device_hours=hours * cluster.num_devices,
        energy_kwh=watts * cluster.num_devices * hours / _KILO,
        cost_dollars=hours * cluster.num_devices * cluster.price_per_device_hour,
        mfu=flops * training.tokens_per_step / (step_seconds * peak),
        tokens_per_second=training.tokens_per_step / step_seconds,
        checkpoint_bytes=saves.num_bytes,
        checkpoint_seconds=saves.seconds,
        checkpoint_interval_seconds=saves.interval_seconds,
        expected_faults=hours * cluster.num_devices / device.fault_hours,
        lost_fraction=saves.lost_fraction,
        expected_loss=predict_loss(parameters.without_embedding, tokens=tokens),
        tokens_per_parameter=tokens / parameters.total,
    )


def predict_loss(num_parameters: float, *, tokens: float) -> float | None:
    """Return the loss that a well-tuned model of that size reaches, nats per token.

    It was fitted on MassiveText with a vocabulary of 32,000; other text and other vocabularies
    shift it. It compares sizes; it does not promise a number. Below the smallest models and
    shortest runs that it was fitted on there is no prediction, and None is returned.

    Source: Hoffmann et al., arXiv 2203.15556, section 3.3, equation 10 (parameters without
    embedding).

    >>> round(predict_loss(70e9, tokens=1.4e12), 2)
    1.94
    """
    if num_parameters < _LEAST_PARAMETERS or tokens < _LEAST_TOKENS:
        return None
    size, text = float(num_parameters), float(tokens)
    return float(1.69 + 406.4 * size**-0.34 + 410.7 * text**-0.28)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Saves:
    num_bytes: float
    seconds: float
    interval_seconds: float
    lost_fraction: float


def _plan_saves(
    num_parameters: int, training: Training, *, cluster: Cluster, device: Device
) -> _Saves:
    """Return the save interval that loses the least time, and what is lost."""
    state = 14 if training.precision == "bf16" else 12  # weights, moments, master copy
    num_bytes = state * float(num_parameters)
    seconds = num_bytes / (cluster.storage_gb_per_second * _GIGA)
    between_faults = device.fault_hours * 3600 / cluster.num_devices  # any fault stops the job
    interval = sqrt(2 * seconds * between_faults)
    lost = seconds / interval + interval / (2 * between_faults) + _RESTART_SECONDS / between_faults
    if lost >= 1:
        raise UserError(
            f"{cluster.name}: {cluster.num_devices} devices fault every {between_faults:.0f} s and "
            f"a checkpoint of {num_bytes / _GIGA:.0f} GB takes {seconds:.0f} s, so no work would "
            "be kept; use faster storage or fewer devices"
        )
    return _Saves(
        num_bytes=num_bytes, seconds=seconds, interval_seconds=interval, lost_fraction=lost
    )

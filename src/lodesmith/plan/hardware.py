"""Devices and clusters: what a machine can do, read from one small YAML file each.

A device file holds constants of one accelerator, each with its source beside it. A cluster file
names a device and says how many there are, how they are joined, and what an hour costs.
"""

import difflib
import functools
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, field_validator, model_validator

from lodesmith.core.config import Config, validate
from lodesmith.core.errors import UserError
from lodesmith.core.yaml_text import parse_yaml
from lodesmith.plan.layout import Precision
from lodesmith.plan.stack import Stack

_FOLDER = Path(__file__).parent
_Described = TypeVar("_Described", bound=Config)


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


class PartConfig(Config):
    """More nodes in the same job, of another device."""

    device: str
    """Name of a shipped device, or path of a device file (relative to the cluster's)."""

    num_nodes: int = Field(gt=0)
    """Nodes of this kind."""

    devices_per_node: int = Field(default=8, gt=0)
    """Devices that share a node's fast links."""

    network_gb_per_second: float | None = Field(default=None, gt=0)
    """Bandwidth between nodes per device, one direction, 10^9 bytes/s; the cluster's if left
    out."""


class Sites(Config):
    """Sites like this one, joined by a slow line."""

    num_sites: int = Field(default=2, ge=2)
    """All sites, this one among them, each as large as the cluster."""

    line_gb_per_second: float = Field(gt=0)
    """Bandwidth of a site's line, one direction, 10^9 bytes/s."""

    round_trip_seconds: float = Field(default=0.03, ge=0)
    """Time of a short message there and back, s; 0.03 is about 2,000 km of fibre, an estimate."""

    dataset_gb: float | None = Field(default=None, gt=0)
    """Text that a further site must be sent, 10^9 bytes; 4 bytes for each token if left out."""

    inner_steps: int = Field(default=500, gt=0)
    """Steps that a site makes alone between two exchanges; 500 as in arXiv 2311.08105."""


class Cluster(Config):
    """A number of equal nodes."""

    name: str
    """As people call it."""

    device: str
    """Name of a shipped device, or path of a device file (relative to this file)."""

    devices_per_node: int = Field(gt=0)
    """Devices that share a node's fast links."""

    num_nodes: int = Field(gt=0)
    """Nodes that the job may use."""

    network_gb_per_second: float = Field(gt=0)
    """Bandwidth between nodes per device, one direction, 10^9 bytes/s."""

    network_efficiency: float = Field(default=0.513, gt=0, le=1)
    """Share of the network's bandwidth that collectives reach."""

    storage_gb_per_second: float = Field(gt=0)
    """Rate at which the whole job writes a checkpoint, 10^9 bytes/s."""

    save_stall_fraction: float = Field(default=1.0, ge=0, le=1)
    """Share of a checkpoint's writing that holds up training: 1 where training waits, about 0.01
    where a copy in memory is written in the background."""

    restart_seconds: float = Field(default=600.0, ge=0)
    """From a fault to the first new step, loading the checkpoint aside: noticing, rescheduling,
    starting, s. An estimate; Llama 3's team automated most of it."""

    fault_hours_by_cause: dict[str, float] = Field(default_factory=dict)
    """Mean time between faults that stop a job, per device, by cause, h; an empirical table that
    replaces the device's own rate."""

    fault_hours_per_node: float | None = Field(default=None, gt=0)
    """The same per node, where faults were counted so; replaces the device's own rate."""

    host_watts_per_device: float = Field(ge=0)
    """Power of CPUs, fans and network per device, W."""

    power_usage_effectiveness: float = Field(default=1.2, ge=1)
    """Power of the building over power of the machines."""

    price_per_device_hour: float = Field(ge=0)
    """US dollars per device and hour; 0 for a machine that is there anyway."""

    parts: tuple[PartConfig, ...] = ()
    """More nodes in the same job, of other devices."""

    sites: Sites | None = None
    """Further sites, joined by a slow line."""

    @field_validator("fault_hours_by_cause")
    @classmethod
    def _are_positive(cls, table: dict[str, float]) -> dict[str, float]:
        for cause, hours in table.items():
            if hours <= 0:
                raise ValueError(f"hours between faults by {cause} must be above 0, not {hours:g}")
        return table

    @model_validator(mode="after")
    def _has_one_rate(self) -> "Cluster":
        if self.fault_hours_by_cause and self.fault_hours_per_node is not None:
            raise ValueError("give fault_hours_by_cause or fault_hours_per_node, not both")
        return self

    @property
    def num_devices(self) -> int:
        """All devices."""
        return self.num_nodes * self.devices_per_node


def bare_cluster(device: str, *, num_devices: int, devices_per_node: int,
                 network_gb_per_second: float) -> Cluster:  # fmt: skip
    """Return a cluster for the time of one step, of which nothing else is known."""
    return Cluster(
        name="measured",
        device=device,
        devices_per_node=devices_per_node,
        num_nodes=-(-num_devices // devices_per_node),
        network_gb_per_second=network_gb_per_second,
        storage_gb_per_second=1,
        host_watts_per_device=0,
        price_per_device_hour=0,
    )


def load_device(name: str, *, relative_to: Path | None = None) -> Device:
    """Return a device by shipped name or by path.

    Raises:
        UserError: there is no such device, or its file has faults.
    """
    return _load(Device, name, folder=_FOLDER / "devices", relative_to=relative_to)


def load_cluster(name: str) -> tuple[Cluster, Device]:
    """Return a cluster by shipped name or by path, and the device that it is made of.

    Raises:
        UserError: there is no such cluster or device, or a file has faults.
    """
    cluster = _load(Cluster, name, folder=_FOLDER / "clusters", relative_to=None)
    here = Path(name).parent if _is_path(name) else None
    return cluster, load_device(cluster.device, relative_to=here)


def load_parts(name: str) -> list[tuple[Cluster, Device]]:
    """Return the kinds of devices of a cluster, each as a cluster of its own; the first is its own.

    Raises:
        UserError: there is no such cluster or device, or a file has faults.
    """
    cluster, device = load_cluster(name)
    here = Path(name).parent if _is_path(name) else None
    kinds = [(cluster, device)]
    for part in cluster.parts:
        changes: dict[str, Any] = part.model_dump(exclude_none=True) | {"parts": ()}
        kinds.append(
            (cluster.model_copy(update=changes), load_device(part.device, relative_to=here))
        )
    return kinds


def load_stack(name: str) -> Stack:
    """Return a training program's habits by shipped name or by path.

    Raises:
        UserError: there is no such stack, or its file has faults.
    """
    return _load(Stack, name, folder=_FOLDER / "stacks", relative_to=None)


@functools.cache
def list_stacks() -> tuple[Stack, ...]:
    """Return all shipped stacks."""
    return tuple(load_stack(name) for name in shipped("stacks"))


def shipped(kind: str) -> list[str]:
    """Return the names of the shipped files of a kind: `devices`, `clusters` or `stacks`."""
    return sorted(path.stem for path in (_FOLDER / kind).glob("*.yaml"))


def _is_path(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _load(
    model: type[_Described], name: str, *, folder: Path, relative_to: Path | None
) -> _Described:
    if not _is_path(name):
        known = shipped(folder.name)
        if name in known:
            return _read(model, folder / f"{name}.yaml", f"{folder.name}/{name}")
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"; did you mean {close[0]}?" if close else ";"
        raise UserError(
            f"there is no {folder.name[:-1]} {name}{hint} give a path ending in .yaml, "
            f"or one of: {', '.join(known)}"
        )
    path = (relative_to or Path()) / name
    return _read(model, path, str(path))


def _read(model: type[_Described], path: Path, origin: str) -> _Described:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text; save it as UTF-8") from None
    return validate(model, parse_yaml(text, origin=origin), origin=origin)

"""A cluster: which device, how many, how they are joined, how often they fail, what an hour
costs."""

from pydantic import Field, field_validator, model_validator

from lodesmith.core.config import Config


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

    network_efficiency: float = Field(default=0.503, gt=0, le=1)
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

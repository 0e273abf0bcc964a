"""Measured rows that the planner can compute, as columns of one machine each."""

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lodesmith.plan.hardware.load import load_device
from lodesmith.plan.measured.row import Row, explain_unknown
from lodesmith.plan.measured.table import MeasuredJob, find_stack, read_job
from lodesmith.plan.workload.jobs import Jobs, jobs_of

FAMILIES = {
    "a100": ("a100-80", "a100-40"),
    "h100": ("h100", "h200", "h100-96"),
    "blackwell": ("b200", "b300", "gb200", "gb300"),
    "ascend": ("ascend-910b", "ascend-910b1"),
}
JOB = ("source", "layers", "hidden", "heads", "seq", "device", "devices", "global_batch",
        "precision")  # fmt: skip
LAYOUT = ("tp", "pp", "vpp", "dp", "cp", "ep", "microbatch", "recompute", "zero", "attn_impl")


@dataclass(frozen=True, slots=True)
class Group:
    """Rows of one device, program, node size and number format: one machine."""

    job: MeasuredJob
    family: str
    places: np.ndarray
    jobs: Jobs


class Table:
    """The rows that can be computed and were measured."""

    def __init__(self, path: Path) -> None:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.rows = [row for row in rows if _is_usable(row)]
        jobs = [read_job(row) for row in self.rows]
        self.seconds = np.array([float(row["iteration_seconds"]) for row in self.rows])
        self.stacks = [find_stack(row).name for row in self.rows]
        self.jobs = [tuple(row[name] for name in JOB) for row in self.rows]
        self.groups = [_group(jobs, places) for places in _machines(jobs).values()]


def _is_usable(row: Row) -> bool:
    if "40%" in row["notes"] or not row["iteration_seconds"] or explain_unknown(row):
        return False
    try:
        read_job(row)
    except ValueError:
        return False
    return True


def _machines(jobs: Sequence[MeasuredJob]) -> dict[tuple[object, ...], list[int]]:
    places: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for place, job in enumerate(jobs):
        key = (job.device.name, repr(job.stack), job.cluster.devices_per_node,
               job.cluster.network_gb_per_second, job.training.precision)  # fmt: skip
        places[key].append(place)
    return places


def _group(jobs: Sequence[MeasuredJob], places: Sequence[int]) -> Group:
    first = jobs[places[0]]
    names = {load_device(name).name: family for family, all_ in FAMILIES.items() for name in all_}
    columns = jobs_of([(jobs[at].shape, jobs[at].layout, jobs[at].training) for at in places])
    return Group(first, names[first.device.name], np.array(places), columns)

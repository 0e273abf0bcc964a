"""The plan of a recipe as one tree, and as JSON data."""

from dataclasses import asdict, dataclass, replace
from typing import Any

from lodesmith.plan.step.memory import MemoryUse
from lodesmith.plan.step.step_time import StepTime
from lodesmith.plan.whole_run.inference import InferenceEstimate
from lodesmith.plan.whole_run.mixed import MixedEstimate
from lodesmith.plan.whole_run.run import RunEstimate
from lodesmith.plan.whole_run.sites import SitesEstimate
from lodesmith.plan.workload.flops import (
    ParameterCount,
    TokenFlops,
)
from lodesmith.plan.workload.layout import Layout, Training
from lodesmith.plan.workload.shape import ModelShape


@dataclass(frozen=True, kw_only=True, slots=True)
class Alternative:
    """A layout that also fits."""

    layout: str
    step_seconds: float
    memory_gb: float
    untrainable: str | None  # what the trainer lacks to run it


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A published rate, and the share of peak that it implies."""

    source: str
    implied_mfu: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What a recipe takes on a cluster."""

    recipe: str
    cluster: str
    device: str
    num_devices: int
    device_memory_gb: float
    shape: ModelShape
    parameters: ParameterCount
    token_flops: TokenFlops
    training: Training
    layout: Layout
    layout_is_given: bool
    parallel: dict[str, Any]  # the layout as the trainer's own section
    untrainable: str | None  # what the trainer lacks to run it; None: it can
    best_trainable: Alternative | None  # the fastest that the trainer can run
    memory: MemoryUse
    step: StepTime
    run: RunEstimate
    alternatives: tuple[Alternative, ...]
    cloud: tuple[Alternative, ...]  # the fastest that fit, for the scatter
    claim: Claim | None  # a published rate, judged
    inference: InferenceEstimate | None  # where it is asked for
    unserved: str | None  # why serving, asked for, has no estimate
    mixed: MixedEstimate | None  # where the cluster has parts of other devices
    sites: SitesEstimate | None  # where it has further sites
    num_layouts_tried: int
    layouts_dropped: dict[str, int]
    advice: tuple[str, ...]  # what dominates, and what to change first


def plan_data(plan: Plan) -> dict[str, Any]:
    """Return a plan as JSON data: the dataclasses as they are, with the totals beside them."""
    data = asdict(replace(plan, cloud=()))
    del data["cloud"]
    data["parameters"]["total"] = plan.parameters.total
    data["parameters"]["without_embedding"] = plan.parameters.without_embedding
    data["token_flops"]["total"] = plan.token_flops.total
    data["memory"]["total"] = plan.memory.total
    data["step"]["total"] = plan.step.total
    return data

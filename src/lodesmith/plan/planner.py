"""Makes the plan of a recipe: shape, best layout, memory, step time and the whole run."""

import math
from dataclasses import dataclass, replace

from lodesmith.core.divisors import near_multiples
from lodesmith.core.errors import UserError
from lodesmith.core.units import format_counted
from lodesmith.plan.config import ClaimConfig, GivenLayout, PlanConfig
from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.load import load_cluster, load_device, load_parts, load_stack
from lodesmith.plan.hardware.stack import Stack
from lodesmith.plan.report.advice import advise
from lodesmith.plan.report.result import Alternative, Claim, Plan
from lodesmith.plan.search.rules import explain_invalid, explain_ranks
from lodesmith.plan.search.search import Candidate, Ranking, search_layouts
from lodesmith.plan.search.trainer import explain_untrainable, parallel_section
from lodesmith.plan.step.memory import estimate_memory
from lodesmith.plan.step.step_time import estimate_step_time
from lodesmith.plan.whole_run.inference import InferenceEstimate, estimate_inference
from lodesmith.plan.whole_run.mixed import MixedEstimate, estimate_mixed
from lodesmith.plan.whole_run.run import TOKEN_BYTES, RunEstimate, estimate_run
from lodesmith.plan.whole_run.sites import SitesEstimate, estimate_sites
from lodesmith.plan.workload.flops import (
    count_parameters,
    count_token_flops,
    find_implied_mfu,
)
from lodesmith.plan.workload.layout import Layout, Optimizer, Precision, Training
from lodesmith.plan.workload.shape import ModelShape

_GIGA = 1e9
_NUM_ALTERNATIVES = 5
_NUM_SHOWN = 400  # dots in a scatter


@dataclass(frozen=True, kw_only=True, slots=True)
class _Asked:
    """What is to be planned, and where."""

    shape: ModelShape
    config: PlanConfig
    training: Training
    cluster: Cluster
    device: Device


def make_plan(
    name: str, *, shape: ModelShape, config: PlanConfig, global_batch_size: int,
    sequence_length: int, tokens: float, optimizer: Optimizer = "adamw",
) -> Plan:  # fmt: skip
    """Return the plan of a model on the cluster that the settings name.

    Args:
        name: the recipe's name.
        shape: the model.
        config: cluster, and what is fixed in advance.
        global_batch_size: sequences per step, where the settings name none.
        sequence_length: tokens per sequence, where the settings name none.
        tokens: tokens to train on, where the settings name none.
        optimizer: what updates the matrices of the layers.

    Raises:
        UserError: the cluster is unknown, no layout fits, or the given one does not.
    """
    _check_positions(shape, config.sequence_length or sequence_length)
    cluster, device = _load_place(config)
    training = Training(
        global_batch_size=config.global_batch_size or global_batch_size,
        sequence_length=config.sequence_length or sequence_length,
        precision=_choose_precision(config.precision, device),
        attention=config.attention,
        optimizer=optimizer,
    )
    asked = _Asked(shape=shape, config=config, training=training, cluster=cluster, device=device)
    ranking = _rank(asked)
    best = ranking.candidates[0]
    run = estimate_run(
        shape, training, step_seconds=best.step.total, tokens=config.tokens or tokens,
        cluster=cluster, device=device, recompute=best.layout.activation_checkpointing,
    )  # fmt: skip
    return _plan_of(name, asked, ranking, run)


def _load_place(config: PlanConfig) -> tuple[Cluster, Device]:
    """Return the cluster that the settings name, in the size that they ask for, and its device."""
    cluster, device = load_cluster(config.cluster)
    if config.device is not None:
        device = load_device(config.device)
    if config.num_nodes not in (None, cluster.num_nodes):
        called = f"{format_counted(config.num_nodes, 'node')}, each as in {cluster.name}"
        resized = {"num_nodes": config.num_nodes, "name": called}
        cluster = cluster.model_copy(update=resized)
    return cluster, device


def _plan_of(name: str, asked: _Asked, ranking: Ranking, run: RunEstimate) -> Plan:
    shape, config, training = asked.shape, asked.config, asked.training
    cluster, best = asked.cluster, ranking.candidates[0]
    cloud = _alternatives(ranking, shape, training)
    served = _estimate_inference(asked)
    too_few = f"the {cluster.num_devices:,} devices together do not hold the model and one request"
    return Plan(
        recipe=name,
        cluster=cluster.name,
        device=asked.device.name,
        num_devices=cluster.num_devices,
        device_memory_gb=asked.device.memory_gb,
        shape=shape,
        parameters=count_parameters(shape),
        token_flops=count_token_flops(shape, sequence_length=training.sequence_length),
        training=training,
        layout=best.layout,
        layout_is_given=config.parallel is not None,
        parallel=parallel_section(best.layout),
        untrainable=explain_untrainable(shape, best.layout, training),
        best_trainable=next((each for each in cloud if each.untrainable is None), None),
        memory=best.memory,
        step=best.step,
        run=run,
        alternatives=cloud[1 : 1 + _NUM_ALTERNATIVES],
        cloud=cloud[:_NUM_SHOWN],
        claim=_judge_claim(config.claim),
        inference=served,
        unserved=None if served or not config.inference else too_few,
        mixed=_estimate_mixed(asked),
        sites=_estimate_sites(cluster, best.step.total, run.tokens, shape),
        num_layouts_tried=ranking.num_tried,
        layouts_dropped=ranking.dropped,
        advice=advise(ranking, run, asked.device),
    )


def _check_positions(shape: ModelShape, sequence_length: int) -> None:
    if shape.kind == "gpt" and sequence_length > shape.max_position_embeddings:
        raise UserError(
            f"sequence_length ({sequence_length}) is more than max_position_embeddings "
            f"({shape.max_position_embeddings}), and a model of kind gpt learns its positions; use "
            f"at most {shape.max_position_embeddings}, or raise the latter"
        )


def _choose_precision(asked: Precision | None, device: Device) -> Precision:
    if asked is None and "bf16" in device.peak_tflops:
        return "bf16"
    if asked is None:
        return max(device.peak_tflops, key=lambda name: device.peak_tflops[name])
    if asked not in device.peak_tflops:
        known = ", ".join(device.peak_tflops)
        raise UserError(f"plan.precision: {device.name} has no {asked}; it has {known}")
    return asked


def _rank(asked: _Asked) -> Ranking:
    config, training, cluster, device = asked.config, asked.training, asked.cluster, asked.device
    stack = None if config.stack is None else load_stack(config.stack)
    ranking = search_layouts(asked.shape, training, cluster=cluster, device=device, stack=stack)
    if config.parallel is not None:
        given = _estimate_given(asked, config.parallel, stack)
        return replace(ranking, candidates=(given, *ranking.candidates))
    if ranking.candidates:
        return ranking
    reasons = "; ".join(f"{count} layouts: {why}" for why, count in ranking.dropped.items())
    least = ranking.least_memory_bytes / _GIGA
    need = f" (the smallest needs {least:,.0f} GB)" if least < float("inf") else ""
    raise UserError(
        f"no layout of {cluster.num_devices} x {device.name} can run this model{need}: {reasons}. "
        "Use another plan.num_nodes, another global_batch_size "
        f"({near_multiples(training.global_batch_size, cluster.num_devices)} suit the devices), "
        "or a smaller model"
    )


def _estimate_given(asked: _Asked, given: GivenLayout, stack: Stack | None) -> Candidate:
    """Return the one layout that the recipe fixes; it need not fit, but must be possible."""
    shape, training = asked.shape, asked.training
    cluster, device = asked.cluster, asked.device
    sizes = {
        "tensor_parallel_size": given.tensor_parallel_size,
        "pipeline_parallel_size": given.pipeline_parallel_size,
        "context_parallel_size": given.context_parallel_size,
    }
    if reason := explain_ranks(shape, sizes, cluster):
        raise UserError(f"plan.parallel: {reason}")
    ranks = math.prod(sizes.values())
    layout = Layout(data_parallel_size=cluster.num_devices // ranks, **given.model_dump())
    reason = explain_invalid(shape, layout, training, cluster=cluster)
    if reason:
        raise UserError(f"plan.parallel: {layout}: {reason}")
    memory = estimate_memory(shape, layout, training, reserved_bytes=device.reserved_gb * _GIGA)
    step = estimate_step_time(shape, layout, training, cluster=cluster, device=device, stack=stack)
    return Candidate(layout=layout, memory=memory, step=step)


def _judge_claim(claim: ClaimConfig | None) -> Claim | None:
    if claim is None:
        return None
    implied = find_implied_mfu(
        claim.num_parameters,
        tokens_per_day=claim.tokens_per_day,
        num_devices=claim.num_devices,
        device_tflops=claim.device_tflops,
    )
    return Claim(source=claim.source, implied_mfu=implied)


def _estimate_inference(asked: _Asked) -> InferenceEstimate | None:
    wanted = asked.config.inference
    if wanted is None:
        return None
    return estimate_inference(asked.shape, wanted, cluster=asked.cluster, device=asked.device)


def _estimate_mixed(asked: _Asked) -> MixedEstimate | None:
    config, cluster = asked.config, asked.cluster
    if not cluster.parts:
        return None
    kinds = [(cluster, asked.device), *load_parts(config.cluster)[1:]]
    stack = None if config.stack is None else load_stack(config.stack)
    return estimate_mixed(asked.shape, asked.training, kinds, stack=stack)


def _estimate_sites(
    cluster: Cluster, step_seconds: float, tokens: float, shape: ModelShape
) -> SitesEstimate | None:
    if cluster.sites is None:
        return None
    gigabytes = cluster.sites.dataset_gb
    return estimate_sites(
        cluster.sites,
        step_seconds=step_seconds,
        num_parameters=count_parameters(shape).total,
        dataset_bytes=tokens * TOKEN_BYTES if gigabytes is None else gigabytes * _GIGA,
    )


def _alternatives(
    ranking: Ranking, shape: ModelShape, training: Training
) -> tuple[Alternative, ...]:
    return tuple(
        Alternative(
            layout=str(other.layout),
            step_seconds=other.step.total,
            memory_gb=other.memory.total / _GIGA,
            untrainable=explain_untrainable(shape, other.layout, training),
        )
        for other in ranking.candidates
    )

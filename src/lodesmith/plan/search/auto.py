"""`parallel: auto`: the layout that the planner would take for a training run of ours.

Unlike the search of `lodesmith plan`, which ranks what could be built, this one asks only what
our trainer can run: the axes of `parallel/config.py`, by its own rules, on the ranks that are
there. The recipe's batch stays as it is, since a layout must change no number but rounding.
"""

import os
from collections.abc import Iterator
from itertools import product

import numpy as np

from lodesmith.core.errors import UserError
from lodesmith.core.units import format_counted
from lodesmith.model.config import DecoderConfig
from lodesmith.parallel.config import ParallelConfig, check_layout
from lodesmith.plan.hardware.cluster import Cluster, bare_cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.load import load_device
from lodesmith.plan.hardware.machine import machine_of
from lodesmith.plan.hardware.stack import Stack
from lodesmith.plan.step.memory import estimate_memories
from lodesmith.plan.step.step_time import estimate_steps, total_seconds
from lodesmith.plan.workload.jobs import jobs_of
from lodesmith.plan.workload.layout import Layout, Precision, Sharded, Training
from lodesmith.plan.workload.shape import shape_of

_GIGA = 1e9
_WORTH_IT = 1.03  # below this a gain is less than the planner errs, and the plainer layout wins


def choose_for_cores(
    model: DecoderConfig, *, num_cores: int, sequence_length: int, global_batch_size: int,
    micro_batch_size: int, precision: Precision = "fp32",
) -> ParallelConfig:  # fmt: skip
    """Return the quickest layout on this machine's cores, on as many as the batch and model allow.

    Raises:
        UserError: not even one rank suits the batch, or nothing fits into memory.
    """
    for ranks in range(num_cores, 0, -1):
        cluster, device = _find_cores(ranks)
        try:
            return choose_parallel(
                model,
                cluster=cluster,
                device=device,
                sequence_length=sequence_length,
                global_batch_size=global_batch_size,
                micro_batch_size=micro_batch_size,
                precision=precision,
            )
        except UserError:
            if ranks == 1:
                raise
    raise UserError(f"parallel: auto needs a core at least, not {num_cores}")


def _find_cores(num_ranks: int) -> tuple[Cluster, Device]:
    """Return so many cores of this machine, and one of them with its share of the memory."""
    device = load_device("cpu")
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / _GIGA / num_ranks
    cluster = bare_cluster(
        device.name,
        num_devices=num_ranks,
        devices_per_node=num_ranks,
        network_gb_per_second=device.link_gb_per_second,
    )
    return cluster, device.model_copy(update={"memory_gb": memory_gb})


def choose_parallel(
    model: DecoderConfig,
    *,
    cluster: Cluster,
    device: Device,
    sequence_length: int,
    global_batch_size: int,
    micro_batch_size: int,
    precision: Precision = "fp32",
) -> ParallelConfig:
    """Return the quickest layout of a model that our trainer can run on all ranks of a cluster.

    Args:
        model: the decoder.
        cluster: how many ranks there are, and how they are joined.
        device: what each of them computes on.
        sequence_length: tokens.
        global_batch_size: sequences of one optimizer step.
        micro_batch_size: sequences of one forward pass of one data-parallel rank.
        precision: of matrix products; fp32 is taken where the device has no such format.

    Raises:
        UserError: no layout suits the model, the batch and the ranks, or none fits into memory.
    """
    training = Training(
        global_batch_size=global_batch_size,
        sequence_length=sequence_length,
        precision=precision if precision in device.peak_tflops else "fp32",
    )
    choices = [
        parallel
        for parallel in _enumerate(cluster, model.num_hidden_layers)
        if _suits(parallel, model, training, micro_batch_size)
    ]
    if not choices:
        raise UserError(
            "parallel: no layout of this model suits "
            f"{format_counted(cluster.num_devices, 'rank')} at global_batch_size "
            f"{global_batch_size} and micro_batch_size {micro_batch_size}; use fewer ranks, or a "
            f"batch that is a multiple of {cluster.num_devices * micro_batch_size}"
        )
    shape = shape_of(model, vocab_size=model.vocab_size)
    jobs = jobs_of(
        [(shape, layout_of(parallel, micro_batch_size), training) for parallel in choices]
    )
    memories = estimate_memories(jobs, reserved_bytes=device.reserved_gb * _GIGA)
    needed = np.asarray(total_seconds(memories))
    if needed.min() > device.memory_gb * _GIGA:
        raise UserError(
            f"parallel: this model needs at least {needed.min() / _GIGA:,.1f} GB on each of "
            f"{format_counted(cluster.num_devices, 'device')} of "
            f"{device.memory_gb:g} GB; use more ranks, a smaller micro_batch_size "
            "or a smaller model"
        )
    machine = machine_of(device, cluster, Stack(name="average"), precision=training.precision)
    seconds = np.asarray(total_seconds(estimate_steps(jobs, machine)))
    fitting = np.where(needed <= device.memory_gb * _GIGA, seconds, np.inf)
    return choices[int(np.argmax(fitting <= fitting.min() * _WORTH_IT))]


def _enumerate(cluster: Cluster, num_layers: int) -> Iterator[ParallelConfig]:
    """Yield layouts that fill the ranks, the plainest first."""
    ranks = cluster.num_devices
    sizes = [size for size in range(1, ranks + 1) if ranks % size == 0]
    for tensor, pipeline, context, shard in product(sizes, repeat=4):
        used = tensor * pipeline * context * shard
        if ranks % used or tensor > cluster.devices_per_node or pipeline > num_layers:
            continue
        most = num_layers // pipeline if pipeline > 1 else 1
        for virtual in (1, *(2**power for power in range(1, most.bit_length()))):
            if virtual > most:
                continue
            for expert in sizes:
                if shard * context * tensor % expert == 0:
                    yield ParallelConfig(
                        tensor_parallel_size=tensor,
                        pipeline_parallel_size=pipeline,
                        virtual_pipeline_size=virtual,
                        context_parallel_size=context,
                        expert_parallel_size=expert,
                        data_parallel_replicate_size=ranks // used,
                        data_parallel_shard_size=shard,
                        pipeline_schedule="1f1b" if virtual == 1 else "interleaved_1f1b",
                    )


def _suits(
    parallel: ParallelConfig, model: DecoderConfig, training: Training, micro_batch_size: int
) -> bool:
    try:
        check_layout(
            parallel,
            model,
            num_ranks=parallel.num_ranks,
            sequence_length=training.sequence_length,
            global_batch_size=training.global_batch_size,
            micro_batch_size=micro_batch_size,
        )
    except UserError:
        return False
    return True


def layout_of(parallel: ParallelConfig, micro_batch_size: int) -> Layout:
    """Return the layout that a trainer's section stands for."""
    shard, pipeline = parallel.data_parallel_shard_size, parallel.pipeline_parallel_size
    # A pipeline gathers its weights once a step, as if only the optimizer's state were split.
    state: Sharded = "everything" if pipeline == 1 else "optimizer"
    return Layout(
        tensor_parallel_size=parallel.tensor_parallel_size,
        pipeline_parallel_size=pipeline,
        virtual_pipeline_size=parallel.virtual_pipeline_size,
        context_parallel_size=parallel.context_parallel_size,
        expert_parallel_size=parallel.expert_parallel_size,
        data_parallel_size=parallel.data_parallel_size,
        sharded=state if shard > 1 else "nothing",
        data_parallel_shard_size=shard * parallel.context_parallel_size if shard > 1 else None,
        sequence_parallel=parallel.tensor_parallel_size > 1,
        micro_batch_size=micro_batch_size,
    )

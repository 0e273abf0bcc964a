"""What can be known to fail before any rank is started: layouts, objectives, GPUs, memory.

Nothing here needs torch.
"""

import importlib.util
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.core.gpus import find_gpus
from lodesmith.core.storage import read_json
from lodesmith.core.units import format_counted
from lodesmith.model.config import DecoderConfig
from lodesmith.model.hugging_face import from_hugging_face
from lodesmith.parallel.config import ParallelConfig, check_layout
from lodesmith.train.ahead.memory import Beside
from lodesmith.train.ahead.memory_check import check_memory
from lodesmith.train.config import TrainingConfig
from lodesmith.train.job import TrainingJob

_FLOAT8_CAPABILITY = (8, 9)  # Ada and Hopper were the first with matrix products of float8


def as_layout(choice: ParallelConfig | str) -> ParallelConfig:
    """Return a layout that is settled.

    Raises:
        UserError: it is still `auto`, which only the commands that read recipes can settle.
    """
    if isinstance(choice, str):
        raise UserError("parallel is still auto; call `train.config.settle_layout`, or give sizes")
    return choice


def shape_of_job(job: TrainingJob) -> DecoderConfig:
    """Return the shape of the model that a job trains."""
    if isinstance(job.start, Path):
        return from_hugging_face(read_json(job.start / "config.json"))
    return job.start


def check_job(job: TrainingJob, *, num_ranks: int) -> None:
    """Refuse a job that cannot succeed on this machine.

    Raises:
        UserError: the layout does not fit, GPUs that are asked for are missing or too old, or there
            is not enough memory.
    """
    shape, config = shape_of_job(job), job.config
    _check_adapter(job)
    _check_layout(job, shape, num_ranks=num_ranks)
    num_nodes = 1 if config.nodes is None else config.nodes.num_nodes
    ranks_here = -(-num_ranks // num_nodes)
    check_gpus(job.title, config, num_ranks=ranks_here)
    beside = None
    if job.adapter is not None:
        beside = Beside(adapter=job.adapter, quantize_base=job.quantize_base)
    check_memory(job.title, shape, config, ranks_here, beside=beside)


def _check_adapter(job: TrainingJob) -> None:
    if job.adapter is not None and job.config.parallel is not None:
        raise UserError(
            f"{job.title}: an adapter is trained beside a model that each rank holds whole; leave "
            "out parallel, or leave out adapter to train all weights over any layout"
        )
    if job.adapter is not None and job.config.matmul_dtype is not None:
        raise UserError(
            f"{job.title}: matmul_dtype {job.config.matmul_dtype} is for training all weights; "
            "leave it out beside an adapter"
        )
    if job.quantize_base is not None and importlib.util.find_spec("bitsandbytes") is None:
        raise UserError(
            f"{job.title}: adapter.quantize_base wants bitsandbytes: pip install 'lodesmith[qlora]'"
        )


def _check_layout(job: TrainingJob, shape: DecoderConfig, *, num_ranks: int) -> None:
    config = job.config
    if config.parallel is None:
        return
    layout = as_layout(config.parallel)
    check_layout(
        layout,
        shape,
        num_ranks=num_ranks,
        sequence_length=config.sequence_length,
        global_batch_size=config.global_batch_size,
        micro_batch_size=config.micro_batch_size,
    )
    if job.objective != "next-token" and (
        layout.pipeline_parallel_size > 1 or layout.context_parallel_size > 1
    ):
        raise UserError(
            f"{job.title}: the objective {job.objective} compares whole sequences; set "
            "pipeline_parallel_size and context_parallel_size to 1"
        )


def check_gpus(title: str, config: TrainingConfig, *, num_ranks: int) -> None:
    """Refuse what the GPUs of this machine cannot compute.

    Args:
        title: of the run.
        config: of the run.
        num_ranks: on this machine.

    Raises:
        UserError: there are too few GPUs, none for float8, or torchao is missing.
    """
    gpus = find_gpus() or [] if config.device == "cuda" else []
    if config.device == "cuda" and len(gpus) < num_ranks:
        names = "; ".join(gpu.name for gpu in gpus) or "nvidia-smi finds none"
        raise UserError(
            f"{title}: device cuda gives a GPU of its own to {format_counted(num_ranks, 'rank')} "
            f"here, but there are {len(gpus)} ({names}); use fewer ranks, or device: cpu"
        )
    if config.matmul_dtype is None:
        return
    least = ".".join(map(str, _FLOAT8_CAPABILITY))
    if config.device == "cpu":
        raise UserError(
            f"{title}: matmul_dtype float8 wants device: cuda and a GPU of compute capability "
            f"{least} or more, but device is cpu; leave matmul_dtype out"
        )
    old = [gpu for gpu in gpus[:num_ranks] if gpu.compute_capability < _FLOAT8_CAPABILITY]
    if old:
        has = ".".join(map(str, old[0].compute_capability))
        raise UserError(
            f"{title}: matmul_dtype float8 wants GPUs of compute capability {least} or more, but "
            f"{old[0].name} has {has}; leave matmul_dtype out"
        )
    if importlib.util.find_spec("torchao") is None:
        raise UserError(
            f"{title}: matmul_dtype float8 wants torchao: pip install 'lodesmith[float8]'"
        )

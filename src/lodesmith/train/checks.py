"""What can be known to fail before any rank is started: layouts, objectives, memory.

Nothing here needs torch.
"""

from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json
from lodesmith.model.config import DecoderConfig
from lodesmith.parallel.config import ParallelConfig, check_layout
from lodesmith.train.job import TrainingJob
from lodesmith.train.memory import check_memory


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
        return DecoderConfig.from_hugging_face(read_json(job.start / "config.json"))
    return job.start


def check_job(job: TrainingJob, *, num_ranks: int) -> None:
    """Refuse a job that cannot succeed on this machine.

    Raises:
        UserError: the layout does not fit, or there is not enough memory.
    """
    shape, config = shape_of_job(job), job.config
    if job.adapter is not None and config.parallel is not None:
        raise UserError(
            f"{job.title}: an adapter is trained beside a model that each rank holds whole; leave "
            "out parallel, or leave out adapter to train all weights over any layout"
        )
    if config.parallel is not None:
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
    check_memory(job.title, shape, config, num_ranks)

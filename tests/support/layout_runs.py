"""Training jobs whose model can be laid over ranks, and what tests compare of them."""

import os
import warnings
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from tiny_training import SHAPE, make_job

from lodesmith.core.errors import UserError
from lodesmith.model.checkpoint import load_decoder
from lodesmith.parallel.ranks import Ranks
from lodesmith.train import loop
from lodesmith.train.job import RankTask, TrainingJob
from lodesmith.train.pulse import Pulse, PulseBoard

LAYERED = SHAPE.model_copy(update={"num_hidden_layers": 4, "tie_word_embeddings": False})


def laid_out_job(folder: Path, **settings) -> TrainingJob:
    """Return a job of a model that a pipeline can cut."""
    if "parallel" in settings:
        settings["num_ranks"] = "auto"
    return replace(make_job(folder, **settings), start=LAYERED)


def relative_distance(first: Path, second: Path) -> float:
    """Return by how much the weights of two model folders differ, the worst weight's."""
    theirs = dict(load_decoder(second).named_parameters())
    return max(
        float((weight - theirs[name]).detach().norm() / weight.detach().norm())
        for name, weight in load_decoder(first).named_parameters()
    )


def disagree(about: str) -> str:
    """Return what a rank is told if rank 1 differs from rank 0 in something."""
    ranks = Ranks(rank=dist.get_rank(), num_ranks=dist.get_world_size())
    facts = {"settings": "s", "code version": "v"}
    if about in facts and ranks.rank == 1:
        facts[about] = "another"
    try:
        ranks.check_agreement(facts)
    except UserError as error:
        return str(error)
    return ""


def train_until(job: TrainingJob, step: int | None) -> int:
    """Train as one rank of the default group, interrupted before a step; return where it began."""
    warnings.simplefilter("ignore")
    torch.set_deterministic_debug_mode("error")
    job.scratch.mkdir(parents=True, exist_ok=True)
    rank, num_ranks = dist.get_rank(), dist.get_world_size()
    if rank == 0:
        PulseBoard(job.scratch / "node-0.pulse", num_ranks=num_ranks)
    dist.barrier()
    began = []
    real = loop.Training.step

    def interrupted(training, batch):
        began.append(training.progress.step)
        if training.progress.step == step:
            raise KeyboardInterrupt
        return real(training, batch)

    loop.Training.step = interrupted
    task = RankTask(
        job=job, rank=rank, num_ranks=num_ranks, num_threads=1, attempt=job.scratch,
        parent_pid=os.getppid(),
    )  # fmt: skip
    try:
        with Pulse(task.pulse_file, slot=rank) as pulse:
            loop.train(task, ranks=Ranks(rank=rank, num_ranks=num_ranks), pulse=pulse)
    except KeyboardInterrupt:
        pass
    finally:
        loop.Training.step = real
    return began[0]

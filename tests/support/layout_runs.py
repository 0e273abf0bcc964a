"""Training jobs whose model can be laid over ranks, and what tests compare of them."""

import os
import warnings
from pathlib import Path

import torch
import torch.distributed as dist

from lodesmith.core.errors import UserError
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.config import ExpertsConfig
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.job import RankTask, TrainingJob
from lodesmith.train.loop import loop
from lodesmith.train.loop.pulse import Pulse, PulseBoard
from lodesmith.train.loop.training import Training
from lodesmith.train.samples.loader import Loader, open_source, order_of

EXPERTS = ExpertsConfig(
    num_experts=4,
    num_experts_per_tok=2,
    moe_intermediate_size=16,
    shared_expert_intermediate_size=16,
    router_bias_rate=0.01,
    router_z_loss=0.01,
)


def relative_distance(first: Path, second: Path) -> float:
    """Return by how much the weights of two model folders differ, the worst weight's."""
    theirs = dict(load_decoder(second).named_parameters())
    return max(
        float((weight - theirs[name]).detach().norm() / weight.detach().norm())
        for name, weight in load_decoder(first).named_parameters()
    )


def losses_of(job: TrainingJob, ranks: Ranks) -> tuple[list[float], list[float]]:
    """Return losses and gradient norms of a job's steps, taken as one rank and without files."""
    torch.set_num_threads(1)
    training, config = Training(job, ranks=ranks), job.config
    source = open_source(job.data, sequence_length=config.sequence_length)
    loader = Loader(
        source,
        global_batch_size=config.global_batch_size,
        order=order_of(job, source),
        first_step=0,
        steps=config.max_steps,
        rows=training.learner.rows,
    )
    records = [training.step(batch) for batch in loader]
    return [record["loss"] for record in records], [record["grad_norm"] for record in records]


def losses_of_ranks(jobs: list[TrainingJob]) -> list[tuple[list[float], list[float]]]:
    """Return `losses_of` of several jobs, one after the other, in the default group."""
    warnings.simplefilter("ignore")
    ranks = Ranks(rank=dist.get_rank(), num_ranks=dist.get_world_size())
    answers = []
    for job in jobs:
        torch._dynamo.reset()
        answers.append(losses_of(job, ranks))
    return answers


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
    real = Training.step

    def interrupted(training, batch):
        began.append(training.progress.step)
        if training.progress.step == step:
            raise KeyboardInterrupt
        return real(training, batch)

    Training.step = interrupted
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
        Training.step = real
    return began[0]

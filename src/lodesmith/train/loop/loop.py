"""The one training loop, as one rank runs it: start or resume, take steps, go back after a spike.

The loop is the same however the model is laid over ranks. Rank 0 alone writes metrics and the
model; each rank writes its part of a checkpoint.
"""

import math

from lodesmith.core.process import give_back_memory
from lodesmith.core.storage import JSON
from lodesmith.model.checkpoint import save_decoder
from lodesmith.model.lora import save_adapter, take_adapter
from lodesmith.parallel.checkpoint import Checkpoints, Retention
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.job import RankTask
from lodesmith.train.learners.learner import collect_decoder
from lodesmith.train.loop.pulse import Phase, Pulse
from lodesmith.train.loop.rollback import Rollbacks, SpikeError, read_rollbacks, roll_back
from lodesmith.train.loop.steps import Steps
from lodesmith.train.loop.training import Training
from lodesmith.train.samples.loader import open_source


def train(task: RankTask, *, ranks: Ranks, pulse: Pulse) -> JSON | None:
    """Run a job to its end; rank 0 writes all files and returns the run's facts.

    None is returned by the other ranks, and by all if the run was asked to stop.
    """
    job = task.job
    messages: list[str] = []
    while True:
        pulse.enter(Phase.LOADING)
        rollbacks = read_rollbacks(job.scratch)
        source = open_source(job.data, sequence_length=job.config.sequence_length)
        training = Training(job, ranks=ranks, beat=pulse.beat)
        try:
            keep = Retention(every_steps=job.config.keep_checkpoints_every_steps)
            place = job.checkpoint_place
            with Checkpoints(place, memory=task.memory, keep=keep) as checkpoints:
                messages = [*messages, *training.resume(checkpoints)]
                steps = Steps(task, training, source, rollbacks.skips, pulse, checkpoints)
                finished = steps.run(messages)
                pulse.enter(Phase.SAVING)  # the last checkpoint is waited for
        except SpikeError as spike:
            messages = [roll_back(job, spike, rollbacks, ranks=ranks, checkpoints=checkpoints)]
            del training  # its memory is wanted for the next
            continue
        if not finished:
            return None
        del steps, checkpoints
        give_back_memory()  # to have room for the whole model
        with pulse.during(Phase.SAVING):
            decoder = collect_decoder(training.learner, job)
            if ranks.rank != 0:
                return None
            if job.adapter is not None and job.adapter_folder is not None:
                save_adapter(job.adapter_folder, take_adapter(decoder, job.adapter))
            save_decoder(job.model_folder, decoder, eos_ids=job.eos_ids, vocabulary=job.vocabulary)
        return describe(training, rollbacks)


def describe(training: Training, rollbacks: Rollbacks) -> JSON:
    """Return what is worth knowing of a finished run; the same whenever it is repeated."""
    config, progress = training.config, training.progress
    decoder = training.learner.shape
    return {
        "num_parameters": decoder.num_parameters,
        "num_non_embedding_parameters": decoder.num_non_embedding_parameters,
        "num_steps": progress.step,
        "tokens_seen": progress.tokens_seen,
        "learnt_tokens": progress.learnt_tokens,
        "samples_consumed": progress.step * config.global_batch_size,
        "samples_skipped": rollbacks.skips.to_json(),  # ranges of numbers, ends excluded
        "first_loss": progress.first_loss,
        "final_loss": math.fsum(progress.last_losses) / len(progress.last_losses),
        "seed": config.seed,
        "sequence_length": config.sequence_length,
        "global_batch_size": config.global_batch_size,
        "optimizer": config.optimizer,
        "learning_rate": config.learning_rate,
    }

"""After a spike: back to the last good state, and past the samples around it.

A spike seen at step s is of the batch of step s, or of the weights, which the batch of step s - 1
made. So both batches are passed over, and training goes back to a checkpoint from before either
was learnt. What was decided stands in a file beside the checkpoints: a run that is killed then
decides the same.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json, write_json
from lodesmith.data.skips import NO_SKIPS, SkipList
from lodesmith.parallel.checkpoint import Checkpoints
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.job import TrainingJob
from lodesmith.train.loop.guard import MOST_ROLLBACKS, ROLLBACK_WINDOW, may_roll_back
from lodesmith.train.record.metrics import read_metrics
from lodesmith.train.record.record import RunRecord
from lodesmith.train.samples.loader import open_source, order_of

_FILE = "rollbacks.json"
_BATCHES = 2  # that are passed over: see above


class SpikeError(Exception):
    """A step went wrong before the weights were changed."""

    def __init__(self, *, step: int, says: str) -> None:
        super().__init__(says)
        self.step, self.says = step, says


@dataclass(frozen=True, kw_only=True)
class Rollbacks:
    """What the roll-backs of a run have decided."""

    skips: SkipList = NO_SKIPS
    steps: tuple[int, ...] = ()  # at which there was a spike

    def after(self, spike: SpikeError, *, global_batch_size: int) -> "Rollbacks":
        """Return the decisions after one more.

        Raises:
            UserError: there were too many lately.
        """
        if not may_roll_back(self.steps, step=spike.step):
            raise UserError(
                f"training has come apart: at step {spike.step} {spike.says}, after "
                f"{MOST_ROLLBACKS} roll-backs within {ROLLBACK_WINDOW} steps; lower learning_rate, "
                "lengthen warmup_steps or set max_grad_norm, and look at the documents that "
                "run.jsonl names"
            )
        first = self.good_step(spike) * global_batch_size
        return Rollbacks(
            skips=self.skips.plus_positions(first, spike.step * global_batch_size),
            steps=(*self.steps, spike.step),
        )

    @staticmethod
    def good_step(spike: SpikeError) -> int:
        """Return the last step whose weights no doubted batch has touched."""
        return max(0, spike.step - _BATCHES)


def read_rollbacks(scratch: Path) -> Rollbacks:
    """Return what was decided so far in a run."""
    path = scratch / _FILE
    if not path.exists():
        return Rollbacks()
    data = read_json(path)
    return Rollbacks(skips=SkipList.from_json(data["skips"]), steps=tuple(data["steps"]))


def write_rollbacks(scratch: Path, rollbacks: Rollbacks) -> None:
    """Make decisions hold; the checkpoints after the good step must be gone."""
    data = {"skips": rollbacks.skips.to_json(), "steps": list(rollbacks.steps)}
    write_json(scratch / _FILE, data)


def roll_back(
    job: TrainingJob,
    spike: SpikeError,
    earlier: Rollbacks,
    *,
    ranks: Ranks,
    checkpoints: Checkpoints,
) -> str:
    """Decide what is passed over, make it hold, and return a message for people.

    Raises:
        UserError: there were too many roll-backs lately.
    """
    after = earlier.after(spike, global_batch_size=job.config.global_batch_size)
    good = earlier.good_step(spike)
    if ranks.rank == 0:
        _record(job, spike, earlier)
    # In this order: a kill in between leaves a run that meets the same spike again.
    checkpoints.drop_after(good)
    if ranks.rank == 0:
        write_rollbacks(job.scratch, after)
    ranks.sum_in_place(torch.zeros(1))  # nobody reads before rank 0 has written
    return (
        f"step {spike.step}: {spike.says}; going back, and past the samples of steps {good + 1} "
        f"to {spike.step}"
    )


def _record(job: TrainingJob, spike: SpikeError, earlier: Rollbacks) -> None:
    """Write into the run's record which samples and documents are passed over."""
    good, size = earlier.good_step(spike), job.config.global_batch_size
    source = open_source(job.data, sequence_length=job.config.sequence_length)
    samples = earlier.skips.samples(np.arange(good * size, spike.step * size))
    windows = order_of(job, source).windows(samples)
    documents = {name for window in windows for name in source.documents(int(window))}
    lines = read_metrics(job.metrics_file)
    RunRecord(job.record_file).write(
        "rollback",
        step=spike.step,
        says=spike.says,
        good_step=good,
        samples=samples.tolist(),
        documents=sorted(documents),
        seconds_lost=sum(line["step_seconds"] for line in lines if line["step"] > good),
    )

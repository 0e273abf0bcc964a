"""After a spike: back to the last good state, and past the samples around it.

A spike seen at step s is of the batch of step s, or of the weights, which the batch of step s - 1
made. So both batches are passed over, and training goes back to a checkpoint from before either
was learnt. What was decided stands in a file beside the checkpoints: a run that is killed then
decides the same.
"""

from dataclasses import dataclass
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json, write_json
from lodesmith.data.skips import NO_SKIPS, SkipList
from lodesmith.train.guard import MOST_ROLLBACKS, ROLLBACK_WINDOW, may_roll_back

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

"""The steps from one start of a rank, or one roll-back, to the next."""

from lodesmith.core.storage import write_json
from lodesmith.data.skips import SkipList
from lodesmith.parallel.checkpoint import Checkpoints
from lodesmith.train.job import RankTask
from lodesmith.train.learners.dtypes import DTYPES
from lodesmith.train.loop.pulse import Phase, Pulse
from lodesmith.train.loop.roll_call import Roll, StragglerWatch, call_roll
from lodesmith.train.loop.speed import SpeedMeter
from lodesmith.train.loop.training import Training
from lodesmith.train.record.metrics import MetricsFile
from lodesmith.train.record.record import RunRecord
from lodesmith.train.samples.loader import Loader, SampleSource, order_of


class Steps:
    """What a rank does from the step it starts at, until all are done or it is to stop."""

    def __init__(
        self,
        task: RankTask,
        training: Training,
        source: SampleSource,
        skips: SkipList,
        pulse: Pulse,
        checkpoints: Checkpoints,
    ) -> None:
        self.task, self.training, self.pulse = task, training, pulse
        self.checkpoints = checkpoints
        self.config = config = training.config
        self.loader = Loader(
            source,
            global_batch_size=config.global_batch_size,
            order=order_of(training.job, source),
            first_step=training.progress.step,
            steps=task.job.last_step,
            skips=skips,
            rows=training.learner.rows,
        )
        self.stragglers = StragglerWatch()

    def run(self, messages: list[str]) -> bool:
        """Take the steps; return whether they are all done, not stopped before."""
        first = self.training.progress.step
        self.pulse.enter(Phase.COMPILING)
        if self.training.ranks.rank != 0:
            return self._take(None)
        with MetricsFile(self.task.job.metrics_file, steps_done=first) as metrics:
            write_json(self.task.started_file, {"step": first, "messages": messages})
            return self._take(metrics)

    def _take(self, metrics: MetricsFile | None) -> bool:
        """Take the steps; rank 0, which gives `metrics`, writes."""
        training, config = self.training, self.config
        speed = SpeedMeter(
            training.learner.shape,
            config,
            dtype=DTYPES[config.param_dtype],
            ranks=training.ranks,
        )
        for batch in self.loader:
            record = training.step(batch)
            roll = call_roll(
                training.ranks,
                stop=self.pulse.asked_to_stop,
                own_seconds=training.learner.own_seconds,
            )
            if metrics is not None:
                seen = speed.measure(roll, data_wait_seconds=self.loader.data_wait_seconds)
                metrics.write({**record, **seen})
                self._name_straggler(roll)
            self.pulse.finish_step(training.progress.step)
            done = training.progress.step == training.job.last_step
            due = training.progress.step % config.checkpoint_every_steps == 0
            if due or done or roll.stop:
                with self.pulse.during(Phase.SAVING):
                    training.save(self.checkpoints)
            if roll.stop and not done:
                return False
        return True

    def _name_straggler(self, roll: Roll) -> None:
        slow = self.stragglers.see(roll.own_seconds)
        if slow is not None:
            rank, times = slow
            RunRecord(self.task.job.record_file).write(
                "straggler", rank=rank, times=round(times, 2), step=self.training.progress.step
            )

"""What a training run is asked to do, as data that travels to the ranks in a JSON file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lodesmith.core.storage import JSON, hash_json
from lodesmith.core.version import code_digest
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.config import DecoderConfig
from lodesmith.train.config import TrainingConfig
from lodesmith.train.record.record import RECORD_FILE


@dataclass(frozen=True)
class TokenSetData:
    """Windows of a token set: every token is learnt."""

    folder: Path
    mixture: Mapping[str, float] | None = None  # weights of its corpora; None takes all as they are

    def to_json(self) -> JSON:
        """Return the data's JSON form."""
        return {"kind": "token-set", "folder": str(self.folder), "mixture": self.mixture}


@dataclass(frozen=True)
class PackedData:
    """Samples that `train.packed.write_packed` wrote: only tokens of the loss mask are learnt."""

    folder: Path

    def to_json(self) -> JSON:
        """Return the data's JSON form."""
        return {"kind": "packed", "folder": str(self.folder)}


def _read_data(data: JSON) -> TokenSetData | PackedData:
    folder = Path(data["folder"])
    if data["kind"] == "packed":
        return PackedData(folder)
    return TokenSetData(folder, data["mixture"])


@dataclass(frozen=True, kw_only=True)
class TrainingJob:
    """One training run."""

    config: TrainingConfig
    start: DecoderConfig | Path  # the shape of a fresh decoder, or the model folder to go on from
    data: TokenSetData | PackedData
    scratch: Path  # checkpoints and logs of this run, kept through a kill
    model_folder: Path  # gets the trained weights and their config.json
    metrics_file: Path  # gets one JSON line for each step
    eos_ids: tuple[int, ...] = ()  # token ids that end an answer
    vocabulary: str | None = None  # `Tokenizer.vocabulary` of the ids; None where nobody knows
    title: str = "train"  # for the progress bar
    objective: str = "next-token"  # a name in train/objective.py
    objective_settings: Mapping[str, float] = field(default_factory=dict)
    adapter: AdapterShape | None = None  # trained beside the frozen weights of `start`
    quantize_base: str | None = None  # "nf4": hold the frozen matrices in 4 bits meanwhile
    adapter_folder: Path | None = None  # gets the trained adapter; the model gets it merged
    until_step: int | None = None  # stop there; another job with later data goes on from it

    @property
    def finished_file(self) -> Path:
        """Written when all is done: the run's facts."""
        name = "finished" if self.until_step is None else f"finished-{self.until_step}"
        return self.scratch / f"{name}.json"

    @property
    def last_step(self) -> int:
        """The step after which the job ends."""
        return self.config.max_steps if self.until_step is None else self.until_step

    @property
    def record_file(self) -> Path:
        """Gets a JSON line for whatever happens to the run: see `train.record`."""
        return self.metrics_file.with_name(RECORD_FILE)

    @property
    def checkpoint_place(self) -> str:
        """Folder or URL of this run's checkpoints, and of no other's."""
        place = self.config.checkpoint_place
        if place is None:
            return str(self.scratch / "checkpoints")
        return f"{place.rstrip('/')}/{self.title}-{self.digest[:12]}"

    @property
    def digest(self) -> str:
        """Hash of what a checkpoint must have been made under to go on from it here."""
        shape = self.start.model_dump(mode="json") if isinstance(self.start, DecoderConfig) else ""
        aim = [self.objective, dict(self.objective_settings)]
        read = {name: value for name, value in self.data.to_json().items() if name != "folder"}
        beside: list[object] = [] if self.adapter is None else [asdict(self.adapter)]
        beside += [] if self.quantize_base is None else [self.quantize_base]
        return hash_json([self.config.identity(), shape, read, aim, *beside])

    def agreed_facts(self) -> dict[str, str]:
        """Return what all ranks must have been given alike, by what people call it."""
        layout = self.config.model_dump_json(include={"parallel", "num_ranks"})
        return {"settings": f"{self.digest} {layout}", "code version": code_digest()}

    def to_json(self) -> JSON:
        """Return the job as JSON data."""
        fresh = isinstance(self.start, DecoderConfig)
        return {
            "config": self.config.model_dump(mode="json"),
            "start": self.start.model_dump(mode="json") if fresh else str(self.start),  # type: ignore[union-attr]
            "data": self.data.to_json(),
            "scratch": str(self.scratch),
            "model_folder": str(self.model_folder),
            "metrics_file": str(self.metrics_file),
            "eos_ids": self.eos_ids,
            "vocabulary": self.vocabulary,
            "title": self.title,
            "objective": self.objective,
            "objective_settings": dict(self.objective_settings),
            "adapter": None if self.adapter is None else asdict(self.adapter),
            "quantize_base": self.quantize_base,
            "until_step": self.until_step,
            "adapter_folder": None if self.adapter_folder is None else str(self.adapter_folder),
        }

    @classmethod
    def from_json(cls, data: JSON) -> "TrainingJob":
        """Return the job that `to_json` gave."""
        start, adapter, folder = data["start"], data["adapter"], data["adapter_folder"]
        return cls(
            config=TrainingConfig.model_validate(data["config"]),
            start=Path(start) if isinstance(start, str) else DecoderConfig.model_validate(start),
            data=_read_data(data["data"]),
            scratch=Path(data["scratch"]),
            model_folder=Path(data["model_folder"]),
            metrics_file=Path(data["metrics_file"]),
            eos_ids=tuple(data["eos_ids"]),
            vocabulary=data["vocabulary"],
            title=data["title"],
            objective=data["objective"],
            objective_settings=data["objective_settings"],
            adapter=None if adapter is None else AdapterShape.from_json(adapter),
            quantize_base=data["quantize_base"],
            adapter_folder=None if folder is None else Path(folder),
            until_step=data["until_step"],
        )


@dataclass(frozen=True, kw_only=True)
class RankTask:
    """What one rank's process is told."""

    job: TrainingJob
    rank: int
    num_ranks: int
    num_threads: int  # that the rank computes with
    attempt: Path  # a fresh folder: rendezvous, logs and errors of this attempt
    parent_pid: int
    node: int = 0  # which of the machines that train together
    slot: int = 0  # which of the ranks on its machine
    memory: Path | None = None  # its machine's folder of second copies of the state
    meeting_point: str | None = None  # HOST:PORT where ranks of several machines find each other

    def to_json(self) -> JSON:
        """Return the task as JSON data."""
        return {
            "job": self.job.to_json(),
            "rank": self.rank,
            "num_ranks": self.num_ranks,
            "num_threads": self.num_threads,
            "attempt": str(self.attempt),
            "parent_pid": self.parent_pid,
            "node": self.node,
            "slot": self.slot,
            "memory": None if self.memory is None else str(self.memory),
            "meeting_point": self.meeting_point,
        }

    @classmethod
    def from_json(cls, data: JSON) -> "RankTask":
        """Return the task that `to_json` gave."""
        job, attempt = TrainingJob.from_json(data["job"]), Path(data["attempt"])
        memory = None if data["memory"] is None else Path(data["memory"])
        return cls(**{**data, "job": job, "attempt": attempt, "memory": memory})

    @property
    def rendezvous(self) -> Path | str:
        """Where the ranks find each other: a file, or HOST:PORT across machines."""
        return self.meeting_point or self.attempt / "rendezvous"

    @property
    def started_file(self) -> Path:
        """Written when training begins: the step it goes on from, and messages for people."""
        return self.attempt / "started.json"

    @property
    def pulse_file(self) -> Path:
        """Where the ranks of a machine and their supervisor see each other's signs."""
        return self.attempt / f"node-{self.node}.pulse"

    @property
    def log_file(self) -> Path:
        """What the process printed."""
        return self.attempt / f"rank-{self.rank}.log"

    @property
    def error_file(self) -> Path:
        """How the process failed, if it failed on purpose."""
        return self.attempt / f"rank-{self.rank}.error.json"

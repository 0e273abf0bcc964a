"""Reads what was trained: the model's shape, and how its loss fell."""

import statistics
from dataclasses import dataclass

from lodesmith.lineage.artifact import Artifact
from lodesmith.model.config import DecoderConfig
from lodesmith.model.hugging_face import from_hugging_face
from lodesmith.pipeline.report.read_data import read_file
from lodesmith.train.record.metrics import read_metrics

_MODEL_CONFIG = "model/config.json"


@dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """The model that a run trained."""

    config: DecoderConfig

    @property
    def num_parameters(self) -> int:
        """All weights."""
        return self.config.num_parameters


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A training run, step by step."""

    kind: str  # pretrain or tune
    steps: tuple[int, ...]
    losses: tuple[float, ...]  # nats per token
    tokens_seen: int
    tokens_per_second: float | None  # median; None where the steps were not timed

    @property
    def first_loss(self) -> float:
        """Loss of the first step."""
        return self.losses[0]

    @property
    def last_loss(self) -> float:
        """Mean of the last twentieth of the steps, one at least."""
        return statistics.fmean(self.losses[-max(1, len(self.losses) // 20) :])


def read_model(pretrain: Artifact) -> ModelFacts:
    """Return the shape of the model in a `pretrain` artifact."""
    return ModelFacts(config=from_hugging_face(read_file(pretrain, _MODEL_CONFIG)))


def read_curve(artifact: Artifact) -> Curve:
    """Return the loss curve of a `pretrain` or `tune` artifact."""
    records = [
        record for record in read_metrics(artifact.file("metrics.jsonl")) if "loss" in record
    ]
    rates = [record["tokens_per_second"] for record in records if "tokens_per_second" in record]
    return Curve(
        kind=artifact.kind,
        steps=tuple(int(record["step"]) for record in records),
        losses=tuple(record["loss"] for record in records),
        tokens_seen=int(max((record.get("tokens_seen", 0) for record in records), default=0)),
        tokens_per_second=statistics.median(rates) if rates else None,
    )

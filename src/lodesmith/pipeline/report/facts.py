"""Everything the report shows, read from the artifacts of a run and from nowhere else.

The page and the terminal summary both take their numbers from `Facts`, so they cannot disagree.
A stage that was not run is None here, and the page says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lodesmith.lineage.artifact import Artifact
from lodesmith.pipeline.report.read_data import (
    ChatFacts,
    Funnel,
    TokenizerFacts,
    read_chat,
    read_funnel,
    read_tokenizer,
)
from lodesmith.pipeline.report.read_model import Curve, ModelFacts, read_curve, read_model
from lodesmith.pipeline.report.read_results import (
    Answer,
    Benchmark,
    BitsPerByte,
    NextSentence,
    read_answers,
    read_benchmarks,
    read_bits_per_byte,
    read_next_sentence,
)
from lodesmith.pipeline.scaling import scale_up
from lodesmith.pipeline.stages import STAGES
from lodesmith.plan.scale import ScaleUp


@dataclass(frozen=True, kw_only=True)
class StageFacts:
    """What one stage made and took."""

    kind: str
    id: str
    digest: str
    parents: tuple[str, ...]  # kinds
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    num_attempts: int
    started: str
    code_version: str
    counts: Mapping[str, int | float]
    dropped: Mapping[str, int]
    notes: tuple[str, ...]
    config: Mapping[str, Any]
    num_files: int
    num_bytes: int


@dataclass(frozen=True, kw_only=True)
class Facts:
    """A finished run."""

    stages: tuple[StageFacts, ...]  # in the order of the life
    missing: tuple[str, ...]  # kinds of stages that were not run
    sources: tuple[Mapping[str, Any], ...]
    funnel: Funnel | None
    tokenizer: TokenizerFacts | None
    model: ModelFacts | None
    curves: tuple[Curve, ...]  # of pretrain and of tune
    chat: ChatFacts | None
    bits_per_byte: tuple[BitsPerByte, ...]  # one a language
    next_sentence: tuple[NextSentence, ...]
    benchmarks: tuple[Benchmark, ...]
    answers: tuple[Answer, ...]
    scale: ScaleUp | None

    @property
    def seconds(self) -> float:
        """Wall time of all stages."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def peak_memory_bytes(self) -> int:
        """Memory of the hungriest stage."""
        return max((stage.peak_memory_bytes for stage in self.stages), default=0)


def gather_facts(artifacts: Mapping[str, Artifact]) -> Facts:
    """Return what the artifacts of a run tell.

    Args:
        artifacts: by kind; those of stages that were not run are left out.

    Raises:
        DamagedArtifactError: a file that its receipt names is not there.
    """
    prepare, tokenize = artifacts.get("prepare"), artifacts.get("tokenize")
    pretrain, tune = artifacts.get("pretrain"), artifacts.get("tune")
    evaluate, serve = artifacts.get("evaluate"), artifacts.get("serve")
    acquire = artifacts.get("acquire")
    tokenizer = read_tokenizer(tokenize) if tokenize else None
    curves = tuple(read_curve(artifact) for artifact in (pretrain, tune) if artifact)
    return Facts(
        stages=tuple(_stage(artifacts[stage.kind]) for stage in STAGES if stage.kind in artifacts),
        missing=tuple(stage.kind for stage in STAGES if stage.kind not in artifacts),
        sources=tuple(acquire.receipt.sources) if acquire else (),
        funnel=read_funnel(prepare) if prepare else None,
        tokenizer=tokenizer,
        model=read_model(pretrain) if pretrain else None,
        curves=curves,
        chat=read_chat(tune) if tune else None,
        bits_per_byte=read_bits_per_byte(evaluate) if evaluate else (),
        next_sentence=read_next_sentence(evaluate) if evaluate else (),
        benchmarks=read_benchmarks(evaluate) if evaluate else (),
        answers=read_answers(serve) if serve else (),
        scale=_scale(pretrain, curves[0], tokenizer) if pretrain else None,
    )


def _stage(artifact: Artifact) -> StageFacts:
    receipt = artifact.receipt
    entries = [*receipt.files.values(), *receipt.observations.values()]
    return StageFacts(
        kind=artifact.kind,
        id=artifact.id,
        digest=receipt.digest,
        parents=tuple(receipt.parents),
        seconds=receipt.seconds,
        cpu_seconds=receipt.cpu_seconds,
        peak_memory_bytes=receipt.peak_memory_bytes,
        num_attempts=receipt.num_attempts,
        started=receipt.started,
        code_version=receipt.code_version,
        counts=receipt.counts,
        dropped=receipt.dropped,
        notes=tuple(receipt.notes),
        config=receipt.config,
        num_files=len(entries),
        num_bytes=sum(entry.bytes for entry in entries),
    )


def _scale(pretrain: Artifact, curve: Curve, tokenizer: TokenizerFacts | None) -> ScaleUp | None:
    return scale_up(
        pretrain,
        tokens_seen=curve.tokens_seen,
        tokens_per_second=curve.tokens_per_second,
        bytes_per_token=tokenizer.bytes_per_token if tokenizer else None,
    )

"""Reads what became of the text: the funnel of `prepare`, the tokenizer, the chat pairs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lodesmith.core.errors import DamagedArtifactError
from lodesmith.core.storage import JSON, read_json
from lodesmith.lineage.artifact import Artifact

_SAMPLE_CHARACTERS = 280


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A document that a step dropped."""

    id: str
    url: str
    value: str  # what was measured, as text
    text: str  # its beginning


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a step dropped documents."""

    name: str
    count: int
    limit: str  # what the measured value was held against, as text
    samples: tuple[Sample, ...]


@dataclass(frozen=True, kw_only=True)
class LinesDropped:
    """Lines that a step took out of documents that stayed."""

    lines: int
    bytes: int
    samples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Group:
    """A step's documents of one language or source."""

    name: str
    documents_in: int
    documents_out: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of the funnel."""

    name: str
    documents_in: int
    documents_out: int
    bytes_in: int
    bytes_out: int
    by_language: tuple[Group, ...]
    by_corpus: tuple[Group, ...]
    reasons: tuple[Reason, ...]
    lines_dropped: LinesDropped | None
    masked: Mapping[str, int]  # placeholders by kind of personal data

    @property
    def num_dropped(self) -> int:
        """Documents that went no further."""
        return sum(reason.count for reason in self.reasons)


@dataclass(frozen=True, kw_only=True)
class Funnel:
    """From raw records to clean documents."""

    steps: tuple[Step, ...]

    @property
    def documents_in(self) -> int:
        """Documents that entered the first step."""
        return self.steps[0].documents_in

    @property
    def documents_out(self) -> int:
        """Documents that left the last step."""
        return self.steps[-1].documents_out

    @property
    def bytes_in(self) -> int:
        """Bytes that entered the first step."""
        return self.steps[0].bytes_in

    @property
    def bytes_out(self) -> int:
        """Bytes of text that left the last step."""
        return self.steps[-1].bytes_out


def read_funnel(prepare: Artifact) -> Funnel | None:
    """Return the funnel of a `prepare` artifact, None where it has no step."""
    data = read_file(prepare, "funnel.json")
    steps = tuple(_read_step(step) for step in data["steps"])
    return Funnel(steps=steps) if steps else None


def read_file(artifact: Artifact, name: str) -> JSON:
    """Return the JSON of one of an artifact's files.

    Raises:
        DamagedArtifactError: it is missing or torn.
    """
    path = artifact.file(name)
    try:
        return read_json(path)
    except ValueError:
        raise DamagedArtifactError(
            f"{artifact.id}: {name} is not JSON; remove {artifact.path} and run again"
        ) from None


def _read_step(step: Mapping[str, Any]) -> Step:
    return Step(
        name=step["step"],
        documents_in=step["documents_in"],
        documents_out=step["documents_out"],
        bytes_in=step["bytes_in"],
        bytes_out=step["bytes_out"],
        by_language=_read_groups(step.get("by_language", {})),
        by_corpus=_read_groups(step.get("by_corpus", {})),
        reasons=tuple(_read_reason(reason) for reason in step.get("dropped", [])),
        lines_dropped=_read_lines(step["lines_dropped"]) if step.get("lines_dropped") else None,
        masked=step.get("masked", {}),
    )


def _read_lines(lines: Mapping[str, Any]) -> LinesDropped:
    return LinesDropped(
        lines=lines["lines"],
        bytes=lines["bytes"],
        samples=tuple(str(line)[:_SAMPLE_CHARACTERS] for line in lines["samples"]),
    )


def _read_groups(groups: Mapping[str, Mapping[str, int]]) -> tuple[Group, ...]:
    return tuple(
        Group(
            name=name,
            documents_in=group.get("documents_in", 0),
            documents_out=group.get("documents_out", 0),
        )
        for name, group in groups.items()
    )


def _read_reason(reason: Mapping[str, Any]) -> Reason:
    return Reason(
        name=reason["reason"],
        count=reason["count"],
        limit=_show_value(reason.get("limit")),
        samples=tuple(_read_sample(sample) for sample in reason.get("samples", [])),
    )


def _read_sample(sample: Mapping[str, Any]) -> Sample:
    return Sample(
        id=str(sample.get("id", "")),
        url=str(sample.get("url", "")),
        value=_show_value(sample.get("value")),
        text=str(sample.get("text", ""))[:_SAMPLE_CHARACTERS],
    )


def _show_value(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True, kw_only=True)
class TokenizerFacts:
    """The tokenizer and the token sets."""

    vocab_size: int
    train_tokens: int
    train_documents: int
    held_out_tokens: int
    held_out_documents: int
    bytes_per_token: float | None  # of training text


def read_tokenizer(tokenize: Artifact) -> TokenizerFacts:
    """Return the sizes of the token sets of a `tokenize` artifact."""
    train = read_file(tokenize, "train/meta.json")
    held_out = read_file(tokenize, "held_out/meta.json")
    return TokenizerFacts(
        vocab_size=train["vocab_size"],
        train_tokens=train["num_tokens"],
        train_documents=train["num_documents"],
        held_out_tokens=held_out["num_tokens"],
        held_out_documents=held_out["num_documents"],
        bytes_per_token=tokenize.receipt.counts.get("bytes_per_token"),
    )


@dataclass(frozen=True, kw_only=True)
class ChatFacts:
    """What the model was tuned on."""

    counts: Mapping[str, int | float]


def read_chat(tune: Artifact) -> ChatFacts:
    """Return the counts of chat pairs that a `tune` artifact names."""
    return ChatFacts(counts=tune.receipt.counts)

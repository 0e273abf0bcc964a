"""Reads what the model is worth: its scores beside the baselines, and its answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lodesmith.evaluate.results.metrics import SHARES, main_metrics
from lodesmith.lineage.artifact import Artifact
from lodesmith.pipeline.report.read_data import read_file

MODELS = ("base", "tuned")  # the rest of the keys that hold a number are baselines
_SIZES = ("num_documents", "num_bytes", "num_tokens")


@dataclass(frozen=True, kw_only=True)
class BitsPerByte:
    """Bits per byte of held-out text in one language: lower is better."""

    language: str
    num_documents: int
    num_bytes: int
    num_tokens: int
    models: Mapping[str, float]
    baselines: Mapping[str, float]

    @property
    def best_baseline(self) -> tuple[str, float] | None:
        """The baseline with the fewest bits."""
        return min(self.baselines.items(), key=lambda item: item[1], default=None)

    @property
    def base_wins(self) -> bool:
        """Whether the base model needs fewer bits than every baseline."""
        base = self.models.get("base")
        return base is not None and all(base < bits for bits in self.baselines.values())


def read_bits_per_byte(evaluate: Artifact) -> tuple[BitsPerByte, ...]:
    """Return the bits per byte by language."""
    return tuple(
        BitsPerByte(
            language=language,
            num_documents=found.get("num_documents", 0),
            num_bytes=found.get("num_bytes", 0),
            num_tokens=found.get("num_tokens", 0),
            models={name: found[name] for name in MODELS if name in found},
            baselines=_baselines(found),
        )
        for language, found in read_file(evaluate, "scores.json")["bits_per_byte"].items()
    )


def _baselines(found: Mapping[str, Any]) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in found.items()
        if name not in (*MODELS, *_SIZES) and isinstance(value, int | float)
    }


@dataclass(frozen=True, kw_only=True)
class NextSentence:
    """Share of next sentences found among four, in one language."""

    language: str
    num_items: int
    chance: float
    results: tuple[tuple[str, float, float, float], ...]  # model, share, 95 % from, to


def read_next_sentence(evaluate: Artifact) -> tuple[NextSentence, ...]:
    """Return the next-sentence results by language."""
    scores = read_file(evaluate, "scores.json")
    return tuple(
        NextSentence(
            language=language,
            num_items=found["num_items"],
            chance=found["chance"],
            results=_choice_results(found),
        )
        for language, found in scores.get("next_sentence", {}).items()
    )


def _choice_results(found: Mapping[str, Any]) -> tuple[tuple[str, float, float, float], ...]:
    results = []
    if "base" in found:
        results.append(("base", found["base"]["acc"], *found["base"]["ci95"]))
    results.append((found.get("model", "base"), found["acc"], *found["ci95"]))
    return tuple(results)


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark's score by model."""

    task: str
    title: str
    metric: str
    num_items: int
    chance: float | None  # None where answers are written freely
    results: tuple[tuple[str, float, float, float], ...]  # model, share, 95 % from, to
    samples: tuple[Mapping[str, str], ...]  # of the last model


def read_benchmarks(evaluate: Artifact) -> tuple[Benchmark, ...]:
    """Return the scores of the benchmarks that the recipe asked for."""
    found = read_file(evaluate, "scores.json").get("benchmarks", {})
    return tuple(_benchmark(task, by_model) for task, by_model in found.items())


def _benchmark(task: str, by_model: Mapping[str, Any]) -> Benchmark:
    last = list(by_model.values())[-1]
    metric = main_metrics(last)[0]
    return Benchmark(
        task=task,
        title=last["title"],
        metric=SHARES[metric],
        num_items=last["num_items"],
        chance=last.get("chance"),
        results=tuple(
            (model, score[metric], *score[f"{metric}_ci95"]) for model, score in by_model.items()
        ),
        samples=tuple(last.get("samples", ())),
    )


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One question to the served model, and what came back."""

    language: str
    question: str
    answer: str
    finish_reason: str
    num_tokens: int | None


def read_answers(serve: Artifact) -> tuple[Answer, ...]:
    """Return the questions and answers of a `serve` artifact, as they are."""
    return tuple(
        Answer(
            language=str(found.get("language", "")),
            question=found["question"],
            answer=found["answer"],
            finish_reason=str(found.get("finish_reason", "")),
            num_tokens=found.get("num_tokens"),
        )
        for found in read_file(serve, "answers.json")
    )

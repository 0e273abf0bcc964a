"""The recipe's section `evaluate`: what is measured, and how much of it."""

from typing import Any, ClassVar

from pydantic import Field

from lodesmith.core.config import Config

STAGE_VERSION = 1


class EvaluateConfig(Config):
    """Scores of the base and the tuned model on the held-out documents, beside simple baselines."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"num_workers"})

    languages: list[str] = Field(default=["zh", "en"], min_length=1)
    """Languages to score, each by itself; ISO 639-1 codes as in the documents."""

    window_tokens: int | None = Field(default=None, ge=2)
    """Tokens that the model sees at once when text is scored; None: as in pretraining."""

    num_items: int = Field(default=160, ge=1)
    """Next-sentence questions per language, at most."""

    context_tokens: int = Field(default=64, ge=1)
    """Tokens of text in front of the four sentences of a next-sentence question, at most."""

    seed: int = Field(default=0, ge=0)
    """Decides which next-sentence questions are asked, and with which wrong answers."""

    num_workers: int | None = Field(default=None, ge=1)
    """Processes; None: one for each free core."""


def trained_window(config: dict[str, Any]) -> int:
    """Return how many tokens a model saw at once in pretraining, from its receipt's settings."""
    return int(config["pretrain"]["sequence_length"])

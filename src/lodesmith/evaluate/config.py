"""The recipe's section `evaluate`: what is measured, and how much of it."""

from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import Field, model_validator

from lodesmith.core.config import Config
from lodesmith.core.storage import JSON, hash_file
from lodesmith.evaluate.benchmarks.items import find_files
from lodesmith.evaluate.benchmarks.task_file import GROUPS, read_task

STAGE_VERSION = 4


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

    benchmarks: tuple[str, ...] = ()
    """Tasks of `lodesmith evaluate --tasks` to score too, as in [tnews, ceval]; their texts are
    kept out of training (step decontaminate)."""

    data: str | None = None
    """Folder of the benchmarks' files."""

    num_fewshot: int = Field(default=0, ge=0)
    """Worked examples in front of each question of a benchmark."""

    num_workers: int | None = Field(default=None, ge=1)
    """Processes; None: one for each free core."""

    @model_validator(mode="after")
    def _check_data(self) -> Self:
        if self.benchmarks and self.data is None:
            raise ValueError("benchmarks need data: the folder of their files")
        return self

    def benchmark_files(self) -> list[Path]:
        """Return the files of all benchmarks that are there.

        Raises:
            UserError: there is no such task.
        """
        folder = Path(self.data or "")
        names = [name for task in self.benchmarks for name in GROUPS.get(task, (task,))]
        return sorted({path for name in names for path in find_files(folder, read_task(name))})

    def identity(self) -> JSON:
        """Return what an artifact's id depends on: the content of the files, not where they lie."""
        hashes = [hash_file(path) for path in self.benchmark_files()]
        return {**super().identity(), "data": hashes}


def trained_window(config: dict[str, Any]) -> int:
    """Return how many tokens a model saw at once in pretraining, from its receipt's settings."""
    return int(config["pretrain"]["sequence_length"])

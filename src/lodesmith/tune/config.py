"""The recipe's section `tune`: how the base model learns to chat, and from how much."""

from typing import Self

from pydantic import Field, model_validator

from lodesmith.train.config import TrainingConfig

STAGE_VERSION = 2


class TuneConfig(TrainingConfig):
    """Settings of the training loop, and of the conversations that it learns from."""

    learning_rate: float = Field(default=0.005, gt=0)
    """Peak rate for the matrices of the layers; a quarter of pretraining's keeps what it learnt."""

    languages: list[str] = Field(default=["zh", "en"], min_length=1)
    """Languages of the chat corpora's folders and of the help pages to learn from; ISO 639-1 codes.
    Chat files that lie in no folder of a language are all taken."""

    max_help_pairs: int = Field(default=600, ge=0)
    """Question-answer pairs made from headings of trained-on pages, per language at most."""

    max_answer_bytes: int = Field(default=300, ge=40)
    """Length of such an answer in UTF-8; it ends with a whole sentence before."""

    @model_validator(mode="after")
    def _check_languages(self) -> Self:
        if len(set(self.languages)) != len(self.languages):
            raise ValueError(f"languages names one twice: {', '.join(self.languages)}")
        return self

    @property
    def training(self) -> TrainingConfig:
        """The settings of the training loop alone."""
        return TrainingConfig(**{name: getattr(self, name) for name in TrainingConfig.model_fields})

"""The recipe's `pretrain` section."""

from typing import Annotated

from pydantic import Field

from lodesmith.train.config import TrainingConfig

STAGE_VERSION = 2  # raised when the same inputs begin to give other weights


class PretrainConfig(TrainingConfig):
    """How the decoder is trained on the token set."""

    mixture: dict[str, Annotated[float, Field(gt=0)]] | None = Field(default=None, min_length=1)
    """Weights of the corpora, by the name of the acquire source, as in {wiki: 0.7, code: 0.3}: the
    share of tokens that is read from each, as often as it takes. One that is not named is not read;
    None reads all texts equally often."""

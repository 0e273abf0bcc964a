"""Settings of the stage `tokenize`."""

from typing import ClassVar

from pydantic import Field

from lodesmith.core.config import Config
from lodesmith.core.shards import Engine

STAGE_VERSION = 2  # raised when the same inputs begin to give other bytes


class TokenizeConfig(Config):
    """How the text becomes tokens, and which pages are kept from training."""

    without_effect: ClassVar[frozenset[str]] = frozenset({"num_workers", "engine"})

    vocab_size: int = Field(default=8192, ge=259, le=1 << 20)
    """Ids of the tokenizer in all: 256 bytes, merges, three special tokens. Very little text gives
    fewer."""

    held_out_fraction: float = Field(default=0.03, ge=0, lt=1)
    """Share of the pages, by file name, that is kept from training and used to measure, in [0, 1).
    A page and its translation fall on the same side."""

    max_training_bytes: int = Field(default=80_000_000, gt=0)
    """Text from which the merges are learnt, about, bytes in UTF-8: of a larger corpus a sample of
    whole documents. Learning takes up to 14 bytes of memory for each in Chinese, 4 in English."""

    num_workers: int | None = Field(default=None, gt=0)
    """Processes; None uses the free cores. The result is the same for any number."""

    engine: Engine = "local"
    """Where shards are measured and encoded, as in `prepare.engine`. The result is the same."""

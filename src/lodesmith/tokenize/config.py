"""Settings of the stage `tokenize`."""

from typing import ClassVar

from pydantic import Field

from lodesmith.core.config import Config

STAGE_VERSION = 1  # raised when the same inputs begin to give other bytes


class TokenizeConfig(Config):
    """How the text becomes tokens, and which pages are kept from training."""

    without_effect: ClassVar[frozenset[str]] = frozenset()

    vocab_size: int = Field(default=8192, ge=259, le=1 << 20)
    """Ids of the tokenizer in all: 256 bytes, merges, three special tokens. Very little text gives
    fewer."""

    held_out_fraction: float = Field(default=0.03, ge=0, lt=1)
    """Share of the pages, by file name, that is kept from training and used to measure, in [0, 1).
    A page and its translation fall on the same side."""

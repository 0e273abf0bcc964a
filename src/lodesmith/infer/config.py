"""How much an engine takes on at once. Holds no torch, so that recipes and `--help` stay quick."""

from pydantic import Field

from lodesmith.core.config import Config

MAX_DEFAULT_MODEL_LEN = 8192  # of a model that allows more; ask for more and it is given


class EngineConfig(Config):
    """Limits of one engine."""

    max_num_seqs: int = Field(8, gt=0, le=1024)
    """Requests that are decoded together; each has a row of the key-value cache."""

    max_model_len: int | None = Field(None, gt=0)
    """Tokens of prompt and answer together; None: what the model was made for, at most 8,192."""

    max_num_batched_tokens: int = Field(512, gt=0)
    """Prompt tokens read between two steps of the running requests: more starts a long prompt
    sooner, fewer keeps the answers of others flowing."""

    max_num_queued_seqs: int = Field(64, gt=0)
    """Requests that may wait for a row; one more is refused."""

    num_threads: int | None = Field(None, gt=0)
    """CPU threads of the matrix products; None: the cores this process may use."""

"""How much an engine takes on at once. Holds no torch, so that recipes and `--help` stay quick."""

from typing import Literal

from pydantic import Field

from lodesmith.core.config import Config

MAX_DEFAULT_MODEL_LEN = 8192  # of a model that allows more; ask for more and it is given

Quantization = Literal["int8", "int4"]


class EngineConfig(Config):
    """Limits of one engine, named as vLLM names them."""

    max_num_seqs: int = Field(32, gt=0, le=1024)
    """Requests that are decoded together."""

    max_model_len: int | None = Field(None, gt=0)
    """Tokens of prompt and answer together; None: what the model was made for, at most 8,192."""

    max_num_batched_tokens: int = Field(512, gt=0)
    """Prompt tokens read in one step, beside one token for every running request: more starts a
    long prompt sooner, fewer keeps the answers of others flowing."""

    block_size: int = Field(32, gt=0)
    """Positions of one block of the cache; on the CPU it is 32 always."""

    kv_cache_memory_bytes: int | None = Field(None, gt=0)
    """Memory of the cache; None: a quarter of what is free, on a GPU 80 %, but never more than
    twice what `max_num_seqs` requests of `max_model_len` tokens need."""

    enable_prefix_caching: bool = True
    """Let requests that begin alike share the cache of their common beginning."""

    quantization: Quantization | None = None
    """Round the weights as they are loaded, to 8 or 4 bits; only on the CPU."""

    max_num_queued_seqs: int = Field(64, gt=0)
    """Requests that may wait; one more is refused."""

    num_threads: int | None = Field(None, gt=0)
    """CPU threads that compute; None: the cores this process may use."""

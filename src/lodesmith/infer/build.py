"""From a model and limits to the parts of an engine: how long, how many blocks, which runner."""

from dataclasses import dataclass

import psutil
import torch

from lodesmith.core.errors import UserError
from lodesmith.core.process import count_free_cores
from lodesmith.infer.blocks import BlockPool
from lodesmith.infer.config import MAX_DEFAULT_MODEL_LEN, EngineConfig
from lodesmith.infer.native_runner import NativeRunner, is_computable
from lodesmith.infer.runner import Runner, TorchRunner
from lodesmith.infer.scheduler import Scheduler
from lodesmith.infer.weights import StoredWeights, Weights, place_of
from lodesmith.model.checkpoint import load_decoder
from lodesmith.native.decoder import PANEL, padded

_CPU_SHARE, _GPU_SHARE = 0.25, 0.8  # of free memory, for the cache
_SPARE_FACTOR = 2  # beginnings of requests that have ended are kept in as much memory again


@dataclass(frozen=True)
class Parts:
    """What an engine consists of."""

    runner: Runner
    scheduler: Scheduler
    max_model_len: int


def build_parts(weights: Weights, config: EngineConfig) -> Parts:
    """Return the parts of an engine.

    Raises:
        UserError: max_model_len is more than the model was made for, the cache has no room for one
            sequence of that length, the weights cannot be rounded there, or stored ones are not
            as they were.
        DamagedArtifactError: stored weights are torn.
    """
    longest = _longest_sequence(weights, config)
    is_native = is_computable(weights)
    if config.quantization and not is_native:
        raise UserError(
            f"quantization {config.quantization} is for dense models in fp32 on the CPU; leave it "
            "out for this one"
        )
    block_size = _block_size(config, is_native=is_native)
    num_blocks = _count_blocks(weights, config, longest=longest, is_native=is_native)
    runner: Runner
    if is_native:
        runner = NativeRunner(
            weights,
            num_blocks=num_blocks,
            max_model_len=longest,
            max_rows=config.max_num_batched_tokens + config.max_num_seqs,
            num_threads=config.num_threads or count_free_cores(),
            quantization=config.quantization,
        )
    else:
        decoder = load_decoder(weights.folder) if isinstance(weights, StoredWeights) else weights
        runner = TorchRunner(decoder, num_blocks=num_blocks, block_size=block_size)
    scheduler = Scheduler(
        BlockPool(num_blocks=num_blocks, block_size=block_size),
        max_num_seqs=config.max_num_seqs,
        max_num_batched_tokens=config.max_num_batched_tokens,
        reuse=config.enable_prefix_caching,
    )
    return Parts(runner, scheduler, longest)


def _longest_sequence(weights: Weights, config: EngineConfig) -> int:
    most = weights.config.max_position_embeddings
    if config.max_model_len is None:
        return min(most, MAX_DEFAULT_MODEL_LEN)
    if config.max_model_len > most:
        raise UserError(
            f"max_model_len is {config.max_model_len}, but the model was made for sequences of "
            f"{most} tokens; ask for at most that"
        )
    return config.max_model_len


def _block_size(config: EngineConfig, *, is_native: bool) -> int:
    return PANEL if is_native else config.block_size


def _count_blocks(weights: Weights, config: EngineConfig, *, longest: int, is_native: bool) -> int:
    """Return how many blocks the cache has; at least as many as one longest sequence needs."""
    shape, (device, dtype) = weights.config, place_of(weights)
    block_size = _block_size(config, is_native=is_native)
    head = shape.head_dim + (padded(shape.head_dim) if is_native else shape.head_dim)
    floats = shape.num_hidden_layers * shape.num_key_value_heads * head
    block_bytes = floats * dtype.itemsize * block_size
    least = -(-longest // block_size)
    most = _SPARE_FACTOR * config.max_num_seqs * least
    free = config.kv_cache_memory_bytes or _free_bytes(device)
    num_blocks = min(most, free // block_bytes)
    if num_blocks < least:
        raise UserError(
            f"the cache has {free / 1e6:,.0f} MB, and one sequence of {longest} tokens needs "
            f"{least * block_bytes / 1e6:,.0f} MB; lower max_model_len or raise "
            "kv_cache_memory_bytes"
        )
    return num_blocks


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0] * _GPU_SHARE)
    return int(psutil.virtual_memory().available * _CPU_SHARE)

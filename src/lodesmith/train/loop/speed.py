"""MFU: the arithmetic that a step needs over what the machine could have done in its time.

The denominator is measured where the run runs: the rate of a large matrix product in the run's own
dtype and with its own threads. It is what a perfect program could reach, not what a data sheet
says.
"""

import time

import psutil
import torch

from lodesmith.model.config import DecoderConfig
from lodesmith.parallel.ranks import Ranks
from lodesmith.train.config import TrainingConfig
from lodesmith.train.loop.roll_call import Roll
from lodesmith.train.record.metrics import Record

_SIZE = {"cpu": 768, "cuda": 8192}  # large enough that the rate no longer grows
_TIMES = 8
_SECONDS = 0.25


def count_token_flops(shape: DecoderConfig, *, sequence_length: int) -> float:
    """Return the floating-point operations that one token of training needs, forward and backward.

    Six for each weight that the token meets, and for each layer 6 x heads x head size x tokens for
    causal attention (twice that, halved by the mask). Looking up an embedding is none; the output
    matrix counts whether tied or not; of experts only those that read the token count.

    Source: A. Chowdhery et al., "PaLM", arXiv:2204.02311, appendix B.
    """
    heads = shape.num_attention_heads * shape.head_dim
    weights = shape.num_non_embedding_parameters + shape.vocab_size * shape.hidden_size
    if shape.experts is not None:
        unread = shape.experts.num_experts - shape.experts.num_experts_per_tok
        width = 3 * shape.hidden_size * shape.experts.moe_intermediate_size
        weights -= shape.num_hidden_layers * unread * width
    return 6.0 * (weights + shape.num_hidden_layers * heads * sequence_length)


def measure_peak_flops(dtype: torch.dtype, *, device: str = "cpu") -> float:
    """Return the rate of a large matrix product here, FLOP/s: the best of a few.

    All ranks measure at the same time, as they will compute.
    """
    size = _SIZE[device]
    left = torch.ones(size, size, dtype=dtype, device=device)
    best, until = float("inf"), time.perf_counter() + _SECONDS
    for _ in range(_TIMES):
        started = time.perf_counter()
        torch.matmul(left, left)
        if device != "cpu":
            torch.cuda.synchronize()
        best = min(best, time.perf_counter() - started)
        if time.perf_counter() > until:
            break
    return 2.0 * size**3 / best


class SpeedMeter:
    """Measures each step: time, rates, memory and how evenly the ranks work."""

    def __init__(
        self, shape: DecoderConfig, config: TrainingConfig, *, dtype: torch.dtype, ranks: Ranks
    ) -> None:
        self._step_tokens = config.step_tokens
        token_flops = count_token_flops(shape, sequence_length=config.sequence_length)
        self._device = torch.device(ranks.device).type
        peak = ranks.num_ranks * measure_peak_flops(dtype, device=self._device)
        self._best_seconds = token_flops * config.step_tokens / peak
        self._process = psutil.Process()
        self._waited = 0.0
        self._started = time.perf_counter()

    def measure(self, roll: Roll, *, data_wait_seconds: float) -> Record:
        """Return what a metrics record says of the speed of the step that has just ended.

        Args:
            roll: of this step.
            data_wait_seconds: that the loader was waited for, since training began.
        """
        now = time.perf_counter()
        seconds, self._started = now - self._started, now
        waited, self._waited = data_wait_seconds - self._waited, data_wait_seconds
        return {
            "step_seconds": seconds,
            "tokens_per_second": self._step_tokens / seconds,
            "mfu": self._best_seconds / seconds,
            "data_wait_seconds": waited,
            "memory_bytes": self._count_memory(),
            "slowest_rank": roll.slowest_rank,
            "rank_seconds_most": max(roll.own_seconds),
            "rank_seconds_least": min(roll.own_seconds),
        }

    def _count_memory(self) -> int:
        """Return what this rank has taken: of the GPU's memory, or of the machine's."""
        if self._device == "cuda":
            return torch.cuda.memory_reserved()
        resident: int = self._process.memory_info().rss
        return resident

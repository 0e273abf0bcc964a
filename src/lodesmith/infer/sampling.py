"""Choosing the next token from logits, each request with a random generator of its own.

Equal seeds therefore give equal answers whatever else runs. The order is the one that vLLM and
transformers use: penalties and bias on the logits, the grammar's mask, temperature, top_k, top_p,
min_p.

Shapes: V vocab, C candidates (best first), T positions.
"""

# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lodesmith.infer.interface import Sampling, TokenGuide, TokenLogprobs


class Sampler:
    """Chooses the tokens of one request."""

    def __init__(
        self,
        sampling: Sampling,
        *,
        prompt_ids: Sequence[int] = (),
        guide: TokenGuide | None = None,
    ) -> None:
        self.sampling, self.guide = sampling, guide
        self._prompt_ids = frozenset(prompt_ids)
        self.counts: Counter[int] = Counter()  # tokens of the answer so far

    @cached_property
    def generator(self) -> torch.Generator:
        """What its draws come from; a request that draws nothing never makes it."""
        generator = torch.Generator()
        if self.sampling.seed is None:
            generator.seed()
        else:
            generator.manual_seed(self.sampling.seed)
        return generator

    @property
    def is_plain_greedy(self) -> bool:
        """Whether the choice is just the most probable token."""
        sampling = self.sampling
        changed = _is_penalised(sampling) or sampling.logit_bias or self.guide is not None
        return sampling.temperature == 0 and not changed

    def choose(self, logits_V: Tensor) -> int:
        """Return the next token's id."""
        adjusted_V = self._allow(self._adjust(logits_V))
        if self.sampling.temperature == 0:
            token_id = int(adjusted_V.argmax())
        else:
            token_id = draw(adjusted_V, self.sampling, self.generator)
        self.counts[token_id] += 1
        if self.guide is not None:
            self.guide.accept(token_id)
        return token_id

    @property
    def is_finished(self) -> bool:
        """Whether the grammar lets no further token come."""
        return self.guide is not None and self.guide.is_finished

    def _allow(self, logits_V: Tensor) -> Tensor:
        """Return the logits with minus infinity where the grammar lets no token come."""
        if self.guide is None:
            return logits_V
        words_W = np.zeros(-(-len(logits_V) // 32), np.int32)
        if not self.guide.fill_allowed(words_W):
            return logits_V
        bits_V = np.unpackbits(words_W.view(np.uint8), bitorder="little")[: len(logits_V)]
        forbidden_V = torch.from_numpy(bits_V == 0).to(logits_V.device)
        return logits_V.masked_fill(forbidden_V, -torch.inf)

    def _adjust(self, logits_V: Tensor) -> Tensor:
        """Return the logits less penalties, plus bias.

        Source: OpenAI API reference, "Frequency and presence penalties":
        logit[t] -= count[t] * frequency_penalty + (count[t] > 0) * presence_penalty. The
        repetition penalty is that of Keskar et al. 2019, arXiv:1909.05858, section 4.1, with
        scores below zero multiplied, as vLLM does.
        """
        sampling = self.sampling
        if sampling.repetition_penalty != 1.0:
            seen = torch.tensor(sorted(self._prompt_ids | self.counts.keys()))
            scores = logits_V[seen.to(logits_V.device)]
            penalty = sampling.repetition_penalty
            scores = torch.where(scores > 0, scores / penalty, scores * penalty)
            logits_V = logits_V.index_copy(0, seen.to(logits_V.device), scores)
        changes = dict(sampling.logit_bias)
        if sampling.presence_penalty or sampling.frequency_penalty:
            for token_id, count in self.counts.items():
                penalty = count * sampling.frequency_penalty + sampling.presence_penalty
                changes[token_id] = changes.get(token_id, 0.0) - penalty
        if not changes:
            return logits_V
        ids = torch.tensor(list(changes), device=logits_V.device)
        values = torch.tensor(list(changes.values()), device=logits_V.device)
        return logits_V.index_add(0, ids, values)


def _is_penalised(sampling: Sampling) -> bool:
    subtracted = sampling.presence_penalty != 0 or sampling.frequency_penalty != 0
    return subtracted or sampling.repetition_penalty != 1.0


def draw(logits_V: Tensor, sampling: Sampling, generator: torch.Generator) -> int:
    """Return a token drawn at random from the logits; the temperature is above zero.

    Source: top_p is nucleus sampling, arXiv:1904.09751 section 3.1; min_p is arXiv:2407.01082
    section 3.
    """
    logits_V = logits_V.cpu()
    # Less the maximum first: a tiny temperature then gives -inf and 0, never NaN.
    scaled_V = (logits_V - logits_V.max()) / sampling.temperature
    if sampling.top_k is None and sampling.top_p == 1.0 and sampling.min_p == 0.0:
        return _draw_index(scaled_V.softmax(0), generator)
    scaled_C, ids_C = scaled_V.sort(descending=True, stable=True)
    probabilities_C = scaled_C[: sampling.top_k].softmax(0)
    before_C = probabilities_C.cumsum(0) - probabilities_C  # probability of all better ones
    keep_C = before_C < sampling.top_p
    keep_C &= probabilities_C >= sampling.min_p * probabilities_C[0]
    keep_C[0] = True  # whatever rounding did, the best one stays
    return int(ids_C[_draw_index(probabilities_C * keep_C, generator)])


def _draw_index(weights_C: Tensor, generator: torch.Generator) -> int:
    """Return an index with a chance in proportion to its weight, from one random number."""
    sums_C = weights_C.double().cumsum(0)
    threshold = torch.rand(1, generator=generator, dtype=torch.float64) * sums_C[-1]
    index = int(torch.searchsorted(sums_C, threshold, right=True))
    return min(index, int(weights_C.nonzero()[-1]))  # the sum may round up to the threshold


def measure_logprobs(
    logits_TV: Tensor, token_ids: Sequence[int], *, num_top: int
) -> list[TokenLogprobs]:
    """Return the log-probability of one token at each position, and the most probable ones."""
    # Not log_softmax, whose sum over a large vocabulary was seen to be 1e-5 off on the CPU.
    sums_T1 = logits_TV.logsumexp(-1, keepdim=True)
    ids_T1 = torch.tensor(token_ids, device=logits_TV.device)[:, None]
    chosen = (logits_TV.gather(1, ids_T1) - sums_T1)[:, 0].tolist()
    values, ids = logits_TV.topk(min(num_top, logits_TV.shape[1]))
    values = values - sums_T1
    return [
        TokenLogprobs(token_id, logprob, tuple(zip(top_ids, top_values, strict=True)))
        for token_id, logprob, top_ids, top_values in zip(
            token_ids, chosen, ids.tolist(), values.tolist(), strict=True
        )
    ]

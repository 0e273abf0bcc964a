"""What a pass says: the next token of each sequence, and what was asked about prompts.

Shapes: O rows whose states are wanted, T positions, D hidden, V vocab.
"""

# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

from collections.abc import Iterator
from collections.abc import Sequence as List

from torch import Tensor

from lodesmith.infer.interface import FinishReason, TokenLogprobs
from lodesmith.infer.runner import Runner
from lodesmith.infer.sampling import measure_logprobs
from lodesmith.infer.scheduler import Chunk
from lodesmith.infer.sequence import Sequence

_SCORED_AT_ONCE = 64  # positions whose logits exist together when a prompt is scored


Ended = tuple[Sequence, FinishReason]


def read_pass(runner: Runner, chunks: List[Chunk], states_OD: Tensor) -> Iterator[Ended]:
    """Tell each sequence what a pass says of it, and yield those that this ends."""
    chosen, rows, first = [], [], 0
    for chunk in chunks:
        sequence = chunk.sequence
        if sequence.must_read_all:
            first += chunk.count
            _look_at_prompt(runner, chunk, states_OD[first - chunk.count : first])
        elif chunk.is_last:
            first += 1
        if not chunk.is_last:
            continue
        if sequence.request.max_tokens == 0:
            yield sequence, FinishReason.LENGTH
            continue
        chosen.append(sequence)
        rows.append(first - 1)
    if chosen:
        # To index wakes PyTorch's threads, which then spin for a while where ours compute.
        all_rows = len(rows) == len(states_OD)
        yield from _choose(runner, chosen, states_OD if all_rows else states_OD[rows])


def _choose(runner: Runner, sequences: List[Sequence], states_OD: Tensor) -> Iterator[Ended]:
    """Give each sequence its next token."""
    logits_OV, best_ids = runner.logits(states_OD)
    for sequence, logits_V, best_id in zip(sequences, logits_OV, best_ids, strict=True):
        plain = sequence.sampler.is_plain_greedy
        token_id = best_id if plain else sequence.sampler.choose(logits_V)
        reason = sequence.take(token_id, _logprobs(sequence, logits_V, token_id))
        if reason is not None:
            yield sequence, reason


def _look_at_prompt(runner: Runner, chunk: Chunk, states_TD: Tensor) -> None:
    """Note what was asked about the tokens of a prompt; tell it once the prompt is whole."""
    sequence, request = chunk.sequence, chunk.sequence.request
    if request.score_prompt:
        _score(runner, sequence, states_TD, start=chunk.start)
    if request.pool_prompt:
        new_TD = states_TD[max(0, sequence.num_pooled - chunk.start) :]
        before_D = 0 if sequence.prompt_sum_D is None else sequence.prompt_sum_D
        sequence.prompt_sum_D = before_D + new_TD.float().sum(0)
        sequence.num_pooled += len(new_TD)
    if chunk.is_last:
        sequence.tell_about_prompt()


def _score(runner: Runner, sequence: Sequence, states_TD: Tensor, *, start: int) -> None:
    """Note how probable each token was that follows a position of this piece."""
    request = sequence.request
    done = len(sequence.prompt_logprobs)  # more than `start` if it gave its cache up once
    targets = request.input_ids[done + 1 : start + 1 + len(states_TD)]
    for first in range(0, len(targets), _SCORED_AT_ONCE):
        some = targets[first : first + _SCORED_AT_ONCE]
        at = done - start + first
        logits_TV, _ = runner.logits(states_TD[at : at + len(some)])
        scored = measure_logprobs(logits_TV, some, num_top=request.num_top_logprobs or 0)
        sequence.prompt_logprobs.extend(scored)


def _logprobs(sequence: Sequence, logits_V: Tensor, token_id: int) -> TokenLogprobs | None:
    num_top = sequence.request.num_top_logprobs
    if num_top is None:
        return None
    return measure_logprobs(logits_V[None], [token_id], num_top=num_top)[0]

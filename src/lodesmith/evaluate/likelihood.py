"""Log-likelihoods of token rows under a decoder: the one place where evaluation runs a model.

Rows of like length share a forward pass, and logits (the dearest part of a small model with a large
vocabulary) are computed only where a token is scored.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lodesmith.core.log import Progress
from lodesmith.model.decoder import Decoder

_TOKENS_PER_FORWARD = 2048
_LOGITS_PER_BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens of which those from `first` on are scored, each given all tokens before it."""

    input_ids: list[int]
    first: int  # at least 1: a row's first token has nothing before it

    @property
    def num_scored(self) -> int:
        """How many tokens are scored."""
        return len(self.input_ids) - self.first


def slide_windows(input_ids: list[int], *, window: int) -> list[Row]:
    """Return rows of at most `window` inputs that score each token after the first exactly once.

    A window starts half a window after the one before it, so that each token but those of the first
    window has at least `window // 2` tokens before it.

    >>> [(row.input_ids, row.first) for row in slide_windows([5, 6, 7, 8, 9, 10], window=4)]
    [([5, 6, 7, 8, 9], 1), ([7, 8, 9, 10], 3)]
    """
    stride = max(1, window // 2)
    rows = []
    scored = 1  # tokens before this one are scored, or are the first
    for start in range(0, len(input_ids), stride):
        end = min(start + window + 1, len(input_ids))
        if end > scored:
            rows.append(Row(input_ids=input_ids[start:end], first=scored - start))
            scored = end
    return rows


@torch.inference_mode()
def log_likelihoods(
    model: Decoder, rows: Sequence[Row], *, progress: Progress | None = None
) -> list[float]:
    """Return the natural log of each row's scored tokens' joint probability.

    The result does not depend on the order of the rows but for rounding.

    Args:
        model: on the device where it is to run.
        rows: tokens; none longer than the model's positions.
        progress: advanced by the tokens scored.
    """
    device = next(model.parameters()).device
    by_length = sorted(range(len(rows)), key=lambda index: (-len(rows[index].input_ids), index))
    results = [0.0] * len(rows)
    while by_length:
        width = len(rows[by_length[0]].input_ids)
        num_rows = max(1, _TOKENS_PER_FORWARD // width)
        batch, by_length = by_length[:num_rows], by_length[num_rows:]
        chosen = [rows[index] for index in batch]
        for index, value in zip(batch, _score(model, chosen, width, device), strict=True):
            results[index] = value
        if progress is not None:
            progress.advance(sum(row.num_scored for row in chosen))
    return results


def _score(model: Decoder, rows: list[Row], width: int, device: torch.device) -> list[float]:
    ids = torch.zeros(len(rows), width, dtype=torch.long)  # what pads the end is never looked at
    is_scored = torch.zeros(len(rows), width - 1, dtype=torch.bool)
    for number, row in enumerate(rows):
        ids[number, : len(row.input_ids)] = torch.tensor(row.input_ids)
        is_scored[number, row.first - 1 : len(row.input_ids) - 1] = True
    ids, is_scored = ids.to(device), is_scored.to(device)
    states = model.hidden(ids[:, :-1])[is_scored]  # scored tokens x hidden size
    losses = _losses(model, states, ids[:, 1:][is_scored])
    parts = torch.split(losses, [row.num_scored for row in rows])
    return [-float(part.double().sum()) for part in parts]


def _losses(model: Decoder, states: Tensor, targets: Tensor) -> Tensor:
    """Return -log p of each target, a block at a time to bound the memory that logits take."""
    losses = [
        torch.nn.functional.cross_entropy(
            model.logits(states[start : start + _LOGITS_PER_BLOCK]).float(),
            targets[start : start + _LOGITS_PER_BLOCK],
            reduction="none",
        )
        for start in range(0, len(targets), _LOGITS_PER_BLOCK)
    ]
    return torch.cat(losses)

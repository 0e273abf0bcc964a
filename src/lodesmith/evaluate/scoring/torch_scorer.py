"""Likelihoods in PyTorch: on GPUs, and of models that the kernels in C do not compute.

Rows that begin alike share what they begin with (see `shared_prefix`), groups of like width share a
forward pass, and logits (the dearest part of a small model with a large vocabulary) are computed
only where a token is scored, and once for all tokens that one state predicts.

Shapes: B groups, T tokens, P tokens before them all, N heads, K key and value heads, H head size.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lodesmith.evaluate.scoring.rows import Row
from lodesmith.evaluate.scoring.shared_prefix import Group, batches, shared_by_all
from lodesmith.model.decoder import Attend, Decoder, causal_attention

_TOKENS_PER_FORWARD = 2048
_LOGITS_PER_BLOCK = 1024

Layers = dict[int, tuple[Tensor, Tensor]]  # keys and values of the tokens before all rows, 1KPH


@dataclass(frozen=True, slots=True)
class _Head:
    """What all rows begin with, computed once."""

    num_tokens: int
    layers: Layers


class TorchScorer:
    """A scorer over a decoder, on the device where it lies."""

    def __init__(self, model: Decoder) -> None:
        self._model = model

    @torch.inference_mode()
    def score(self, groups: Sequence[Group]) -> Iterator[list[tuple[int, float]]]:
        """Yield the place and log-likelihood of all rows, some groups at a time."""
        head = _compute_head(self._model, groups)
        for batch in batches(groups, max_tokens=_TOKENS_PER_FORWARD, skipped=head.num_tokens):
            yield _score(self._model, batch, head)


def _compute_head(model: Decoder, groups: Sequence[Group]) -> _Head:
    """Return keys and values of what all rows begin with, of nothing if that is little."""
    num_tokens = shared_by_all(groups)
    layers: Layers = {}
    if not num_tokens:
        return _Head(0, layers)

    def keep(layer: int, q_BNTH: Tensor, k_BKTH: Tensor, v_BKTH: Tensor) -> Tensor:
        layers[layer] = (k_BKTH, v_BKTH)
        return causal_attention(layer, q_BNTH, k_BKTH, v_BKTH)

    ids = torch.tensor([groups[0].rows[0][1].input_ids[:num_tokens]])
    model.hidden(ids.to(_device(model)), attend=keep)
    return _Head(num_tokens, layers)


class _Layout:
    """Where the tokens of a batch lie: shared ones first, then the end of each row."""

    def __init__(self, groups: Sequence[Group], num_skipped: int) -> None:
        self.width = max(group.width for group in groups) - num_skipped
        shape = (len(groups), self.width)
        self.ids = torch.zeros(shape, dtype=torch.long)  # what pads the end is never looked at
        self.positions = torch.zeros(shape, dtype=torch.long)
        self.parts = torch.zeros(shape, dtype=torch.long)  # 0 what is shared, then one a row
        self.sources: list[int] = []  # states that predict, in the flattened batch
        self.targets: list[int] = []
        self.spans: list[tuple[int, list[tuple[int, int]]]] = []  # row, stretches of the targets
        for number, group in enumerate(groups):
            self._lay(number, group, num_skipped)

    def _lay(self, number: int, group: Group, num_skipped: int) -> None:
        shared, first_row = group.num_shared, group.rows[0][1]
        self._put(number, 0, first_row.input_ids[num_skipped:shared], num_skipped, part=0)
        base = number * self.width - num_skipped  # of the state of the token at place 0
        first = min(row.first for _, row in group.rows)
        self._predict(base, range(first, shared), first_row)  # once for all rows
        start_of_shared = len(self.targets) - max(shared - first, 0)
        place = shared - num_skipped
        for part, (index, row) in enumerate(group.rows, start=1):
            end = row.input_ids[shared:-1]
            self._put(number, place, end, shared, part=part)
            spans = [
                (start_of_shared + row.first - first, start_of_shared + max(shared - first, 0))
            ]
            begun = len(self.targets)
            if row.first <= shared:  # predicted by the last shared token
                self.sources.append(base + shared - 1)
                self.targets.append(row.input_ids[shared])
            own = number * self.width + place - shared
            self._predict(own, range(max(row.first, shared + 1), len(row.input_ids)), row)
            spans.append((begun, len(self.targets)))
            self.spans.append((index, spans if row.first < shared else spans[1:]))
            place += len(end)

    def _put(self, number: int, place: int, ids: list[int], position: int, *, part: int) -> None:
        where = slice(place, place + len(ids))
        self.ids[number, where] = torch.tensor(ids, dtype=torch.long)
        self.positions[number, where] = torch.arange(position, position + len(ids))
        self.parts[number, where] = part

    def _predict(self, base: int, places: range, row: Row) -> None:
        self.sources.extend(base + place - 1 for place in places)
        self.targets.extend(row.input_ids[place] for place in places)


def _score(model: Decoder, groups: Sequence[Group], head: _Head) -> list[tuple[int, float]]:
    """Return the place and log-likelihood of every row of these groups."""
    layout, device = _Layout(groups, head.num_tokens), _device(model)
    attend = _attend(layout, head, device)
    sources, places = torch.unique(torch.tensor(layout.sources), return_inverse=True)
    states = model.hidden_at(
        sources.to(device),
        layout.ids.to(device),
        position_ids_BT=layout.positions.to(device),
        attend=attend,
    )
    targets = torch.tensor(layout.targets, device=device)
    losses = _losses(model, states, places.to(device), targets).double()
    return [
        (place, -sum(float(losses[start:end].sum()) for start, end in spans))
        for place, spans in layout.spans
    ]


def _attend(layout: _Layout, head: _Head, device: torch.device) -> Attend:
    """Return attention to what all rows begin with, what a group shares, and a row's own end."""
    if not head.num_tokens and not bool(layout.parts.any()):
        return causal_attention
    parts_BT = layout.parts.to(device)
    width = layout.width
    causal_TT = torch.ones(width, width, dtype=torch.bool, device=device).tril()
    is_seen_BTT = (parts_BT[:, None] == 0) | (parts_BT[:, None] == parts_BT[:, :, None])
    mask_B1TS = F.pad(causal_TT & is_seen_BTT, (head.num_tokens, 0), value=True)[:, None]

    def attend(layer: int, q_BNTH: Tensor, k_BKTH: Tensor, v_BKTH: Tensor) -> Tensor:
        if head.num_tokens:
            before = (kept.expand(len(q_BNTH), -1, -1, -1) for kept in head.layers[layer])
            k_BKTH, v_BKTH = (
                torch.cat(pair, dim=2) for pair in zip(before, (k_BKTH, v_BKTH), strict=True)
            )
        grouped = q_BNTH.shape[1] != k_BKTH.shape[1]
        return F.scaled_dot_product_attention(
            q_BNTH, k_BKTH, v_BKTH, attn_mask=mask_B1TS, enable_gqa=grouped
        )

    return attend


def _losses(model: Decoder, states: Tensor, places: Tensor, targets: Tensor) -> Tensor:
    """Return -log p of each target, a block at a time to bound the memory that logits take.

    Args:
        model: makes logits of states.
        states: that predict something.
        places: which of them predicts each target.
        targets: tokens.
    """
    dtype = torch.promote_types(states.dtype, torch.float32)
    losses = torch.empty(len(targets), dtype=dtype, device=targets.device)
    for start in range(0, len(states), _LOGITS_PER_BLOCK):
        logits = model.logits(states[start : start + _LOGITS_PER_BLOCK]).to(dtype)
        is_here = (places >= start) & (places < start + _LOGITS_PER_BLOCK)
        here = places[is_here] - start, targets[is_here]
        losses[is_here] = logits.logsumexp(-1)[here[0]] - logits[here]
    return losses


def _device(model: Decoder) -> torch.device:
    return next(model.parameters()).device

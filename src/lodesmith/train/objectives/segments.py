"""Attention within the documents of packed rows, at the price of the documents and not of the rows.

A mask over whole rows computes T x T products a row and throws most of them away. The kernel of our
own skips what lies outside of documents. For torch's, which knows masks only, the tokens of each
document are laid out as a row of their own, documents of like length together, and each such
batch is attended to causally; what pads a document's end is seen by no token of it.

Shapes: B batch, T tokens, N query heads, K key and value heads, A heads of all three, H head size,
S documents of like length, W tokens of the longest of them, P all tokens.
"""
# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

import functools
from collections.abc import Iterator

import torch
from torch import Tensor

from lodesmith.model.attention import attend_from, starts_of_segments, suits_own_kernel
from lodesmith.model.decoder import Attend, causal_attention

_MIN_LENGTH_FRACTION = 0.7  # of the longest: shorter documents go into a batch of their own


def attend_within_segments(segment_ids_BT: Tensor) -> Attend:
    """Return causal attention in which tokens see only their own segment, a run of equal ids."""
    spans = _spans(segment_ids_BT)
    if len(spans) == len(segment_ids_BT):
        return causal_attention
    starts_BT = starts_of_segments(segment_ids_BT)
    lay_out = functools.cache(lambda: _lay_out(spans, device=segment_ids_BT.device))

    def attend(layer: int, q_BNTH: Tensor, k_BKTH: Tensor, v_BKTH: Tensor) -> Tensor:
        if suits_own_kernel(q_BNTH, k_BKTH, v_BKTH):
            return attend_from(starts_BT, q_BNTH, k_BKTH, v_BKTH)
        batches_SW, order_P = lay_out()
        heads = [q_BNTH.shape[1], k_BKTH.shape[1], v_BKTH.shape[1]]
        together = torch.cat((q_BNTH, k_BKTH, v_BKTH), dim=1).transpose(1, 2).flatten(0, 1)
        parts = []
        for places_SW in batches_SW:
            shape = (*places_SW.shape, *together.shape[1:])
            rows_SWAH = together.index_select(0, places_SW.flatten()).view(shape)
            q_SNWH, k_SKWH, v_SKWH = torch.split(rows_SWAH.transpose(1, 2), heads, dim=1)
            out_SNWH = causal_attention(layer, q_SNWH, k_SKWH, v_SKWH)
            parts.append(out_SNWH.transpose(1, 2).flatten(0, 1))
        out_PNH = torch.cat(parts).index_select(0, order_P)
        size, _, tokens, _ = q_BNTH.shape
        return out_PNH.view(size, tokens, *out_PNH.shape[1:]).transpose(1, 2)

    return attend


def _spans(segment_ids_BT: Tensor) -> list[tuple[int, int]]:
    """Return first place and length of every segment, in the flattened batch."""
    num_tokens = segment_ids_BT.shape[1]
    begins = torch.ones_like(segment_ids_BT, dtype=torch.bool)
    begins[:, 1:] = segment_ids_BT[:, 1:] != segment_ids_BT[:, :-1]
    starts = begins.flatten().nonzero().squeeze(1).tolist()
    ends = [*starts[1:], len(segment_ids_BT) * num_tokens]
    return [(start, end - start) for start, end in zip(starts, ends, strict=True)]


def _lay_out(spans: list[tuple[int, int]], *, device: torch.device) -> tuple[list[Tensor], Tensor]:
    """Return the places of each batch's tokens, and where every token lies in all of them."""
    batches, order, offset = [], torch.empty(sum(length for _, length in spans)).long(), 0
    for batch in _batches(spans):
        width = batch[0][1]
        within = torch.arange(width)
        starts, lengths = torch.tensor(batch).unsqueeze(-1).unbind(1)
        places_SW = starts + within.minimum(lengths - 1)  # the last token pads the end
        is_own = within < lengths
        order[places_SW[is_own]] = offset + torch.arange(places_SW.numel()).view_as(is_own)[is_own]
        batches.append(places_SW.to(device))
        offset += places_SW.numel()
    return batches, order.to(device)


def _batches(spans: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Yield segments of like length together, the longest first."""
    ordered = sorted(spans, key=lambda span: (-span[1], span[0]))
    while ordered:
        shortest = _MIN_LENGTH_FRACTION * ordered[0][1]
        size = sum(length >= shortest for _, length in ordered)
        yield ordered[:size]
        ordered = ordered[size:]

"""The training loss: summed cross entropy of the labels that count, and of no others.

Shapes: B batch, T tokens, D hidden, V vocab, L labels that count.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lodesmith.model.cross_entropy import NO_LABEL, CrossEntropy, cross_entropy
from lodesmith.model.decoder import Attend, Decoder, causal_attention
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.objectives.objective import NextToken, Objective
from lodesmith.train.objectives.segments import attend_within_segments

_NEXT_TOKEN = NextToken()
# The number of places is padded to a multiple of it: oneDNN compiles and keeps a kernel for each
# size of a product, which was seen to take a GB in 120 steps.
_PLACES = 128


def summed_loss(
    decoder: Decoder,
    batch: Batch,
    *,
    objective: Objective = _NEXT_TOKEN,
    dtype: torch.dtype = torch.float32,
    z_loss: float = 0.0,
    cross_entropy: CrossEntropy = cross_entropy,
    attend_within: Callable[[Tensor], Attend] = attend_within_segments,
) -> tuple[Tensor, int]:
    """Return the summed loss, and how many things it is a sum over.

    Logits, which are V wide, are computed only where a label counts.

    Args:
        decoder: gives the logits.
        batch: some sequences of a global batch.
        objective: what is summed; cross entropy in nats if it is the plain sum.
        dtype: of matrix products; the softmax is computed in float32.
        z_loss: weight of the squared log-normaliser of each label, which keeps logits small.
            Source: Chowdhery et al. 2022, arXiv:2204.02311, section 5.
        cross_entropy: the function of this name, or what a compiler made of it.
        attend_within: attention within segments, by their ids.
    """
    attend: Attend = causal_attention
    if batch.segment_ids is not None:
        attend = attend_within(batch.segment_ids)
    places: Tensor | None = None
    with torch.autocast(batch.input_ids.device.type, dtype, enabled=dtype != torch.float32):
        labels_L = batch.labels.flatten()
        if batch.loss_mask is None:
            x_LD = decoder.hidden(batch.input_ids, attend=attend).flatten(0, 1)
            logits_LV = decoder.logits(x_LD)
        else:
            places = batch.loss_mask.flatten().nonzero().squeeze(1)
            padded = F.pad(places, (0, -len(places) % _PLACES))
            x_LD = decoder.hidden_at(padded, batch.input_ids, attend=attend)
            labels_L = F.pad(labels_L[places], (0, len(padded) - len(places)), value=NO_LABEL)
            logits_LV = decoder.logits(x_LD)
    losses_L, normalisers_L = cross_entropy(logits_LV, labels_L)
    if objective.sums_labels:
        loss = losses_L.sum()
    else:
        losses_BT = _at_places(losses_L, places, batch.labels.shape)
        loss = objective.summed_loss(losses_BT, batch)
    if z_loss:
        loss = loss + z_loss * normalisers_L.square().sum()
    return loss, objective.count(batch)


def _at_places(values_L: Tensor, places_L: Tensor | None, shape: torch.Size) -> Tensor:
    """Return values where they belong in B x T, 0 elsewhere; those beyond the places are none."""
    if places_L is None:
        return values_L.view(shape)
    values_L = values_L[: len(places_L)]
    return values_L.new_zeros(shape.numel()).index_put((places_L,), values_L).view(shape)

"""The training loss: summed cross entropy of the labels that count, and of no others.

Shapes: B batch, T tokens, D hidden, V vocab, L labels that count.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from lodesmith.model.decoder import Attend, Decoder, causal_attention
from lodesmith.train.objectives.batch import Batch
from lodesmith.train.objectives.objective import NextToken, Objective
from lodesmith.train.objectives.segments import attend_within_segments

SumLabels = Callable[[Tensor, Tensor, float], Tensor]
"""(logits_LV, labels_L, z_loss) -> their summed loss."""

_NEXT_TOKEN = NextToken()
# The number of places is padded to a multiple of it: oneDNN compiles and keeps a kernel for each
# size of a product, which was seen to take a GB in 120 steps.
_PLACES = 128


def sum_labels(logits_LV: Tensor, labels_L: Tensor, z_loss: float) -> Tensor:
    """Return the summed cross entropy of labels in nats, and the z-loss."""
    logits_LV = logits_LV.float()
    loss = F.cross_entropy(logits_LV, labels_L, reduction="sum")
    return loss + _z_loss(logits_LV, z_loss) if z_loss else loss


def summed_loss(
    decoder: Decoder,
    batch: Batch,
    *,
    objective: Objective = _NEXT_TOKEN,
    dtype: torch.dtype = torch.float32,
    z_loss: float = 0.0,
    sum_labels: SumLabels = sum_labels,
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
        sum_labels: the function of this name, or what a compiler made of it.
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
            labels_L = labels_L.index_select(0, places)
            logits_LV = decoder.logits(x_LD)[: len(labels_L)]
    if objective.sums_labels:
        return sum_labels(logits_LV, labels_L, z_loss), objective.count(batch)
    logits_LV = logits_LV.float()
    losses_L = F.cross_entropy(logits_LV, labels_L, reduction="none")
    losses_BT = _at_places(losses_L, places, batch.labels.shape)
    loss = objective.summed_loss(losses_BT, batch)
    if z_loss:
        loss = loss + _z_loss(logits_LV, z_loss)
    return loss, objective.count(batch)


def _z_loss(logits_LV: Tensor, weight: float) -> Tensor:
    return weight * logits_LV.logsumexp(-1).square().sum()


def _at_places(values_L: Tensor, places_L: Tensor | None, shape: torch.Size) -> Tensor:
    """Return values where they belong in B x T, 0 elsewhere."""
    if places_L is None:
        return values_L.view(shape)
    return values_L.new_zeros(shape.numel()).index_put((places_L,), values_L).view(shape)

"""The training loss: summed cross entropy of the labels that count, and of no others.

Shapes: B batch, T tokens, D hidden, V vocab, L labels that count.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

import torch
import torch.nn.functional as F
from torch import Tensor

from lodesmith.model.decoder import Attend, Decoder, causal_attention
from lodesmith.train.loader import Batch


def summed_loss(
    decoder: Decoder, batch: Batch, *, dtype: torch.dtype = torch.float32
) -> tuple[Tensor, int]:
    """Return the summed cross entropy in nats, and how many labels it is of.

    Logits, which are V wide, are computed only where a label counts.

    Args:
        batch: some sequences of a global batch.
        dtype: of matrix products; the softmax is computed in float32.
    """
    attend: Attend = causal_attention
    if batch.segment_ids is not None:
        attend = attend_within_segments(batch.segment_ids)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        x_LD = decoder.hidden(batch.input_ids, attend=attend).flatten(0, 1)
        labels_L = batch.labels.flatten()
        if batch.loss_mask is not None:
            places = batch.loss_mask.flatten().nonzero().squeeze(1)
            x_LD, labels_L = x_LD.index_select(0, places), labels_L.index_select(0, places)
        logits_LV = decoder.logits(x_LD)
    loss = F.cross_entropy(logits_LV.float(), labels_L, reduction="sum")
    return loss, labels_L.numel()


def attend_within_segments(segment_ids_BT: Tensor) -> Attend:
    """Return causal attention in which tokens see only their own segment."""
    num_tokens = segment_ids_BT.shape[1]
    same_BTT = segment_ids_BT[:, :, None] == segment_ids_BT[:, None, :]
    causal_TT = torch.ones(num_tokens, num_tokens, dtype=torch.bool).tril()
    mask_B1TT = (same_BTT & causal_TT)[:, None]

    def attend(layer: int, q_BNTH: Tensor, k_BKTH: Tensor, v_BKTH: Tensor) -> Tensor:
        del layer
        grouped = q_BNTH.shape[1] != k_BKTH.shape[1]
        return F.scaled_dot_product_attention(
            q_BNTH, k_BKTH, v_BKTH, attn_mask=mask_B1TT, enable_gqa=grouped
        )

    return attend

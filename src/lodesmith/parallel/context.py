"""Context parallel: each rank holds some tokens of every sequence and sees all keys and values.

Causal attention costs more for later tokens, so each of the n ranks takes one chunk of 2n from the
head of the sequence and its mirror image from the tail. Keys and values are gathered before
attention; their gradients come back summed. Everything else in a layer acts on tokens alone.

Source: Grattafiori et al. 2024, arXiv:2407.21783, section 3.3.2 (pairs and gathered keys).

Shapes: B batch, T tokens, t this rank's, N query heads, K key and value heads, H head size.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

from lodesmith.model.decoder import Attend, causal_attention
from lodesmith.parallel.collectives import gather


def balanced_order(num_tokens: int, num_ranks: int) -> Tensor:
    """Return the places of tokens in the order in which the ranks hold them, rank by rank.

    >>> balanced_order(8, 2).tolist()
    [0, 1, 6, 7, 2, 3, 4, 5]
    """
    places = torch.arange(num_tokens)
    if num_ranks == 1:
        return places
    chunks = places.chunk(2 * num_ranks)
    pairs = [(chunks[rank], chunks[-1 - rank]) for rank in range(num_ranks)]
    return torch.cat([chunk for pair in pairs for chunk in pair])


def own_tokens(num_tokens: int, group: dist.ProcessGroup) -> Tensor:
    """Return the places of this rank's tokens."""
    num_ranks = dist.get_world_size(group)
    return balanced_order(num_tokens, num_ranks).chunk(num_ranks)[dist.get_rank(group)]


def attend_across_ranks(
    segment_ids_BT: Tensor | None,
    *,
    num_tokens: int,
    group: dist.ProcessGroup,
    device: torch.device,
) -> Attend:
    """Return causal attention over all ranks' tokens, each segment for itself.

    Args:
        segment_ids_BT: of whole sequences in their own order; None is one segment a row.
        num_tokens: T, of whole sequences.
        group: the ranks that share each sequence.
        device: that computes.
    """
    num_ranks = dist.get_world_size(group)
    if num_ranks == 1 and segment_ids_BT is None:
        return causal_attention
    keys_T = balanced_order(num_tokens, num_ranks).to(device)
    queries_t = own_tokens(num_tokens, group).to(device)
    mask = (queries_t[:, None] >= keys_T[None, :])[None, None]
    if segment_ids_BT is not None:
        same = segment_ids_BT[:, queries_t][:, :, None] == segment_ids_BT[:, keys_T][:, None, :]
        mask = mask & same[:, None]

    def attend(layer: int, q_BNtH: Tensor, k_BKtH: Tensor, v_BKtH: Tensor) -> Tensor:
        del layer
        if num_ranks > 1:
            k_BKtH = gather(k_BKtH, dim=2, group=group)
            v_BKtH = gather(v_BKtH, dim=2, group=group)
        grouped = q_BNtH.shape[1] != k_BKtH.shape[1]
        return F.scaled_dot_product_attention(
            q_BNtH, k_BKtH, v_BKtH, attn_mask=mask, enable_gqa=grouped
        )

    return attend

"""The model's forward passes over the key-value cache: read a piece of a prompt, or one step.

The decoder knows nothing of a cache; it is given an attention function that stores the new keys
and values and attends over the stored ones.

Shapes: B running rows, T new tokens, D hidden, V vocab, N heads, K key-value heads, G heads that
share a key-value head (N = K x G), S cached positions, H head size.
"""

# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from lodesmith.infer.cache import KeyValueCache
from lodesmith.model.decoder import Decoder


class Runner:
    """A decoder with its cache."""

    def __init__(self, decoder: Decoder, cache: KeyValueCache) -> None:
        self.decoder, self.cache = decoder, cache

    def read_prompt(self, input_ids: Sequence[int], *, row: int, start: int) -> Tensor:
        """Return the hidden states x_TD of a piece of a prompt, which goes into the cache.

        Args:
            input_ids: the piece.
            row: the sequence's row.
            start: position of the piece's first token; all before it are in the cache.
        """
        cache, end = self.cache, start + len(input_ids)
        input_ids_1T = torch.tensor([input_ids], device=cache.device)
        positions_1T = torch.arange(start, end, device=cache.device)[None]
        seen_S = torch.arange(end, device=cache.device)
        mask_TS = None if start == 0 else seen_S[None] <= positions_1T[0, :, None]

        def attend(layer: int, q_1NTH: Tensor, k_1KTH: Tensor, v_1KTH: Tensor) -> Tensor:
            cache.write_prompt(layer, k_1KTH[0], v_1KTH[0], row=row, start=start)
            return scaled_dot_product_attention(
                q_1NTH,
                cache.keys_RKSH[layer][row : row + 1, :, :end],
                cache.values_RKSH[layer][row : row + 1, :, :end],
                attn_mask=mask_TS,
                is_causal=mask_TS is None,
                enable_gqa=True,
            )

        x_1TD = self.decoder.hidden(input_ids_1T, position_ids_BT=positions_1T, attend=attend)
        return x_1TD[0]

    def step(self, input_ids: Sequence[int], lengths: Sequence[int]) -> Tensor:
        """Return the logits_BV after one more token in each of the rows 0 .. B-1.

        Args:
            input_ids: each row's newest token, not in the cache yet.
            lengths: how many tokens of each row the cache holds.
        """
        cache, longest = self.cache, max(lengths) + 1
        input_ids_B1 = torch.tensor(input_ids, device=cache.device)[:, None]
        positions_B = torch.tensor(lengths, device=cache.device)
        rows_B = torch.arange(len(lengths), device=cache.device)
        seen_S = torch.arange(longest, device=cache.device)
        # The heads of one group read the same keys, so they stand where queries of several
        # positions would: one product for the group, and no copy of the keys for each head.
        mask_B11S = (seen_S[None] <= positions_B[:, None])[:, None, None]

        def attend(layer: int, q_BN1H: Tensor, k_BK1H: Tensor, v_BK1H: Tensor) -> Tensor:
            cache.write_step(
                layer, k_BK1H[:, :, 0], v_BK1H[:, :, 0], rows_B=rows_B, positions_B=positions_B
            )
            keys_BKSH = cache.keys_RKSH[layer][: len(lengths), :, :longest]
            values_BKSH = cache.values_RKSH[layer][: len(lengths), :, :longest]
            num_rows, num_heads, _, head_dim = q_BN1H.shape
            q_BKGH = q_BN1H.reshape(num_rows, keys_BKSH.shape[1], -1, head_dim)
            out_BKGH = scaled_dot_product_attention(
                q_BKGH, keys_BKSH, values_BKSH, attn_mask=mask_B11S
            )
            return out_BKGH.reshape(num_rows, num_heads, 1, head_dim)

        x_B1D = self.decoder.hidden(
            input_ids_B1, position_ids_BT=positions_B[:, None], attend=attend
        )
        return self.logits(x_B1D[:, 0])

    def logits(self, x_TD: Tensor) -> Tensor:
        """Return the logits_TV of hidden states, in fp32 whatever the weights are."""
        logits_TV: Tensor = self.decoder.logits(x_TD)
        return logits_TV.float()

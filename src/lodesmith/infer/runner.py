"""Passes through the model over the paged cache: what a runner is, and the one in PyTorch.

The decoder knows nothing of a cache; it is given an attention function that stores the new keys
and values and attends over the stored ones.

Shapes: R rows of a pass, S sequences, M blocks of a sequence, O rows whose states are wanted,
B sequences with one row, P positions that they see, T rows of one sequence, D hidden, V vocab,
N heads, K key-value heads, G heads that share a key-value head (N = K x G), C slots of the cache,
H head size.
"""

# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

from collections.abc import Sequence as List
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from lodesmith.core.errors import UserError
from lodesmith.infer.scheduler import Chunk
from lodesmith.model.decoder import Decoder
from lodesmith.model.lora import Adapter
from lodesmith.native.decoder import Pass


class Runner(Protocol):
    """Computes states and scores of tokens; one thread at a time."""

    @property
    def block_size(self) -> int:
        """Positions of a block of the cache."""

    def run(self, now: Pass) -> Tensor:
        """Return the states_OD after the final norm, keys and values of all rows kept."""

    def take_adapter(self, adapter: Adapter) -> object:
        """Return an adapter in the form in which passes name it.

        Raises:
            UserError: it does not fit the model, or this runner knows no adapters.
        """

    def logits(self, states_OD: Tensor) -> tuple[Tensor, List[int]]:
        """Return the logits_OV in fp32 on any device, and the most probable token of each row."""


def lay_out_pass(chunks: List[Chunk], *, block_size: int) -> Pass:
    """Return chunks as one pass, with states where tokens are chosen or a prompt is looked at."""
    ids: list[int] = []
    positions: list[int] = []
    out_rows: list[int] = []
    starts = [0]
    width = max(-(-(chunk.start + chunk.count) // block_size) for chunk in chunks)
    tables_SM = np.zeros((len(chunks), width), np.int32)
    for index, chunk in enumerate(chunks):
        sequence, end = chunk.sequence, chunk.start + chunk.count
        num_blocks = -(-end // block_size)
        tables_SM[index, :num_blocks] = sequence.blocks[:num_blocks]
        first = len(ids)
        ids.extend(sequence.tokens[chunk.start : end])
        positions.extend(range(chunk.start, end))
        starts.append(len(ids))
        if sequence.must_read_all:
            out_rows.extend(range(first, len(ids)))
        elif chunk.is_last:
            out_rows.append(len(ids) - 1)
    arrays = (np.array(values, np.int32) for values in (ids, positions, starts, out_rows))
    ids_R, positions_R, starts_S, out_rows_O = arrays
    return Pass(ids_R=ids_R, positions_R=positions_R, starts_S=starts_S, tables_SM=tables_SM,
                out_rows_O=out_rows_O,
                adapters=[chunk.sequence.adapter for chunk in chunks])  # fmt: skip


class TorchRunner:
    """A runner in PyTorch: for GPUs, and for models that the one in C does not compute."""

    def __init__(self, decoder: Decoder, *, num_blocks: int, block_size: int) -> None:
        weight, config = decoder.output_weight, decoder.config
        self.decoder, self._block_size, self.device = decoder, block_size, weight.device
        shape = (
            config.num_hidden_layers, num_blocks * block_size, config.num_key_value_heads,
            config.head_dim,
        )  # fmt: skip
        # Zeros and not whatever was there: attention multiplies masked values by zero, and NaN
        # times zero is NaN.
        self.keys_CKH = torch.zeros(shape, dtype=weight.dtype, device=self.device).unbind(0)
        self.values_CKH = torch.zeros(shape, dtype=weight.dtype, device=self.device).unbind(0)

    @property
    def block_size(self) -> int:
        """Positions of a block of the cache."""
        return self._block_size

    def run(self, now: Pass) -> Tensor:
        """Return the states_OD after the final norm, keys and values of all rows kept."""
        attention = _PagedAttention(self, now)
        ids_1R = torch.from_numpy(now.ids_R).to(self.device)[None]
        x_1RD = self.decoder.hidden(
            ids_1R, position_ids_BT=attention.positions_R[None], attend=attention.attend
        )
        return x_1RD[0, torch.from_numpy(now.out_rows_O).to(self.device)]

    def take_adapter(self, adapter: Adapter) -> object:
        """Refuse an adapter.

        Raises:
            UserError: always.
        """
        del adapter
        raise UserError(
            "adapters are applied to dense models in fp32 on the CPU; merge this one into its base"
        )

    def logits(self, states_OD: Tensor) -> tuple[Tensor, List[int]]:
        """Return the logits_OV in fp32, and the most probable token of each row."""
        logits_OV: Tensor = self.decoder.logits(states_OD).float()
        return logits_OV, logits_OV.argmax(-1).tolist()


class _PagedAttention:
    """Attention of one pass: rows that stand alone together, longer pieces one by one."""

    def __init__(self, runner: TorchRunner, now: Pass) -> None:
        self.runner, device = runner, runner.device
        self.positions_R = torch.from_numpy(now.positions_R).to(device)
        self.starts = now.starts_S.tolist()
        size = runner.block_size
        lanes = torch.arange(size, device=device)
        tables_SM = torch.from_numpy(now.tables_SM).to(device)
        self.slots_SP = (tables_SM[..., None] * size + lanes).flatten(1)
        sequence_R = torch.repeat_interleave(
            torch.arange(len(self.starts) - 1, device=device),
            torch.from_numpy(np.diff(now.starts_S)).to(device),
        )
        self.new_slots_R = self.slots_SP[sequence_R, self.positions_R]
        counts = np.diff(now.starts_S)
        self.single = torch.from_numpy(np.flatnonzero(counts == 1)).to(device)
        self.longer = np.flatnonzero(counts > 1).tolist()
        self.single_rows = torch.from_numpy(now.starts_S[:-1][counts == 1]).to(device)

    def attend(self, layer: int, q_1NRH: Tensor, k_1KRH: Tensor, v_1KRH: Tensor) -> Tensor:
        """Store a layer's keys and values, and return what the heads read."""
        keys_CKH, values_CKH = self.runner.keys_CKH[layer], self.runner.values_CKH[layer]
        keys_CKH.index_copy_(0, self.new_slots_R, k_1KRH[0].transpose(0, 1))
        values_CKH.index_copy_(0, self.new_slots_R, v_1KRH[0].transpose(0, 1))
        out_1NRH = torch.empty_like(q_1NRH)
        if len(self.single):
            self._attend_singles(q_1NRH, keys_CKH, values_CKH, out_1NRH)
        for sequence in self.longer:
            self._attend_piece(sequence, q_1NRH, keys_CKH, values_CKH, out_1NRH)
        return out_1NRH

    def _attend_singles(self, q_1NRH: Tensor, keys: Tensor, values: Tensor, out: Tensor) -> None:
        positions_B = self.positions_R[self.single_rows]
        longest = int(positions_B.max()) + 1
        slots_BP = self.slots_SP[self.single, :longest]
        k_BKPH, v_BKPH = (store[slots_BP].transpose(1, 2) for store in (keys, values))
        seen_P = torch.arange(longest, device=keys.device)
        mask_B11P = (seen_P[None] <= positions_B[:, None])[:, None, None]
        q_BNH = q_1NRH[0, :, self.single_rows].transpose(0, 1)
        # The heads of one group read the same keys, so they stand where queries of several
        # positions would: one product for the group, and no copy of the keys for each head.
        q_BKGH = q_BNH.reshape(len(q_BNH), k_BKPH.shape[1], -1, q_BNH.shape[-1])
        out_BKGH = scaled_dot_product_attention(q_BKGH, k_BKPH, v_BKPH, attn_mask=mask_B11P)
        out[0, :, self.single_rows] = out_BKGH.reshape(q_BNH.shape).transpose(0, 1)

    def _attend_piece(
        self, sequence: int, q_1NRH: Tensor, keys: Tensor, values: Tensor, out: Tensor
    ) -> None:
        first, end = self.starts[sequence], self.starts[sequence + 1]
        positions_T = self.positions_R[first:end]
        length = int(positions_T[-1]) + 1
        slots_P = self.slots_SP[sequence, :length]
        mask_TP = None
        if length > end - first:
            seen_P = torch.arange(length, device=keys.device)
            mask_TP = seen_P[None] <= positions_T[:, None]
        out[:, :, first:end] = scaled_dot_product_attention(
            q_1NRH[:, :, first:end],
            keys[slots_P].transpose(0, 1)[None],
            values[slots_P].transpose(0, 1)[None],
            attn_mask=mask_TP,
            is_causal=mask_TP is None,
            enable_gqa=True,
        )

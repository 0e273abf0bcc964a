"""The key-value cache: what attention needs of all earlier tokens, one row for each sequence.

The rows are as long as the longest sequence may be, and laid out once. On the CPU their memory is
mapped and zero, and costs nothing until it is written to, so a long `max_model_len` is free while
the sequences are short.

Shapes: L layers, R rows, K key-value heads, S cached positions, H head size, B running rows,
T new tokens.
"""

# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from lodesmith.model.config import DecoderConfig


class KeyValueCache:
    """Keys and values of all layers and rows."""

    def __init__(
        self,
        config: DecoderConfig,
        *,
        num_rows: int,
        max_model_len: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        shape = (
            config.num_hidden_layers, num_rows, config.num_key_value_heads, max_model_len,
            config.head_dim,
        )  # fmt: skip
        self._keys_LRKSH = _zeros(shape, dtype=dtype, device=device)
        self._values_LRKSH = _zeros(shape, dtype=dtype, device=device)
        self.keys_RKSH = self._keys_LRKSH.unbind(0)  # by layer
        self.values_RKSH = self._values_LRKSH.unbind(0)
        self.num_rows, self.max_model_len, self.device = num_rows, max_model_len, device

    def write_prompt(
        self, layer: int, k_KTH: Tensor, v_KTH: Tensor, *, row: int, start: int
    ) -> None:
        """Store a piece of one row's prompt from position `start` on."""
        end = start + k_KTH.shape[1]
        self.keys_RKSH[layer][row, :, start:end] = k_KTH
        self.values_RKSH[layer][row, :, start:end] = v_KTH

    def write_step(
        self, layer: int, k_BKH: Tensor, v_BKH: Tensor, *, rows_B: Tensor, positions_B: Tensor
    ) -> None:
        """Store one new token of each of several rows."""
        self.keys_RKSH[layer][rows_B, :, positions_B] = k_BKH
        self.values_RKSH[layer][rows_B, :, positions_B] = v_BKH

    def move(self, moves: Sequence[tuple[int, int]], *, length: int) -> None:
        """Copy the first `length` positions of rows, in the order given."""
        for source, target in moves:
            for store_LRKSH in (self._keys_LRKSH, self._values_LRKSH):
                store_LRKSH[:, target, :, :length] = store_LRKSH[:, source, :, :length]


def _zeros(shape: tuple[int, ...], *, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return zeros; on the CPU from calloc, whose pages exist only once they are written to.

    Zeros and not whatever was there: attention multiplies masked values by zero, and NaN times
    zero is NaN.
    """
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    num_bytes = math.prod(shape) * dtype.itemsize
    return torch.from_numpy(np.zeros(num_bytes, dtype=np.uint8)).view(dtype).view(shape)

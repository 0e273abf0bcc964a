"""Frozen matrices in 4 bits, for an adapter to be trained beside them (QLoRA).

bitsandbytes rounds 64 weights at a time to 16 quantiles of the normal distribution ("nf4"), and
the scales of these blocks to 8 bits: 4.13 bits a weight. A matrix is made whole again for each
product, forward and backward, so that neither keeps more than the 4 bits.

Source: Dettmers et al. 2023, arXiv:2305.14314, section 3.
"""

import functools
import importlib
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 the house's name for it
from torch import Tensor, nn

from lodesmith.model.checkpoint import read_config, read_weights
from lodesmith.model.decoder import Decoder


class QuantizedLinear(nn.Module):
    """A linear map whose matrix is never trained and held in 4 bits."""

    def __init__(self, weight: Tensor) -> None:
        """Quantise a matrix, where it lies; products are computed in its dtype or wider."""
        super().__init__()
        self.out_features, self.in_features = weight.shape
        self._packed, self._state = _library().quantize_4bit(
            weight.contiguous(), quant_type="nf4", compress_statistics=True
        )

    def whole(self, dtype: torch.dtype) -> Tensor:
        """Return the matrix, as rounding left it."""
        return cast("Tensor", _library().dequantize_4bit(self._packed, self._state)).to(dtype)

    def forward(self, x: Tensor) -> Tensor:
        """Return x mapped by the matrix."""
        if torch.is_autocast_enabled(x.device.type):
            x = x.to(torch.get_autocast_dtype(x.device.type))
        return cast("Tensor", _Product.apply(x, self))  # type: ignore[no-untyped-call]


class _Product(torch.autograd.Function):
    """x W^T, of which only the map is kept for the way back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, linear: QuantizedLinear) -> Tensor:
        ctx.linear = linear
        return F.linear(x, linear.whole(x.dtype))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0] @ ctx.linear.whole(gradients[0].dtype), None


def load_quantized_decoder(folder: Path, *, dtype: torch.dtype, device: str) -> Decoder:
    """Return the decoder of a folder with the matrices of its layers in 4 bits.

    They are read and rounded one at a time: no more than one is whole at any moment. Embedding,
    output matrix, norms, and experts with their router stay as they are.

    Args:
        folder: as for `load_decoder`.
        dtype: of the layers' products.
        device: where all of it is to lie.

    Raises:
        UserError: as `load_decoder`.
        DamagedArtifactError: as `load_decoder`.
    """
    with torch.device("meta"):
        decoder = Decoder(read_config(folder))
    for name, weight in read_weights(folder):
        owner = name.rpartition(".")[0]
        if _is_matrix(decoder, owner):
            decoder.set_submodule(owner, QuantizedLinear(weight.to(device, dtype)))
        else:
            whole = weight.to(device, torch.float32, copy=True)
            decoder.load_state_dict({name: whole}, strict=False, assign=True)
    return decoder


def _is_matrix(decoder: Decoder, name: str) -> bool:
    """Tell whether a part is a matrix of attention or feed-forward, and no router."""
    is_inside = name.startswith("model.layers.") and not name.endswith(".gate")
    return is_inside and isinstance(decoder.get_submodule(name), nn.Linear)


@functools.cache
def _library() -> ModuleType:
    """Return bitsandbytes' functions.

    Where the package `kernels` is there, importing it (0.50.2: backends/cpu/ops.py) fetches a
    kernel from a hub, and warns where not; here it finds no such package and is silent.
    """
    hidden, before = sys.modules.get("kernels"), logging.root.manager.disable
    sys.modules["kernels"] = cast("ModuleType", None)
    logging.disable(logging.WARNING)
    try:
        return importlib.import_module("bitsandbytes.functional")
    finally:
        logging.disable(before)
        del sys.modules["kernels"]
        if hidden is not None:
            sys.modules["kernels"] = hidden

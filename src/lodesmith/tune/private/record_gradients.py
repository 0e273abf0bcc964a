"""The gradient of an adapter for each record by itself.

A map with an adapter gives W x + s B (A x); only A and B learn. When a batch goes backward, the
gradient of each record is formed beside that of the map's input, at the cost that one gradient for
the whole batch has; embeddings are frozen, so that it does not matter whether they are tied.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1 (LoRA); Abadi et al. 2016, arXiv:1607.00133,
algorithm 1 (gradients cut for each record, noise on their sum).

Shapes: B records, T tokens, I input size, O output size, R rank.
"""
# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lodesmith.model.decoder import Decoder
from lodesmith.model.lora import LoraLinear


class RecordProduct:
    """What stands beside one map, keeping each record's gradient of A and B."""

    def __init__(self, module: LoraLinear) -> None:
        self.weights = (module.lora_A, module.lora_B)
        self.gradients: tuple[Tensor, Tensor] | None = None  # of A and B, records first

    def __call__(self, x_BTI: Tensor, a_RI: Tensor, b_OR: Tensor) -> Tensor:
        """Return B (A x)."""
        return _Product.apply(x_BTI, a_RI, b_OR, self)  # type: ignore[no-untyped-call,no-any-return]


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x_BTI: Tensor, a_RI: Tensor, b_OR: Tensor, keeper: RecordProduct
    ) -> Tensor:
        low_BTR = x_BTI @ a_RI.T
        ctx.save_for_backward(x_BTI, low_BTR, a_RI, b_OR)
        ctx.keeper = keeper
        return low_BTR @ b_OR.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        x_BTI, low_BTR, a_RI, b_OR = ctx.saved_tensors
        g_BTO = gradients[0]
        g_BTR = g_BTO @ b_OR
        ctx.keeper.gradients = (
            torch.bmm(g_BTR.transpose(1, 2), x_BTI),
            torch.bmm(g_BTO.transpose(1, 2), low_BTR),
        )
        return g_BTR @ a_RI, None, None, None


def watch_records(decoder: Decoder) -> list[RecordProduct]:
    """Let every adapter of a decoder keep its records' gradients; return what keeps them."""
    products = []
    for module in decoder.modules():
        if isinstance(module, LoraLinear):
            module.product = RecordProduct(module)
            products.append(module.product)
    return products


def clip_and_sum(products: Sequence[RecordProduct], *, max_norm: float) -> list[Tensor]:
    """Return the sum over records of their gradients, each cut to `max_norm`; A and B by turns."""
    gradients = [gradient for product in products for gradient in product.gradients or ()]
    squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients])
    factors = (max_norm / squares.sum(0).sqrt().clamp(min=1e-12)).clamp(max=1.0)
    for product in products:
        product.gradients = None
    return [torch.einsum("b,bij->ij", factors, gradient) for gradient in gradients]

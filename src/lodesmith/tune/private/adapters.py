"""Low-rank adapters whose gradient is known for each record by itself.

A layer with an adapter gives W x + s B (A x); only A and B learn. When a batch goes backward, the
gradient of each record is formed beside that of its input, at the cost that one gradient for the
whole batch has; embeddings are frozen, so that it does not matter whether they are tied.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1 (LoRA); Abadi et al. 2016, arXiv:1607.00133,
algorithm 1 (gradients cut for each record, noise on their sum).

Shapes: B records, T tokens, I input size, O output size, R rank.
"""
# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lodesmith.model.decoder import Decoder


class _Low(torch.autograd.Function):
    """s B (A x), which leaves the gradients of each record with the adapter."""

    @staticmethod
    def forward(ctx: Any, x_BTI: Tensor, a_RI: Tensor, b_OR: Tensor, adapter: "Adapter") -> Tensor:
        low_BTR = x_BTI @ a_RI.T
        ctx.save_for_backward(x_BTI, low_BTR, a_RI, b_OR)
        ctx.adapter = adapter
        return adapter.scale * (low_BTR @ b_OR.T)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        x_BTI, low_BTR, a_RI, b_OR = ctx.saved_tensors
        g_BTO = gradients[0] * ctx.adapter.scale
        g_BTR = g_BTO @ b_OR
        ctx.adapter.record_gradients = (
            torch.bmm(g_BTR.transpose(1, 2), x_BTI),
            torch.bmm(g_BTO.transpose(1, 2), low_BTR),
        )
        return g_BTR @ a_RI, None, None, None


class Adapter(nn.Module):
    """A frozen linear layer and what is learnt beside it."""

    def __init__(
        self, base: nn.Linear, *, rank: int, alpha: float, generator: torch.Generator
    ) -> None:
        """Begin as the layer itself: B is zero."""
        super().__init__()
        self.base, self.scale = base, alpha / rank
        a = torch.empty(rank, base.in_features)
        bound = 1 / math.sqrt(base.in_features)
        self.a = nn.Parameter(a.uniform_(-bound, bound, generator=generator))
        self.b = nn.Parameter(torch.zeros(base.out_features, rank))
        self.by_record = True  # plain gradients, for comparison, if not
        self.record_gradients: tuple[Tensor, Tensor] | None = None  # of A and B, B first

    def forward(self, x: Tensor) -> Tensor:
        """Return what the layer and the adapter say of x."""
        out: Tensor = self.base(x)
        if self.by_record:
            return out + _Low.apply(x, self.a, self.b, self)  # type: ignore[no-untyped-call,no-any-return]
        return out + self.scale * (x @ self.a.T @ self.b.T)

    @torch.no_grad()
    def merge(self) -> nn.Linear:
        """Return the layer with the adapter added to its weight."""
        self.base.weight += self.scale * (self.b @ self.a)
        return self.base


def attach(
    decoder: Decoder, *, targets: Sequence[str], rank: int, alpha: float, seed: int
) -> list[Adapter]:
    """Freeze a decoder and put adapters into the layers of these names; return them."""
    decoder.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    adapters = []
    for owner, name in _places(decoder, targets):
        adapter = Adapter(getattr(owner, name), rank=rank, alpha=alpha, generator=generator)
        setattr(owner, name, adapter)
        adapters.append(adapter)
    return adapters


def merge(decoder: Decoder) -> None:
    """Add every adapter to the layer that it stands beside."""
    for owner in list(decoder.modules()):
        for name, child in list(owner.named_children()):
            if isinstance(child, Adapter):
                setattr(owner, name, child.merge())


def clip_and_sum(adapters: Sequence[Adapter], *, max_norm: float) -> list[Tensor]:
    """Return the sum over records of their gradients, each cut to `max_norm`; A and B by turns."""
    gradients = [gradient for adapter in adapters for gradient in adapter.record_gradients or ()]
    squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients])
    factors = (max_norm / squares.sum(0).sqrt().clamp(min=1e-12)).clamp(max=1.0)
    for adapter in adapters:
        adapter.record_gradients = None
    return [torch.einsum("b,bij->ij", factors, gradient) for gradient in gradients]


def _places(decoder: Decoder, targets: Sequence[str]) -> Iterator[tuple[nn.Module, str]]:
    for layer in decoder.model.layers:
        for owner in list(layer.modules()):
            for name, child in list(owner.named_children()):
                if name in targets and isinstance(child, nn.Linear):
                    yield owner, name

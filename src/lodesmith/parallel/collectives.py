"""Collectives with gradients that are finished when they return.

A result that is still on its way must never enter a compiled block: there its gradient was seen to
vanish silently while the loss stayed right. So each of these waits, forward and backward.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

# Operators, not the Python functions around them: those were renamed between torch 2.11 and 2.13.
_OPS = torch.ops._c10d_functional


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int, group: dist.ProcessGroup) -> Tensor:
        ctx.dim, ctx.group = dim, group
        return gather_without_gradient(x, dim, group)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return _scatter_sum(grad, ctx.dim, ctx.group), None, None


class _ScatterSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, dim: int, group: dist.ProcessGroup) -> Tensor:
        ctx.dim, ctx.group = dim, group
        return _scatter_sum(x, dim, group)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return gather_without_gradient(grad, ctx.dim, ctx.group), None, None


def gather(x: Tensor, *, dim: int, group: dist.ProcessGroup) -> Tensor:
    """Return the ranks' tensors joined along a dim; gradients are summed over the ranks."""
    out: Tensor = _Gather.apply(x, dim, group)  # type: ignore[no-untyped-call]
    return out


def scatter_sum(x: Tensor, *, dim: int, group: dist.ProcessGroup) -> Tensor:
    """Return this rank's slice of the sum of the ranks' tensors."""
    out: Tensor = _ScatterSum.apply(x, dim, group)  # type: ignore[no-untyped-call]
    return out


def gather_without_gradient(x: Tensor, dim: int, group: dist.ProcessGroup) -> Tensor:
    """Return the ranks' tensors joined along a dim, as data."""
    gathered = _OPS.all_gather_into_tensor(x.contiguous(), group.size(), group.group_name)
    return torch.cat(_OPS.wait_tensor(gathered).chunk(group.size()), dim)


def _scatter_sum(x: Tensor, dim: int, group: dist.ProcessGroup) -> Tensor:
    parts = torch.cat(x.chunk(group.size(), dim))
    scattered = _OPS.reduce_scatter_tensor(parts, "sum", group.size(), group.group_name)
    out: Tensor = _OPS.wait_tensor(scattered)
    return out

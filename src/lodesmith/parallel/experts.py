"""Expert parallel: each rank holds some experts, and tokens travel to theirs and back.

Rows come sorted by expert, so what goes to a rank is one run of them. How many they are is known
only when the router has chosen, so counts travel first and the rows' exchange is uneven. A rank
then holds rows sorted by sender, and sorts them by expert; no row is ever dropped or padded.

Source: Lepikhin et al. 2020, arXiv:2006.16668, section 3.2, without its capacity.

Shapes: E experts, e this rank's, P ranks, R rows, r rows of this rank's experts, D hidden.
"""
# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Shard

from lodesmith.model.moe import Experts, apply_experts
from lodesmith.parallel.tensor import local_weight, placed_weight


class SpreadExperts(Experts):
    """Experts of which each rank holds the same number."""

    def __init__(self, experts: Experts, *, mesh: DeviceMesh) -> None:
        nn.Module.__init__(self)
        self.gate_proj = placed_weight(experts.gate_proj, mesh, Shard(0))
        self.up_proj = placed_weight(experts.up_proj, mesh, Shard(0))
        self.down_proj = placed_weight(experts.down_proj, mesh, Shard(0))
        self.group = mesh.get_group()

    # The sizes of the exchange are data: a graph compiled around them would be cut here anyway.
    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def forward(self, x_RD: Tensor, counts_E: Tensor) -> Tensor:
        """Return each row as its expert transforms it, wherever that expert lives."""
        counts_PE = counts_E.view(self.group.size(), -1)
        arriving_Pe = torch.empty_like(counts_PE)
        dist.all_to_all_single(arriving_Pe, counts_PE.contiguous(), group=self.group)
        sent, received = counts_PE.sum(1).tolist(), arriving_Pe.sum(1).tolist()
        rows_rD = _exchange(x_RD, sent, received, self.group)
        num_experts = arriving_Pe.shape[1]
        experts = torch.arange(num_experts, device=x_RD.device).repeat(self.group.size())
        order_r = experts.repeat_interleave(arriving_Pe.flatten()).argsort(stable=True)
        weights = [local_weight(w) for w in (self.gate_proj, self.up_proj, self.down_proj)]
        counts = arriving_Pe.sum(0).tolist()
        said_rD = apply_experts(rows_rD[order_r], counts, weights[0], weights[1], weights[2])
        return _exchange(said_rD[order_r.argsort()], received, sent, self.group)


class _Exchange(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: Tensor, sent: list[int], received: list[int], group: dist.ProcessGroup
    ) -> Tensor:
        ctx.sent, ctx.received, ctx.group = sent, received, group
        out = x.new_empty(sum(received), *x.shape[1:])
        dist.all_to_all_single(out, x.contiguous(), received, sent, group=group)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        out = grad.new_empty(sum(ctx.sent), *grad.shape[1:])
        dist.all_to_all_single(out, grad.contiguous(), ctx.sent, ctx.received, group=ctx.group)
        return out, None, None, None


def _exchange(x: Tensor, sent: list[int], received: list[int], group: dist.ProcessGroup) -> Tensor:
    """Return the rows that the ranks of a group sent here, rank by rank."""
    out: Tensor = _Exchange.apply(x, sent, received, group)  # type: ignore[no-untyped-call]
    return out

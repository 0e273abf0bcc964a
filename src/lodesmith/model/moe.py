"""A mixture of experts in the place of a feed-forward layer: each token is read by a few of many.

The router's probabilities choose a token's K experts and weigh what they say. Rows are sorted by
expert, so that each expert sees its tokens as one matrix; where the experts live is their own
affair, so they can be spread over ranks without the router knowing.

Shapes: B batch, T tokens, D hidden, L = B T, E experts, K experts a token, R = L K rows sorted by
expert, F width of an expert.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lodesmith.model.config import ExpertsConfig
from lodesmith.model.product import Linear


class Experts(nn.Module):
    """SwiGLU layers side by side, their weights stacked."""

    def __init__(self, hidden_size: int, config: ExpertsConfig) -> None:
        super().__init__()
        num, width = config.num_experts, config.moe_intermediate_size
        self.gate_proj = nn.Parameter(torch.empty(num, width, hidden_size))
        self.up_proj = nn.Parameter(torch.empty(num, width, hidden_size))
        self.down_proj = nn.Parameter(torch.empty(num, hidden_size, width))

    def forward(self, x_RD: Tensor, counts_E: Tensor) -> Tensor:
        """Return each row as its expert transforms it.

        Args:
            x_RD: rows sorted by expert.
            counts_E: how many rows are each expert's.
        """
        return apply_experts(x_RD, counts_E.tolist(), self.gate_proj, self.up_proj, self.down_proj)


def apply_experts(
    x_RD: Tensor, counts: list[int], gate_EFD: Tensor, up_EFD: Tensor, down_EDF: Tensor
) -> Tensor:
    """Return rows sorted by expert, each transformed by its own; unused experts get gradient 0."""
    weights = zip(gate_EFD.unbind(), up_EFD.unbind(), down_EDF.unbind(), strict=True)
    pieces = [
        F.linear(F.silu(F.linear(rows, gate)) * F.linear(rows, up), down)
        for rows, (gate, up, down) in zip(torch.split(x_RD, counts), weights, strict=True)
    ]
    return torch.cat(pieces)


class SharedExpert(nn.Module):
    """A SwiGLU layer that every token goes through. Source: Dai et al. 2024, arXiv:2401.06066."""

    def __init__(self, hidden_size: int, width: int) -> None:
        super().__init__()
        self.gate_proj = Linear(hidden_size, width)
        self.up_proj = Linear(hidden_size, width)
        self.down_proj = Linear(width, hidden_size)

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, of the shape of its input."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class ExpertBias(nn.Module):
    """What is added to the experts' scores before they are chosen; moved by their load alone."""

    def __init__(self, num_experts: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(num_experts), requires_grad=False)

    def forward(self, scores_LE: Tensor) -> Tensor:
        """Return the scores by which experts are chosen."""
        return scores_LE + self.weight


class MixtureOfExperts(nn.Module):
    """Router, experts, and the expert that all share if there is one."""

    def __init__(self, hidden_size: int, config: ExpertsConfig) -> None:
        super().__init__()
        self.config = config
        self.gate = nn.Linear(hidden_size, config.num_experts, bias=False)
        self.experts = Experts(hidden_size, config)
        self.shared_expert: SharedExpert | None = None
        if config.shared_expert_intermediate_size is not None:
            self.shared_expert = SharedExpert(hidden_size, config.shared_expert_intermediate_size)
        self.expert_bias: ExpertBias | None = None
        if config.router_bias_rate is not None:
            self.expert_bias = ExpertBias(config.num_experts)
        # What the z-loss of one token weighs beside a loss that is a sum; who trains on means
        # divides it by the number of tokens.
        self.z_loss_weight = config.router_z_loss or 0.0
        self.load_E: Tensor | None = None  # rows of each expert since the last balancing

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return what each token's experts say, weighed."""
        x_LD = x_BTD.flatten(0, 1)
        weights_LK, ids_LK = self.route(x_LD)
        order_R = ids_LK.flatten().argsort(stable=True)
        tokens_R = order_R // self.config.num_experts_per_tok
        counts_E = torch.bincount(ids_LK.flatten(), minlength=self.config.num_experts)
        if self.expert_bias is not None and self.training:
            self.load_E = counts_E if self.load_E is None else self.load_E + counts_E
        said_RD = self.experts(x_LD[tokens_R], counts_E) * weights_LK.flatten()[order_R, None]
        out_LD = torch.zeros_like(x_LD).index_add(0, tokens_R, said_RD.to(x_LD.dtype))
        if self.shared_expert is not None:
            out_LD = out_LD + self.shared_expert(x_LD)
        return out_LD.view_as(x_BTD)

    def route(self, x_LD: Tensor) -> tuple[Tensor, Tensor]:
        """Return weights_LK and ids_LK of each token's experts.

        Source: Qwen3 report, arXiv:2505.09388, section 2; Wang et al. 2024, arXiv:2408.15664
        (a bias that takes part in the choice and not in the weights).
        """
        logits_LE = self.gate(x_LD).float()
        if self.z_loss_weight:
            logits_LE = _with_z_loss(logits_LE, self.z_loss_weight)
        shares_LE = logits_LE.softmax(-1)
        scores_LE = shares_LE.detach()
        if self.expert_bias is not None:
            scores_LE = self.expert_bias(scores_LE)
        ids_LK = scores_LE.topk(self.config.num_experts_per_tok).indices
        weights_LK = shares_LE.gather(1, ids_LK)
        if self.config.norm_topk_prob:
            weights_LK = weights_LK / weights_LK.sum(-1, keepdim=True)
        return weights_LK.to(x_LD.dtype), ids_LK

    @torch.no_grad()
    def balance(self, load_E: Tensor) -> None:
        """Move the bias by one step; what is counted from now on is the load of the next.

        Args:
            load_E: rows of each expert since the last balancing, over all ranks.
        """
        assert self.expert_bias is not None  # noqa: S101
        self.expert_bias.weight.add_(self.bias_step(load_E))
        self.load_E = None

    def bias_step(self, load_E: Tensor) -> Tensor:
        """Return what makes experts with less than their share of rows likelier to be chosen.

        Source: Wang et al. 2024, arXiv:2408.15664, algorithm 1.
        """
        assert self.config.router_bias_rate is not None  # noqa: S101
        load_E = load_E.float()
        return (load_E.mean() - load_E).sign() * self.config.router_bias_rate


class _AddGradient(torch.autograd.Function):
    """The first argument; backward, the second one's gradient is 1 as if the loss had held it."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, loss: Tensor) -> Tensor:
        ctx.save_for_backward(loss)
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        return grad, torch.ones_like(ctx.saved_tensors[0])


def _with_z_loss(logits_LE: Tensor, weight: float) -> Tensor:
    """Return logits that are also pulled towards a small normaliser when gradients come back.

    Source: Zoph et al. 2022, arXiv:2202.08906, section 3.3, equation 5.
    """
    loss = weight * logits_LE.logsumexp(-1).square().sum()
    out: Tensor = _AddGradient.apply(logits_LE, loss)  # type: ignore[no-untyped-call]
    return out

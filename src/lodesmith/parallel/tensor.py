"""Tensor and sequence parallel: DTensors at rest, plain local tensors in motion.

The decoder's modules are replaced, one for one and under the same names, by ones whose weights are
DTensors over the tp ranks. Between matrices each rank holds a slice of the sequence (t = T / tp):

    x_BtD -> norm, gather -> x_BTD -> own heads or columns -> o_proj or down_proj, sum -> x_BtD

Weights become local tensors before they meet an activation, so a compiled block sees no DTensor;
`grad_placements` says what a local gradient is: a shard's own, or one term of a sum (`Partial`).

Source: Shoeybi et al. 2019, arXiv:1909.08053, section 3; Korthikanti et al. 2022,
arXiv:2205.05198, section 4.2.2 (sequence parallel).

Shapes: B batch, T tokens, t a slice of them, D hidden, V vocab, v a slice of it.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

from collections.abc import Callable

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor, Partial, Placement, Replicate, Shard

from lodesmith.model.cross_entropy import CrossEntropy, cross_entropy
from lodesmith.model.decoder import FeedForward, Layer, RMSNorm
from lodesmith.model.moe import ExpertBias, MixtureOfExperts
from lodesmith.model.product import product
from lodesmith.parallel.collectives import gather, scatter_sum
from lodesmith.parallel.parts import local_part


def local_weight(weight: Tensor) -> Tensor:
    """Return this rank's part of a weight; gradients of a whole one are summed over the ranks."""
    if not isinstance(weight, DTensor):
        return weight
    sums = [Partial() if placement.is_replicate() else placement for placement in weight.placements]
    return weight.to_local(grad_placements=sums)


class LocalNorm(nn.Module):
    """A norm of this rank's tokens or heads, which may then join the ranks' slices."""

    def __init__(self, norm: RMSNorm, *, mesh: DeviceMesh, gathers: bool) -> None:
        super().__init__()
        self.weight = placed_weight(norm.weight, mesh, Replicate())
        self.eps = norm.eps
        self.group = mesh.get_group() if gathers else None

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised; with all tokens of the tp ranks if it gathers."""
        weight = local_weight(self.weight)
        out = F.rms_norm(x, weight.shape, weight.to(x.dtype), self.eps)
        return out if self.group is None else gather(out, dim=1, group=self.group)


class LocalLinear(nn.Module):
    """A matrix of which this rank holds rows, columns or all."""

    def __init__(self, linear: nn.Linear, *, mesh: DeviceMesh, placement: Placement) -> None:
        super().__init__()
        self.weight = placed_weight(linear.weight, mesh, placement)
        self.own_shape = local_part(self.weight).shape
        summed = isinstance(placement, Shard) and placement.dim == 1
        self.group = mesh.get_group() if summed else None
        self.product: Callable[[Tensor, Tensor], Tensor] = product

    def forward(self, x: Tensor) -> Tensor:
        """Return this rank's columns of the product, or its slice of the tokens of the sum."""
        out = self.product(x, local_weight(self.weight))
        return out if self.group is None else scatter_sum(out, dim=1, group=self.group)


class LocalBias(nn.Module):
    """The experts' bias, whole on every rank."""

    def __init__(self, bias: ExpertBias, *, mesh: DeviceMesh) -> None:
        super().__init__()
        self.weight = placed_weight(bias.weight, mesh, Replicate())

    def forward(self, scores_LE: Tensor) -> Tensor:
        """Return the scores by which experts are chosen."""
        return scores_LE + local_weight(self.weight)


class LocalEmbedding(nn.Module):
    """An embedding of which this rank holds some rows."""

    def __init__(self, embedding: nn.Embedding, *, mesh: DeviceMesh) -> None:
        super().__init__()
        self.weight = placed_weight(embedding.weight, mesh, Shard(0))
        self.group = mesh.get_group()
        self.rank = mesh.get_local_rank()

    def forward(self, input_ids_BT: Tensor) -> Tensor:
        """Return x_BtD, this rank's slice of the tokens."""
        weight_vD = local_weight(self.weight)
        ids_BT, known_BT = own_rows(input_ids_BT, weight_vD.shape[0], self.rank)
        x_BTD = F.embedding(ids_BT, weight_vD) * known_BT[..., None]
        return scatter_sum(x_BTD, dim=1, group=self.group)


def own_rows(ids: Tensor, num_rows: int, rank: int) -> tuple[Tensor, Tensor]:
    """Return ids counted from this rank's first row, 0 for others', and which are its own."""
    shifted = ids - rank * num_rows
    known = (shifted >= 0) & (shifted < num_rows)
    return shifted.where(known, torch.zeros_like(shifted)), known


def shard_layer(layer: Layer, mesh: DeviceMesh) -> None:
    """Replace a layer's modules by ones that share the work of the tp ranks."""
    attention = layer.self_attn
    layer.input_layernorm = LocalNorm(layer.input_layernorm, mesh=mesh, gathers=True)  # type: ignore[assignment]
    _shard_linears(attention, mesh, rows=("q_proj", "k_proj", "v_proj"), columns="o_proj")
    for name in ("q_norm", "k_norm"):
        norm = getattr(attention, name)
        if norm is not None:
            setattr(attention, name, LocalNorm(norm, mesh=mesh, gathers=False))
    dense = isinstance(layer.mlp, FeedForward)
    norm = LocalNorm(layer.post_attention_layernorm, mesh=mesh, gathers=dense)
    layer.post_attention_layernorm = norm  # type: ignore[assignment]
    if dense:
        _shard_linears(layer.mlp, mesh, rows=("gate_proj", "up_proj"), columns="down_proj")
    else:
        _keep_tokens_apart(layer.mlp, mesh)  # type: ignore[arg-type]


def _keep_tokens_apart(mixture: MixtureOfExperts, mesh: DeviceMesh) -> None:
    """Let each tp rank route its own slice of the tokens; experts are spread elsewhere."""
    mixture.gate = LocalLinear(mixture.gate, mesh=mesh, placement=Replicate())  # type: ignore[assignment]
    if mixture.shared_expert is not None:
        for name in ("gate_proj", "up_proj", "down_proj"):
            linear = LocalLinear(
                getattr(mixture.shared_expert, name), mesh=mesh, placement=Replicate()
            )
            setattr(mixture.shared_expert, name, linear)
    if mixture.expert_bias is not None:
        mixture.expert_bias = LocalBias(mixture.expert_bias, mesh=mesh)  # type: ignore[assignment]


def _shard_linears(
    module: nn.Module, mesh: DeviceMesh, *, rows: tuple[str, ...], columns: str
) -> None:
    for name in (*rows, columns):
        placement = Shard(1) if name == columns else Shard(0)
        linear = LocalLinear(getattr(module, name), mesh=mesh, placement=placement)
        setattr(module, name, linear)


def placed_weight(weight: Tensor, mesh: DeviceMesh, placement: Placement) -> nn.Parameter:
    """Return an unfilled DTensor parameter of a weight's shape and dtype."""
    shape = list(weight.shape)
    if isinstance(placement, Shard):
        shape[placement.dim] //= mesh.size()
    local = torch.empty(shape, dtype=weight.dtype, device=weight.device)
    placed = DTensor.from_local(local, mesh, [placement], run_check=False)
    return nn.Parameter(placed, requires_grad=weight.requires_grad)


class _VocabularyLoss(torch.autograd.Function):
    """Cross entropy of logits whose columns are spread over ranks, -100 meaning no label."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx,  # noqa: ANN001
        logits_Lv: Tensor,
        labels_L: Tensor,
        group: dist.ProcessGroup,
        z_loss: float,
    ) -> Tensor:
        logits_Lv = logits_Lv.float()
        most_L = logits_Lv.amax(1)
        dist.all_reduce(most_L, dist.ReduceOp.MAX, group=group)
        powers_Lv = (logits_Lv - most_L[:, None]).exp()
        ids_L, known_L = own_rows(labels_L, logits_Lv.shape[1], dist.get_rank(group))
        chosen_L = logits_Lv.gather(1, ids_L[:, None])[:, 0] * known_L
        sums_2L = torch.stack((powers_Lv.sum(1), chosen_L))
        dist.all_reduce(sums_2L, group=group)
        counted_L = labels_L >= 0
        normaliser_L = sums_2L[0].log() + most_L
        shares_Lv = powers_Lv / sums_2L[0, :, None]
        ctx.save_for_backward(shares_Lv, ids_L, known_L, counted_L, normaliser_L)
        ctx.z_loss = z_loss
        return (normaliser_L - sums_2L[1] + z_loss * normaliser_L.square()) * counted_L

    @staticmethod
    def backward(ctx, grad_L: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[no-untyped-def]  # noqa: ANN001
        shares_Lv, ids_L, known_L, counted_L, normaliser_L = ctx.saved_tensors
        out_Lv = shares_Lv * (1 + 2 * ctx.z_loss * normaliser_L[:, None])
        out_Lv.scatter_add_(1, ids_L[:, None], -known_L[:, None].to(out_Lv.dtype))
        return out_Lv * (counted_L * grad_L)[:, None], None, None, None


def vocabulary_losses(
    logits_BTv: Tensor,
    labels_BT: Tensor,
    *,
    group: dist.ProcessGroup,
    z_loss: float = 0.0,
    cross_entropy: CrossEntropy = cross_entropy,
) -> Tensor:
    """Return losses_BT, the cross entropy of each label in nats, 0 where there is none.

    Args:
        logits_BTv: scores of this rank's slice of the vocabulary.
        labels_BT: ids in the whole vocabulary; -100 where nothing is to be predicted.
        group: the ranks that share the vocabulary.
        z_loss: weight of the squared log-normaliser, added to each label's loss.
        cross_entropy: the function of this name, or what a compiler made of it.
    """
    logits_Lv, labels_L = logits_BTv.flatten(0, 1), labels_BT.flatten()
    if dist.get_world_size(group) == 1:
        losses_L, normalisers_L = cross_entropy(logits_Lv, labels_L)
        if z_loss:
            losses_L = losses_L + z_loss * normalisers_L.square()
    else:
        losses_L = _VocabularyLoss.apply(logits_Lv, labels_L, group, z_loss)  # type: ignore[no-untyped-call]
    return losses_L.view(labels_BT.shape)

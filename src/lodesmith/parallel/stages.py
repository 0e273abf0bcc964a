"""Cutting a decoder into stages, each a run of layers that takes about as long as any other.

A stage is a decoder from which what belongs to other stages was removed, so its weights keep the
names they have in the whole. The embedding and the output matrix count as layers of their size:
with a large vocabulary a stage that had them on top of its share would hold up all others.

Shapes: B batch, T tokens, t a slice of them, D hidden, v a slice of the vocabulary.
"""
# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.distributed.tensor import Shard

from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.moe import MixtureOfExperts
from lodesmith.model.product import product
from lodesmith.parallel.context import attend_across_ranks, own_tokens
from lodesmith.parallel.experts import SpreadExperts
from lodesmith.parallel.mesh import Layout
from lodesmith.parallel.tensor import (
    LocalEmbedding,
    LocalLinear,
    LocalNorm,
    local_weight,
    shard_layer,
)


def split_layers(
    costs: Sequence[float], *, num_stages: int, head: float, tail: float
) -> list[range]:
    """Return the layers of each stage, the most loaded stage having as little as possible.

    Args:
        costs: of each layer, in any unit.
        num_stages: at most as many as there are layers.
        head: cost of the embedding, which the first stage has in addition.
        tail: cost of the output matrix, which the last stage has in addition.

    >>> split_layers([1, 1, 1, 1, 1, 1], num_stages=2, head=0, tail=2)
    [range(0, 4), range(4, 6)]
    """
    num_layers = len(costs)
    sums = [0.0]
    for cost in costs:
        sums.append(sums[-1] + cost)
    # best[end]: (cost of the most loaded stage, ends of stages) for the layers before `end`.
    best: dict[int, tuple[float, tuple[int, ...]]]
    best = {end: (head + sums[end], (end,)) for end in range(1, num_layers + 1)}
    for stage in range(1, num_stages):
        extra = tail if stage == num_stages - 1 else 0.0
        best = {
            end: min(
                (max(best[start][0], sums[end] - sums[start] + extra), (*best[start][1], end))
                for start in best
                if start < end
            )
            for end in range(stage + 1, num_layers + 1)
        }
    ends = (0, *best[num_layers][1])
    return [range(start, end) for start, end in itertools.pairwise(ends)]


def layers_of_stage(config: DecoderConfig, stage: int, num_stages: int) -> range:
    """Return which of a model's layers a stage computes; costs are weights read per token."""
    layer = (config.num_non_embedding_parameters - config.hidden_size) / config.num_hidden_layers
    matrix = config.vocab_size * config.hidden_size
    costs = [layer] * config.num_hidden_layers
    return split_layers(costs, num_stages=num_stages, head=matrix, tail=matrix)[stage]


class Stage(nn.Module):
    """A run of layers, with the embedding if it is the first and the output if it is the last."""

    def __init__(self, config: DecoderConfig, layout: Layout, *, index: int) -> None:
        """Lay out the weights under `torch.device("meta")`; a layout's other parts fill them."""
        super().__init__()
        num_stages = layout.config.num_stages
        self.index, self.layout, self.config = index, layout, config
        self.is_first, self.is_last = index == 0, index == num_stages - 1
        with torch.device("meta"):
            decoder = Decoder(config)
        trunk, own = decoder.model, layers_of_stage(config, index, num_stages)
        trunk.layers = nn.ModuleDict({str(layer): trunk.layers[layer] for layer in own})  # type: ignore[assignment]
        if not self.is_first:
            del trunk.embed_tokens
        if not self.is_last:
            del trunk.norm
            decoder.lm_head = None
        self.decoder = decoder
        if layout.config.tensor_parallel_size > 1:
            self._share_matrices()
        if layout.config.expert_parallel_size > 1:
            for mixture in self.mixtures:
                mixture.experts = SpreadExperts(mixture.experts, mesh=layout.experts["ep"])

    def forward(
        self, x: Tensor, positions_Bt: Tensor, segment_ids_BT: Tensor | None = None
    ) -> Tensor:
        """Return the stage's output: x_BtD, or the last stage's logits_BTv.

        Args:
            x: token ids for the first stage, else what the stage before returned.
            positions_Bt: place of each of this rank's tokens in its sequence.
            segment_ids_BT: of whole sequences; tokens see only their own segment.
        """
        decoder, trunk = self.decoder, self.decoder.model
        num_tokens = positions_Bt.shape[1] * self.layout.config.context_parallel_size
        attend = attend_across_ranks(
            segment_ids_BT,
            num_tokens=num_tokens,
            group=self.layout.group("cp"),
            device=positions_Bt.device,
        )
        x_BtD = trunk.embed_tokens(x) if self.is_first else x
        rotation = decoder.rotation(positions_Bt, x_BtD.dtype)
        for layer in self.layers:
            x_BtD = layer(x_BtD, rotation, attend)
        if not self.is_last:
            return x_BtD
        out: Tensor = product(trunk.norm(x_BtD), local_weight(decoder.output_weight))
        return out

    @property
    def layers(self) -> Sequence[nn.Module]:
        """The layers of this stage, the first to be computed first."""
        return list(self.decoder.model.layers.values())  # type: ignore[operator]

    @property
    def mixtures(self) -> list[MixtureOfExperts]:
        """The mixtures of experts of this stage's layers."""
        return [module for module in self.modules() if isinstance(module, MixtureOfExperts)]

    def weights(self) -> dict[str, nn.Parameter]:
        """Return the stage's parameters by their names in the whole model."""
        return {
            name.removeprefix("decoder.").replace("._orig_mod", ""): weight
            for name, weight in self.named_parameters()
        }

    def own_tokens(self, num_tokens: int) -> Tensor:
        """Return which places of a sequence this rank computes."""
        return own_tokens(num_tokens, self.layout.group("cp"))

    def _share_matrices(self) -> None:
        mesh, trunk = self.layout.weights["tp"], self.decoder.model
        if self.is_first:
            trunk.embed_tokens = LocalEmbedding(trunk.embed_tokens, mesh=mesh)  # type: ignore[assignment]
        for layer in self.layers:
            shard_layer(layer, mesh)  # type: ignore[arg-type]
        if self.is_last:
            trunk.norm = LocalNorm(trunk.norm, mesh=mesh, gathers=True)  # type: ignore[assignment]
            if self.decoder.lm_head is not None:
                head = LocalLinear(self.decoder.lm_head, mesh=mesh, placement=Shard(0))
                self.decoder.lm_head = head  # type: ignore[assignment]

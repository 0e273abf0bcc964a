"""Muon's work where every rank has all matrices whole: each does some and tells all."""

from collections.abc import Callable

import torch
from torch import Tensor

from lodesmith.parallel.ranks import Ranks
from lodesmith.train.optimizer.muon import Matrices, orthogonalise, share_out


class SharedWork:
    """Owners orthogonalise into segments of one flat buffer each, which the ranks exchange."""

    def __init__(self, matrices: Matrices, *, ranks: Ranks) -> None:
        self.ranks = ranks
        self.owners = share_out(matrices, num_ranks=ranks.num_ranks)
        self.segments, self.updates = _lay_out(matrices, self.owners, ranks)

    def orthogonalise(
        self, gradient_of: Callable[[str], Tensor], dtype: torch.dtype
    ) -> dict[str, Tensor]:
        """Return each matrix orthogonalised; the bits are the same on any number of ranks."""
        for name, update in self.updates.items():
            if self.owners[name] == self.ranks.rank:
                update.copy_(orthogonalise(gradient_of(name).to(dtype)))
        self.ranks.share(self.segments)
        return self.updates


def _lay_out(
    matrices: Matrices, owners: dict[str, int], ranks: Ranks
) -> tuple[list[Tensor], dict[str, Tensor]]:
    """Return one flat segment for each rank, and each matrix's place in its owner's."""
    segments, places = [], {}
    for rank in range(ranks.num_ranks):
        names = [name for name in matrices if owners[name] == rank]
        sizes = [matrices[name].numel() for name in names]
        segment = torch.zeros(sum(sizes), device=ranks.device)
        segments.append(segment)
        for name, piece in zip(names, torch.split(segment, sizes), strict=True):
            places[name] = piece.view_as(matrices[name])
    return segments, places

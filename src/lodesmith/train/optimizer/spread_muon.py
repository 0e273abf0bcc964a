"""Muon's work where matrices are cut over ranks: parts travel to an owner, are joined, and return.

Orthogonalising needs a matrix whole, and no rank can hold all of them. So each matrix has one owner
among the ranks of its stage; one exchange brings every owner its matrices' parts, a second brings
the results back, each as large as the weights of the stage once.
"""

from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from lodesmith.parallel.mesh import Layout
from lodesmith.parallel.parts import part_of
from lodesmith.train.optimizer.muon import Matrices, orthogonalise, share_out

Place = Sequence[int]  # a rank's coordinates in the mesh of a matrix


class SpreadWork:
    """Owners orthogonalise matrices that the ranks of a stage hold in parts."""

    def __init__(self, matrices: Matrices, *, layout: Layout) -> None:
        self.matrices, self.group, self.device = matrices, layout.stage, layout.device
        self.rank = dist.get_rank(layout.stage)
        ranks = dist.get_process_group_ranks(layout.stage)
        self.all_ranks = range(len(ranks))
        self.owners = share_out(matrices, num_ranks=len(ranks))
        self.places = {name: _places(weight, ranks) for name, weight in matrices.items()}

    def orthogonalise(
        self, gradient_of: Callable[[str], Tensor], dtype: torch.dtype
    ) -> dict[str, Tensor]:
        """Return this rank's part of each orthogonalised matrix."""
        wholes = self._gather({name: gradient_of(name).to(dtype) for name in self.matrices}, dtype)
        for whole in wholes.values():
            whole.copy_(orthogonalise(whole))
        return self._return(wholes, dtype)

    def _gather(self, parts: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
        """Return this rank's own matrices, whole."""
        outgoing = [
            [parts[name] for name in self._owned_by(to) if self._feeds(name, self.rank, to)]
            for to in self.all_ranks
        ]
        wholes = {
            name: torch.empty(self.matrices[name].shape, dtype=dtype, device=self.device)
            for name in self._owned_by(self.rank)
        }
        incoming = [
            [self._part(name, sender, whole) for name, whole in wholes.items()
             if self._feeds(name, sender, self.rank)]
            for sender in self.all_ranks
        ]  # fmt: skip
        self._exchange(outgoing, incoming, dtype)
        return wholes

    def _return(self, wholes: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
        """Return this rank's parts of all matrices, given its own ones whole."""
        outgoing = [
            [self._part(name, to, whole) for name, whole in wholes.items()] for to in self.all_ranks
        ]
        parts = {}
        for name, weight in self.matrices.items():
            shape = self._part(name, self.rank, torch.empty(weight.shape, device="meta")).shape
            parts[name] = torch.empty(shape, dtype=dtype, device=self.device)
        incoming = [[parts[name] for name in self._owned_by(rank)] for rank in self.all_ranks]
        self._exchange(outgoing, incoming, dtype)
        return parts

    def _owned_by(self, rank: int) -> list[str]:
        return [name for name in self.matrices if self.owners[name] == rank]

    def _part(self, name: str, rank: int, whole: Tensor) -> Tensor:
        return part_of(self.matrices[name], whole, place=self.places[name][rank])

    def _feeds(self, name: str, sender: int, owner: int) -> bool:
        """Tell whether an owner's copy of a part comes from this sender and not from a replica."""
        matrix = self.matrices[name]
        assert isinstance(matrix, DTensor)  # noqa: S101
        places = zip(self.places[name][sender], self.places[name][owner], strict=True)
        pairs = zip(matrix.placements, places, strict=True)
        return all(mine == its for placement, (mine, its) in pairs if placement.is_replicate())

    def _exchange(
        self, outgoing: list[list[Tensor]], incoming: list[list[Tensor]], dtype: torch.dtype
    ) -> None:
        """Send a list of tensors to each rank, and fill those that each sends here."""
        flat = [tensor.reshape(-1) for tensors in outgoing for tensor in tensors]
        sent = torch.cat(flat) if flat else torch.empty(0, dtype=dtype, device=self.device)
        sizes = [sum(tensor.numel() for tensor in tensors) for tensors in incoming]
        received = torch.empty(sum(sizes), dtype=dtype, device=self.device)
        out_sizes = [sum(tensor.numel() for tensor in tensors) for tensors in outgoing]
        dist.all_to_all_single(received, sent, sizes, out_sizes, group=self.group)
        targets = [tensor for tensors in incoming for tensor in tensors]
        pieces = torch.split(received, [tensor.numel() for tensor in targets])
        for target, piece in zip(targets, pieces, strict=True):
            target.copy_(piece.view(target.shape))


def _places(weight: Tensor, ranks: Sequence[int]) -> list[Place]:
    """Return the coordinates of each rank in the mesh of a weight."""
    assert isinstance(weight, DTensor)  # noqa: S101
    mesh = weight.device_mesh.mesh
    return [(mesh == rank).nonzero()[0].tolist() for rank in ranks]

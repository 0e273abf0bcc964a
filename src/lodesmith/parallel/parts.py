"""A rank's part of a whole tensor, and whole tensors out of the ranks' parts.

Weights and all that is kept beside them (moments, averages) are DTensors over the ranks of one
pipeline stage, or plain tensors where there is no layout; whoever goes through here need not know.
"""

from collections.abc import Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor, Shard
from torch.distributed.tensor.placement_types import _StridedShard

from lodesmith.parallel.boxes import Box
from lodesmith.parallel.mesh import Layout


def local_part(tensor: Tensor) -> Tensor:
    """Return what this rank holds of a tensor; writing into it writes into the tensor."""
    local: Tensor = tensor.to_local() if isinstance(tensor, DTensor) else tensor
    return local


def box_of(tensor: Tensor, *, place: Sequence[int] | None = None) -> Box:
    """Return where a rank's piece lies in the whole: its slice of tp or ep, of that fsdp's.

    Args:
        tensor: says how the whole is cut; one that is no DTensor is the whole itself.
        place: the rank's coordinates in the tensor's mesh; None is this rank.
    """
    box = Box.whole(tensor.shape)
    if not isinstance(tensor, DTensor):
        return box
    mesh = tensor.device_mesh
    place = mesh.get_coordinate() if place is None else place
    assert place is not None  # noqa: S101 this rank is of the mesh
    for dim in reversed(range(mesh.ndim)):  # FSDP cuts what the inner axis has left
        placement = tensor.placements[dim]
        if isinstance(placement, Shard | _StridedShard):
            box = box.cut(placement.dim, mesh.size(dim), place[dim])
    return box


def part_of(tensor: Tensor, whole: Tensor, *, place: Sequence[int] | None = None) -> Tensor:
    """Return a view of the piece of a whole that a rank holds; arguments as of `box_of`."""
    return whole[box_of(tensor, place=place).slices] if isinstance(tensor, DTensor) else whole


@torch.no_grad()
def fill_part(tensor: Tensor, whole: Tensor) -> None:
    """Copy this rank's part of a whole tensor into a tensor."""
    local_part(tensor).copy_(part_of(tensor, whole))


@torch.no_grad()
def collect_whole(tensors: Mapping[str, Tensor], layout: Layout) -> dict[str, Tensor]:
    """Return all stages' tensors, whole and in main memory, on rank 0; nothing elsewhere.

    All ranks call it together. A name that two stages have is taken from the first.
    """
    group, stage = layout.group("pp"), layout.rank_in("pp")
    first = dist.get_global_rank(group, 0)
    is_writer, whole = dist.get_rank() == 0, {}
    for owner in range(group.size()):
        shapes = [{name: (tuple(t.shape), t.dtype) for name, t in tensors.items()}]
        dist.broadcast_object_list(shapes, group=group, group_src=owner)
        for name, (shape, dtype) in shapes[0].items():
            full = torch.empty(0)
            if stage == owner:
                full = _full(tensors[name])
                if owner and first == 0:  # this rank passes its stage's tensors on
                    dist.send(full, dst=0, group=group)
            elif is_writer:
                full = torch.empty(shape, dtype=dtype, device=layout.device)
                dist.recv(full, src=dist.get_global_rank(group, owner), group=group)
            if is_writer and name not in whole:
                whole[name] = full.cpu()
    return whole


def _full(tensor: Tensor) -> Tensor:
    full = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
    return full.detach().contiguous()

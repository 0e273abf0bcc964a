"""The norm of tensors that are spread over ranks, in one collective."""

from collections.abc import Iterable

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.tensor import DTensor

from lodesmith.parallel.parts import local_part


@torch.no_grad()
def global_norm(tensors: Iterable[Tensor | None]) -> float:
    """Return the norm of all ranks' tensors together, the same on every rank.

    Args:
        tensors: DTensors; each is counted once, however many ranks hold a copy.
    """
    total = torch.zeros((), dtype=torch.float64)
    for tensor in tensors:
        assert isinstance(tensor, DTensor)  # noqa: S101 weights and gradients are laid out
        copies = 1
        for size, placement in zip(tensor.device_mesh.shape, tensor.placements, strict=True):
            copies *= size if placement.is_replicate() else 1
        norm = torch.linalg.vector_norm(local_part(tensor), dtype=torch.float64)
        total = total.to(norm.device) + norm**2 / copies
    dist.all_reduce(total)
    return float(total.sqrt())

"""Products with weights, by whichever library multiplies faster on this processor.

torch multiplies float32 matrices with MKL, which takes the wide registers (AVX-512) of Intel's
processors only. oneDNN, which torch brings as well, takes them wherever they are: on an AMD EPYC of
2024 it is 2.3 times as fast. It is asked while learning only: it makes and keeps a kernel for each
size of a product, and a learner's sizes are few.

Shapes: L tokens, D inputs, E outputs of a weight.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def prefers_onednn(*, cpus: Path = Path("/proc/cpuinfo")) -> bool:
    """Tell whether this processor has wide registers that MKL leaves alone.

    Args:
        cpus: where the kernel says who made the processor.
    """
    if not (torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()):  # type: ignore[no-untyped-call]
        return False
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or not cpus.exists():
        return False
    return "GenuineIntel" not in cpus.read_text()


PREFERS_ONEDNN = prefers_onednn()  # settled once: a process's products are all of one kind


class Linear(nn.Linear):
    """A linear map without a bias."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Return x mapped."""
        return product(x, self.weight)


def product(x: Tensor, weight_ED: Tensor) -> Tensor:
    """Return x, of any leading shape and D columns, times the transposed weight."""
    is_learnt = torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    if is_learnt and _suits_onednn(x, weight_ED):
        out: Tensor = _Product.apply(x.reshape(-1, x.shape[-1]), weight_ED)  # type: ignore[no-untyped-call]
        return out.view(*x.shape[:-1], weight_ED.shape[0])
    return F.linear(x, weight_ED)


def multiply(left: Tensor, right: Tensor) -> Tensor:
    """Return left right^T, without gradients."""
    return _multiply(left, right) if _suits_onednn(left, right) else left @ right.T


def add_product(added: Tensor, left: Tensor, right: Tensor, *, beta: float, alpha: float) -> Tensor:
    """Return beta * added + alpha * left right^T, without gradients."""
    if _suits_onednn(left, right):
        return _multiply(left, right).mul_(alpha).add_(added, alpha=beta)
    return torch.addmm(added, left, right.T, beta=beta, alpha=alpha)


def onednn_operators() -> frozenset[Any]:
    """Return what an eager product may call besides torch's own operators."""
    return frozenset({torch.ops.mkldnn._linear_pointwise.default} if PREFERS_ONEDNN else ())


def _suits_onednn(left: Tensor, right: Tensor) -> bool:
    is_float = left.dtype == right.dtype == torch.float32
    return PREFERS_ONEDNN and is_float and left.device.type == right.device.type == "cpu"


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_LD: Tensor, weight_ED: Tensor) -> Tensor:
        ctx.save_for_backward(x_LD, weight_ED)
        return _multiply(x_LD, weight_ED)

    @staticmethod
    def backward(ctx: Any, grad_LE: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x_LD, weight_ED = ctx.saved_tensors
        grad_x = _multiply(grad_LE, weight_ED.t()) if ctx.needs_input_grad[0] else None
        grad_weight = _weight_gradient(grad_LE, x_LD) if ctx.needs_input_grad[1] else None
        return grad_x, grad_weight


def _weight_gradient(grad_LE: Tensor, x_LD: Tensor) -> Tensor:
    """Return grad^T x; oneDNN wants its left matrix row by row, and what is less is turned."""
    (tokens, outputs), inputs = grad_LE.shape, x_LD.shape[1]
    if tokens * outputs <= inputs * (tokens + outputs):
        return _multiply(grad_LE.t(), x_LD.t())
    return _multiply(x_LD.t(), grad_LE.t()).t().contiguous()


def _multiply(left: Tensor, right: Tensor) -> Tensor:
    if torch.compiler.is_compiling():
        out: Tensor = torch.ops.lodesmith.multiply(left, right)
        return out
    return _ask_onednn(left, right)


def _ask_onednn(left: Tensor, right: Tensor) -> Tensor:
    out: Tensor = torch.ops.mkldnn._linear_pointwise(left.contiguous(), right, None, "none", [], "")
    return out


def _shape_of_product(left: Tensor, right: Tensor) -> Tensor:
    return left.new_empty(left.shape[0], right.shape[0])


# torch's compiler takes oneDNN's operator for weights only that never change; this one it calls.
_LIBRARY = torch.library.Library("lodesmith", "DEF")  # type: ignore[no-untyped-call]
_LIBRARY.define("multiply(Tensor left, Tensor right) -> Tensor")  # type: ignore[no-untyped-call]
_LIBRARY.impl("multiply", _ask_onednn, "CPU")  # type: ignore[no-untyped-call]
_LIBRARY.impl("multiply", _shape_of_product, "Meta")  # type: ignore[no-untyped-call]

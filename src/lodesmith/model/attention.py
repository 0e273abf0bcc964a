"""Causal attention while learning on a CPU, by a kernel of our own (`native/attention.c`).

torch's multiplies with MKL, which leaves the wide registers of some makers' processors alone, and
knows documents by a mask only. This one takes for each token the first that it reads, so documents
packed into a row cost what they are, and it is one operator to compilers and to whoever chooses
what is recomputed. Elsewhere (GPUs, other number formats, nothing learnt) torch's is used.

Shapes: B batch, T tokens, N query heads, K key and value heads, H head size, G = N / K.
"""
# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

import functools
import math
from typing import Any

import torch
from torch import Tensor

from lodesmith.native.attention import Attention, Heads, attend, attend_backward

# Settled once: a process's attention is of one kind. On others than these (ARM, whose torch
# multiplies with other libraries) nothing was measured.
PREFERS_OWN = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")


def suits_own_kernel(q_BNTH: Tensor, k_BKTH: Tensor, v_BKTH: Tensor) -> bool:
    """Tell whether these heads are learnt from where the kernel of our own is the quicker one."""
    if not PREFERS_OWN or not torch.is_grad_enabled() or torch.is_autocast_enabled("cpu"):
        return False
    heads = (q_BNTH, k_BKTH, v_BKTH)
    are_floats = all(x.dtype == torch.float32 and x.device.type == "cpu" for x in heads)
    return are_floats and q_BNTH.shape[2] == k_BKTH.shape[2] and q_BNTH.numel() > 0


def attend_from(starts_BT: Tensor | None, q_BNTH: Tensor, k_BKTH: Tensor, v_BKTH: Tensor) -> Tensor:
    """Return what each token reads from itself and those before it, out_BNTH.

    Args:
        starts_BT: int32, the first token that each reads; None is the first of its row.
        q_BNTH: float32 queries on the CPU, in any layout.
        k_BKTH: keys.
        v_BKTH: values.
    """
    out: Tensor = _Attention.apply(q_BNTH, k_BKTH, v_BKTH, starts_BT)  # type: ignore[no-untyped-call]
    return out


def starts_of_segments(segment_ids_BT: Tensor) -> Tensor:
    """Return for each token the first one of its segment, a run of equal ids in a row.

    >>> starts_of_segments(torch.tensor([[7, 7, 2, 2, 2]])).tolist()
    [[0, 0, 2, 2, 2]]
    """
    places_T = torch.arange(segment_ids_BT.shape[1], device=segment_ids_BT.device)
    begins_BT = torch.ones_like(segment_ids_BT, dtype=torch.bool)
    begins_BT[:, 1:] = segment_ids_BT[:, 1:] != segment_ids_BT[:, :-1]
    return torch.where(begins_BT, places_T, 0).cummax(1).values.int()


def own_operator() -> Any:
    """Return the operator that an attention of our own calls."""
    return torch.ops.lodesmith.attend.default


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, starts: Tensor | None) -> Tensor:
        out: Tensor
        out, normalisers = torch.ops.lodesmith.attend(q, k, v, starts)
        ctx.save_for_backward(q, k, v, out, normalisers, starts)
        return out

    @staticmethod
    def backward(ctx: Any, grad_out: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        grads = torch.ops.lodesmith.attend_backward(grad_out, *ctx.saved_tensors)
        return (*grads, None)


def _empty_heads(like: Tensor, *, num_heads: int) -> Tensor:
    """Return room for heads that lie token by token, as the products before and after want."""
    size, _, tokens, head_dim = like.shape
    return like.new_empty(size, tokens, num_heads, head_dim).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor, starts: Tensor | None) -> tuple[Tensor, Tensor]:
    out, normalisers = _shapes(q, k, v, starts)
    q, k, v = map(_side_by_side, (q, k, v))
    attend(_describe(q, k, v, out, normalisers, starts), num_threads=torch.get_num_threads())
    return out, normalisers


def _shapes(q: Tensor, k: Tensor, v: Tensor, starts: Tensor | None) -> tuple[Tensor, Tensor]:
    del k, v, starts
    return _empty_heads(q, num_heads=q.shape[1]), q.new_empty(*q.shape[:3], 2)


def _attend_backward(
    grad_out: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, normalisers: Tensor,
    starts: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    grads = [_empty_heads(q, num_heads=q.shape[1]) for _ in range(3)]
    grad_out, q, k, v, out = map(_side_by_side, (grad_out, q, k, v, out))
    names = ("grad_out", "grad_q", "grad_k", "grad_v")
    places = {name: _place(x) for name, x in zip(names, (grad_out, *grads), strict=True)}
    attend_backward(
        _describe(q, k, v, out, normalisers, starts, **places), num_threads=torch.get_num_threads()
    )
    grad_q, grad_k, grad_v = grads
    return grad_q, _sum_groups(grad_k, k.shape[1]), _sum_groups(grad_v, k.shape[1])


def _shapes_backward(
    grad_out: Tensor, q: Tensor, k: Tensor, v: Tensor, out: Tensor, normalisers: Tensor,
    starts: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    del grad_out, v, out, normalisers, starts
    keys = [_empty_heads(k, num_heads=k.shape[1]) for _ in range(2)]
    return _empty_heads(q, num_heads=q.shape[1]), keys[0], keys[1]


def _sum_groups(grad_BNTH: Tensor, num_kv_heads: int) -> Tensor:
    """Return the sums over query heads that share keys, head by head: always in one order."""
    size, num_heads, *rest = grad_BNTH.shape
    grads_BKGTH = grad_BNTH.view(size, num_kv_heads, num_heads // num_kv_heads, *rest)
    total: Tensor = functools.reduce(torch.add, grads_BKGTH.unbind(2))
    return total


def _describe(
    q: Tensor, k: Tensor, v: Tensor, out: Tensor, normalisers: Tensor, starts: Tensor | None,
    **places: Heads,
) -> Attention:  # fmt: skip
    """Return a call; its tensors must outlive it."""
    size, num_heads, tokens, head_dim = q.shape
    return Attention(
        num_batches=size, num_heads=num_heads, num_kv_heads=k.shape[1], num_tokens=tokens,
        head_dim=head_dim, scale=1 / math.sqrt(head_dim),
        starts=None if starts is None else starts.data_ptr(),
        q=_place(q), k=_place(k), v=_place(v), out=_place(out),
        normalisers=normalisers.data_ptr(), **places,
    )  # fmt: skip


def _place(x: Tensor) -> Heads:
    return Heads(x.data_ptr(), *x.stride()[:3])


def _side_by_side(x: Tensor) -> Tensor:
    """Return heads whose floats lie side by side, copied if they do not."""
    return x if x.stride(-1) == 1 else x.contiguous()


_LIBRARY = torch.library.Library("lodesmith", "FRAGMENT")  # type: ignore[no-untyped-call]
_LIBRARY.define(  # type: ignore[no-untyped-call]
    "attend(Tensor q, Tensor k, Tensor v, Tensor? starts) -> (Tensor, Tensor)"
)
_LIBRARY.define(  # type: ignore[no-untyped-call]
    "attend_backward(Tensor grad_out, Tensor q, Tensor k, Tensor v, Tensor out, "
    "Tensor normalisers, Tensor? starts) -> (Tensor, Tensor, Tensor)"
)
_LIBRARY.impl("attend", _attend, "CPU")  # type: ignore[no-untyped-call]
_LIBRARY.impl("attend", _shapes, "Meta")  # type: ignore[no-untyped-call]
_LIBRARY.impl("attend_backward", _attend_backward, "CPU")  # type: ignore[no-untyped-call]
_LIBRARY.impl("attend_backward", _shapes_backward, "Meta")  # type: ignore[no-untyped-call]

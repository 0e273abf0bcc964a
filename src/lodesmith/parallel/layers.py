"""What is done to a decoder's layers from outside: recomputed in the backward pass, compiled.

Both keep the names of weights. A recomputed layer keeps its input only (`full`), or also what its
matrix products and its attention gave (`selective`), which are dear to compute and small beside
what the cheap operations between them would leave behind.

Source: Chen et al. 2016, arXiv:1604.06174 (recomputing); Korthikanti et al. 2022,
arXiv:2205.05198, section 5 (selecting).
"""

import functools
from typing import Any, Literal

import torch
from torch import nn
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
)

from lodesmith.model.attention import own_operator
from lodesmith.model.product import onednn_operators

Recompute = Literal["none", "selective", "full"]

_DEAR = (
    frozenset(
        getattr(torch.ops.aten, name).default
        for name in (
            "mm",
            "addmm",
            "bmm",
            "_scaled_mm",
            "_scaled_dot_product_flash_attention",
            "_scaled_dot_product_flash_attention_for_cpu",
            "_scaled_dot_product_efficient_attention",
            "_scaled_dot_product_cudnn_attention",
        )
    )
    | onednn_operators()
    | {own_operator()}
)


def treat_layer(
    layer: nn.Module, *, recompute: Recompute = "none", compile_backend: str | None = None
) -> None:
    """Make a layer recompute what its backward pass needs, and compile it.

    A recomputed mixture of experts counts each token twice; its balancing compares loads only.
    Compiled code is what is run again: a checkpoint within a graph fails in torch 2.13 as soon as
    a layer holds parts of matrices.

    Args:
        layer: its forward is replaced, its weights stay.
        recompute: what is not kept.
        compile_backend: of torch.compile; None runs eagerly.
    """
    if recompute == "none":
        if compile_backend is not None:
            layer.compile(backend=compile_backend)
        return
    layer.forward = _treat(layer.forward, recompute, compile_backend)


def treat_halves(
    layer: nn.Module, *, recompute: Recompute = "none", compile_backend: str | None = None
) -> None:
    """Do to each half of a dense layer what `treat_layer` does to a whole one.

    For `Decoder.hidden_at`, which thinks about fewer tokens than it reads, and about another number
    in each batch.
    """
    if recompute == "none" and compile_backend is None:
        return
    halves: Any = layer
    halves.read = _treat(halves.read, recompute, compile_backend)
    halves.think = _treat(halves.think, recompute, compile_backend, dynamic=True)


def _treat(
    forward: Any, recompute: Recompute, compile_backend: str | None, *, dynamic: bool | None = None
) -> Any:
    if compile_backend is not None:
        forward = torch.compile(forward, backend=compile_backend, dynamic=dynamic)
    if recompute == "none":
        return forward
    return functools.partial(_run_again, forward, recompute == "selective")


def _run_again(forward: Any, selects: bool, *inputs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*inputs)
    options: dict[str, Any] = {"context_fn": _keep_dear} if selects else {}
    return checkpoint(forward, *inputs, use_reentrant=False, preserve_rng_state=False, **options)


def _keep_dear() -> Any:
    return create_selective_checkpoint_contexts(_choose)  # type: ignore[no-untyped-call]


def _choose(ctx: Any, operator: Any, *args: Any, **kwargs: Any) -> CheckpointPolicy:
    del ctx, args, kwargs
    kept = operator in _DEAR
    return CheckpointPolicy.MUST_SAVE if kept else CheckpointPolicy.PREFER_RECOMPUTE

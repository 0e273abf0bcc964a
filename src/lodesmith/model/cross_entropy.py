"""The cross entropy of labels, which on a processor is computed by a kernel of our own.

Logits are the largest tensor of a step. torch reads or writes them six times and holds three
of their size; the kernel reads them once for the losses, and once more to put the gradient in their
place.

Shapes: L labels, V vocab.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from lodesmith.native.cross_entropy import label_losses, put_gradients

CrossEntropy = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(logits_LV, labels_L) -> losses_L, normalisers_L."""

NO_LABEL = -100
_LEAST_SCORES = 1 << 18  # of a thread: a fraction of a millisecond


def cross_entropy(logits_LV: Tensor, labels_L: Tensor) -> tuple[Tensor, Tensor]:
    """Return the loss of each label in nats, and the log-normaliser of its row of logits.

    On a processor in float32 the backward pass writes over `logits_LV`, so it can be called once
    and nothing else may keep the logits.

    Args:
        logits_LV: scores; another dtype is made float32 first.
        labels_L: ids, int64; `NO_LABEL` where a row has none; both are 0 then.
    """
    logits_LV = logits_LV.float()
    if logits_LV.device.type != "cpu":
        return by_torch(logits_LV, labels_L)
    losses_L, normalisers_L = _CrossEntropy.apply(logits_LV.contiguous(), labels_L)  # type: ignore[no-untyped-call]
    return losses_L, normalisers_L


def by_torch(logits_LV: Tensor, labels_L: Tensor) -> tuple[Tensor, Tensor]:
    """Return what `cross_entropy` returns, by operators that run on every device."""
    losses_L = F.cross_entropy(logits_LV, labels_L, ignore_index=NO_LABEL, reduction="none")
    has_label_L = labels_L != NO_LABEL
    chosen_L = logits_LV.gather(1, labels_L.where(has_label_L, 0)[:, None])[:, 0]
    return losses_L, (losses_L + chosen_L) * has_label_L


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits_LV: Tensor, labels_L: Tensor) -> tuple[Tensor, Tensor]:
        _check_labels(labels_L, logits_LV.shape[1])
        losses_L, normalisers_L = logits_LV.new_empty(2, len(labels_L)).unbind()
        ctx.save_for_backward(logits_LV, labels_L, normalisers_L)
        ctx.is_spent = False
        logits, labels, losses, normalisers = _arrays(logits_LV, labels_L, losses_L, normalisers_L)
        _in_slices(
            logits.shape,
            lambda rows: label_losses(logits[rows], labels[rows], losses[rows], normalisers[rows]),
        )
        return losses_L, normalisers_L

    @staticmethod
    def backward(ctx: Any, of_losses_L: Tensor, of_normalisers_L: Tensor) -> tuple[Tensor, None]:
        if ctx.is_spent:
            raise RuntimeError("the gradient of a cross entropy stands where its logits were")
        ctx.is_spent = True
        logits_LV, labels_L, normalisers_L = ctx.saved_tensors
        logits, labels, normalisers = _arrays(logits_LV, labels_L, normalisers_L)
        of_losses, of_normalisers = _arrays(of_losses_L, of_normalisers_L)
        _in_slices(
            logits.shape,
            lambda rows: put_gradients(
                logits[rows],
                labels[rows],
                normalisers[rows],
                of_losses_L=of_losses[rows],
                of_normalisers_L=of_normalisers[rows],
            ),
        )
        return logits_LV.detach(), None


def _check_labels(labels_L: Tensor, vocab_size: int) -> None:
    is_id_L = (labels_L >= 0) & (labels_L < vocab_size)
    wrong = labels_L[~(is_id_L | (labels_L == NO_LABEL))]
    if len(wrong):
        raise IndexError(f"label {int(wrong[0])} is not of a vocabulary of {vocab_size}")


def _arrays(*tensors: Tensor) -> list[NDArray[Any]]:
    """Return tensors as arrays without gaps; of one that has none, the same memory."""
    return [tensor.detach().contiguous().numpy() for tensor in tensors]


def _in_slices(shape: tuple[int, ...], work: Callable[[slice], None]) -> None:
    """Do the work of all rows, on as many threads as torch has."""
    num_rows, num_columns = shape
    most = max(1, num_rows * num_columns // _LEAST_SCORES)
    num_slices = min(torch.get_num_threads(), most)
    if num_slices == 1:
        work(slice(0, num_rows))
        return
    ends = [num_rows * i // num_slices for i in range(num_slices + 1)]
    with ThreadPoolExecutor(num_slices) as pool:  # starting threads takes a hundredth of the work
        for _ in pool.map(work, map(slice, ends[:-1], ends[1:])):
            pass

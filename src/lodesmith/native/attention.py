"""Causal attention for learning over heads in any layout: typed calls of `attention.c`.

Threads are those of the OpenMP that the process has loaded already, which PyTorch's products use
too: a second team would fight with them for the processors on which they wait for work.
"""

import ctypes
from dataclasses import dataclass
from functools import cache
from typing import Any

from lodesmith.core.errors import EngineError
from lodesmith.native.library import load_library


class Heads(ctypes.Structure):
    """Where floats of heads are; those of one token and head lie side by side."""

    _fields_ = (
        ("address", ctypes.c_void_p),
        ("batch_stride", ctypes.c_int64),  # floats from one to the next
        ("head_stride", ctypes.c_int64),
        ("token_stride", ctypes.c_int64),
    )


_NO_HEADS = Heads()


@dataclass(frozen=True, kw_only=True)
class Attention:
    """What is attended to, and where results go; the caller keeps it alive."""

    num_batches: int
    num_heads: int
    num_kv_heads: int  # divides num_heads
    num_tokens: int
    head_dim: int
    starts: int | None  # address of batches x tokens int32: the first token that each reads
    scale: float  # of scores
    q: Heads
    k: Heads
    v: Heads
    out: Heads
    normalisers: int  # address of batches x heads x tokens x 2 floats
    grad_out: Heads = _NO_HEADS
    grad_q: Heads = _NO_HEADS
    grad_k: Heads = _NO_HEADS  # for each query head: who shares keys adds them up
    grad_v: Heads = _NO_HEADS


def attend(attention: Attention, *, num_threads: int, kernels: str | None = None) -> None:
    """Fill `out` and `normalisers`.

    Args:
        attention: where everything is.
        num_threads: at most; the bits do not depend on it.
        kernels: no wider registers than these, `plain` or `avx2`; None takes the widest.

    Raises:
        EngineError: memory ran out.
    """
    _call(attention, backward=False, num_threads=num_threads, kernels=kernels)


def attend_backward(attention: Attention, *, num_threads: int, kernels: str | None = None) -> None:
    """Fill `grad_q`, `grad_k` and `grad_v` from `grad_out` and what `attend` has filled.

    Args and errors are those of `attend`.
    """
    _call(attention, backward=True, num_threads=num_threads, kernels=kernels)


def widest_kernels() -> str:
    """Return which kernels this processor takes: `avx512`, `avx2` or `plain`."""
    name: bytes = _declare().ls_attention_kernels(None)
    return name.decode()


class _Call(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in (
            "num_batches", "num_heads", "num_kv_heads", "num_tokens", "head_dim",
        )),
        ("starts", ctypes.c_void_p),
        ("scale", ctypes.c_float),
        *((name, Heads) for name in ("q", "k", "v", "out", "grad_out", "grad_q")),
        *((name, Heads) for name in ("grad_k", "grad_v")),
        ("normalisers", ctypes.c_void_p),
    )  # fmt: skip


def _call(attention: Attention, *, backward: bool, num_threads: int, kernels: str | None) -> None:
    call = _Call(**vars(attention))
    wanted = None if kernels is None else kernels.encode()
    failed = _declare().ls_attention(
        ctypes.byref(call), backward, num_threads, _openmp_start(), wanted
    )
    if failed:
        raise EngineError(
            f"there is no memory left for attention over {attention.num_tokens} tokens; "
            "lower sequence_length or the number of threads"
        )


@cache
def _openmp_start() -> int | None:
    """Return the address of what starts a team of OpenMP's threads, None without OpenMP."""
    start: Any = getattr(ctypes.CDLL(None), "GOMP_parallel", None)
    return None if start is None else ctypes.cast(start, ctypes.c_void_p).value


@cache
def _declare() -> ctypes.CDLL:
    kernels = load_library()
    kernels.ls_attention.argtypes = [
        ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_char_p,
    ]  # fmt: skip
    kernels.ls_attention.restype = ctypes.c_int
    kernels.ls_attention_kernels.argtypes = [ctypes.c_char_p]
    kernels.ls_attention_kernels.restype = ctypes.c_char_p
    return kernels

"""The ways in which a GGUF file stores weights, and what they stand for in fp32.

Apart from F32, F16 and BF16, weights lie in blocks: of 32 with one scale (and a least value), or of
256 ("K") in which eight or sixteen groups have small scales of their own, times the block's.

Source: block layouts as published with ggml, src/ggml-common.h, and the scalar readers beside them
in src/ggml-quants.c (dequantize_row_*).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Weights = npt.NDArray[np.float32]
Items = npt.NDArray[Any]


@dataclass(frozen=True)
class Storage:
    """One way of storing."""

    name: str
    item: np.dtype[Any]
    weights_per_item: int
    expand: Callable[[Items], Weights]  # items -> items x weights of one


def _scaled(values: Items, items: Items) -> Weights:
    scaled: Weights = values.astype(np.float32) * _column(items, "scale")
    return scaled


def _column(items: Items, name: str) -> Weights:
    column: Weights = items[name].astype(np.float32)[:, None]
    return column


def _nibbles(packed: Items) -> Items:
    """Return the low halves of the last axis's bytes, then the high ones."""
    return np.concatenate((packed & 15, packed >> 4), axis=-1)


def _fives(items: Items) -> Items:
    """Return numbers of five bits; the fifth of all 32 stand together."""
    high = items["high"][:, None] >> np.arange(32, dtype=np.uint32) & 1
    return _nibbles(items["weights"]) | (high << 4).astype(np.uint8)


def _small_scales(items: Items) -> tuple[Weights, Weights]:
    """Return scale and least value of each of a block's eight groups, packed in six bits each."""
    first, second, third = (items["scales"][:, at : at + 4] for at in (0, 4, 8))
    scales = np.concatenate((first & 63, third & 15 | first >> 6 << 4), axis=1)
    least = np.concatenate((second & 63, third >> 4 | second >> 6 << 4), axis=1)
    return (
        scales.astype(np.float32) * _column(items, "scale"),
        least.astype(np.float32) * _column(items, "least"),
    )


def _groups(items: Items, fifth: Items | int) -> Weights:
    """Return weights of blocks of eight groups: nibbles of 32 bytes hold two groups."""
    numbers = _nibbles(items["weights"].reshape(-1, 4, 32)).reshape(-1, 8, 32) | fifth
    scales, least = _small_scales(items)
    weights: Weights = scales[..., None] * numbers - least[..., None]
    return weights.reshape(len(items), 256)


def _q5_k(items: Items) -> Weights:
    bits = items["high"][:, None, :] >> np.arange(8, dtype=np.uint8)[:, None] & 1
    return _groups(items, bits << 4)


def _q6_k(items: Items) -> Weights:
    low = _nibbles(items["weights"].reshape(-1, 2, 64)).reshape(-1, 2, 4, 32)
    shifts = np.array([0, 2, 4, 6], np.uint8)[:, None]
    high = items["high"].reshape(-1, 2, 1, 32) >> shifts & 3
    numbers = (low | high << 4).astype(np.float32) - 32
    scales = items["scales"].astype(np.float32).reshape(-1, 2, 4, 2, 1)
    scaled = numbers.reshape(-1, 2, 4, 2, 16) * scales
    weights: Weights = scaled.reshape(len(items), 256) * _column(items, "scale")
    return weights


def _plain(items: Items) -> Weights:
    return items.astype(np.float32)[:, None]


def _bf16(items: Items) -> Weights:
    return (items.astype(np.uint32) << 16).view(np.float32)[:, None]


def _block(*fields: tuple[Any, ...]) -> np.dtype[Any]:
    return np.dtype(list(fields))


_SCALE, _LEAST = ("scale", "<f2"), ("least", "<f2")
_HIGH_32, _HALVES = ("high", "<u4"), ("weights", "u1", 16)
_SMALL, _WEIGHTS_128 = ("scales", "u1", 12), ("weights", "u1", 128)

STORAGES = {
    0: Storage("F32", np.dtype("<f4"), 1, _plain),
    1: Storage("F16", np.dtype("<f2"), 1, _plain),
    30: Storage("BF16", np.dtype("<u2"), 1, _bf16),
    2: Storage("Q4_0", _block(_SCALE, _HALVES), 32,
               lambda items: _scaled(_nibbles(items["weights"]).astype(np.int8) - 8, items)),
    3: Storage("Q4_1", _block(_SCALE, _LEAST, _HALVES), 32,
               lambda items: _scaled(_nibbles(items["weights"]), items) + _column(items, "least")),
    6: Storage("Q5_0", _block(_SCALE, _HIGH_32, _HALVES), 32,
               lambda items: _scaled(_fives(items).astype(np.int8) - 16, items)),
    7: Storage("Q5_1", _block(_SCALE, _LEAST, _HIGH_32, _HALVES), 32,
               lambda items: _scaled(_fives(items), items) + _column(items, "least")),
    8: Storage("Q8_0", _block(_SCALE, ("weights", "i1", 32)), 32,
               lambda items: _scaled(items["weights"], items)),
    12: Storage("Q4_K", _block(_SCALE, _LEAST, _SMALL, _WEIGHTS_128), 256,
                lambda items: _groups(items, 0)),
    13: Storage("Q5_K", _block(_SCALE, _LEAST, _SMALL, ("high", "u1", 32), _WEIGHTS_128), 256,
                _q5_k),
    14: Storage("Q6_K", _block(_WEIGHTS_128, ("high", "u1", 64), ("scales", "i1", 16), _SCALE),
                256, _q6_k),
}  # fmt: skip
"""By the number that stands for each in a file."""

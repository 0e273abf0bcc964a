"""Blocks of GGUF weights, read one weight at a time as ggml's scalar code does it."""

import numpy as np
import pytest

from lodesmith.model.gguf_blocks import STORAGES


def half_nibble(weights, at):
    """Return weight `at` of 32: the first 16 in the low halves of the bytes."""
    return weights[at] & 15 if at < 16 else weights[at - 16] >> 4


def small_scale(scales, group):
    """Return the six bits of a group's scale and least value."""
    if group < 4:
        return scales[group] & 63, scales[group + 4] & 63
    low = scales[group + 4] & 15 | scales[group - 4] >> 6 << 4
    return low, scales[group + 4] >> 4 | scales[group] >> 6 << 4


def group_nibble(weights, at):
    pair, inside = divmod(at, 64)
    byte = weights[32 * pair + inside % 32]
    return byte & 15 if inside < 32 else byte >> 4


def q4_0(b, at):
    return b["scale"] * (half_nibble(b["weights"], at) - 8)


def q4_1(b, at):
    return b["scale"] * half_nibble(b["weights"], at) + b["least"]


def q5_0(b, at):
    return b["scale"] * ((half_nibble(b["weights"], at) | (b["high"] >> at & 1) << 4) - 16)


def q5_1(b, at):
    return b["scale"] * (half_nibble(b["weights"], at) | (b["high"] >> at & 1) << 4) + b["least"]


def q8_0(b, at):
    return b["scale"] * b["weights"][at]


def q4_k(b, at):
    scale, least = small_scale(b["scales"], at // 32)
    return b["scale"] * scale * group_nibble(b["weights"], at) - b["least"] * least


def q5_k(b, at):
    scale, least = small_scale(b["scales"], at // 32)
    number = group_nibble(b["weights"], at) | (b["high"][at % 32] >> (at // 32) & 1) << 4
    return b["scale"] * scale * number - b["least"] * least


def q6_k(b, at):
    half, inside = divmod(at, 128)
    quarter, place = divmod(inside, 32)
    byte = b["weights"][64 * half + 32 * (quarter % 2) + place]
    low = byte & 15 if quarter < 2 else byte >> 4
    number = (low | (b["high"][32 * half + place] >> 2 * quarter & 3) << 4) - 32
    return b["scale"] * b["scales"][8 * half + 2 * quarter + place // 16] * number


@pytest.mark.parametrize("read", [q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k])
def test_blocks_stand_for_what_their_scalar_readers_say(read):
    storage = next(one for one in STORAGES.values() if one.name.lower() == read.__name__)
    generator = np.random.default_rng(len(read.__name__))
    raw = generator.integers(0, 256, (5, storage.item.itemsize), dtype=np.uint8)
    blocks = raw.view(storage.item).reshape(-1).copy()
    for name in {"scale", "least"} & set(storage.item.names):
        blocks[name] = generator.integers(1, 9, 5) / 8
    expected = [
        [read({name: value.tolist() for name, value in zip(block.dtype.names, block, strict=True)},
              at) for at in range(storage.weights_per_item)]
        for block in blocks
    ]  # fmt: skip
    assert np.array_equal(storage.expand(blocks), np.array(expected, np.float32))


def test_the_upper_half_of_a_float_is_the_float():
    numbers = np.array([1.5, -2.0, 0.0078125], np.float32)
    halves = (numbers.view(np.uint32) >> 16).astype(np.uint16)
    storage = next(one for one in STORAGES.values() if one.name == "BF16")
    assert np.array_equal(storage.expand(halves)[:, 0], numbers)


def test_a_block_is_as_long_as_in_the_published_layouts():
    sizes = {storage.name: storage.item.itemsize for storage in STORAGES.values()}
    assert sizes == {
        "F32": 4, "F16": 2, "BF16": 2, "Q4_0": 18, "Q4_1": 20, "Q5_0": 22, "Q5_1": 24, "Q8_0": 34,
        "Q4_K": 144, "Q5_K": 176, "Q6_K": 210,
    }  # fmt: skip

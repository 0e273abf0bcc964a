"""The kernel that judges words by their neighbours is the network that numpy computes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.native.replaced import (
    BEYOND,
    HIDDEN,
    LEVELS,
    MAX_JUDGED,
    MOST,
    NO_PAIR,
    NUM_MARKS,
    NUMBER,
    REACH,
    UNKNOWN,
    WIDTH,
    Detector,
    Network,
)

_SPAN = (2 * REACH + 1) * WIDTH
_NUM_WORDS = 9


def _network(seed: int, **changes: object) -> Network:
    draw = np.random.default_rng(seed)
    num_rows = NUM_MARKS + _NUM_WORDS
    tables = {
        "keys": np.arange(1, _NUM_WORDS + 1, dtype=np.uint32) * np.uint32(40_503),
        "vectors": draw.integers(-127, 128, (num_rows, WIDTH)).astype(np.int16),
        "own": draw.integers(-9999, 9999, num_rows).astype(np.int32),
        "window": draw.integers(-500, 500, (HIDDEN, _SPAN)).astype(np.int16),
        "subject": draw.integers(-500, 500, (HIDDEN, WIDTH)).astype(np.int16),
        "before": draw.integers(-99_999, 99_999, (NO_PAIR + 1, HIDDEN)).astype(np.int32),
        "after": draw.integers(-99_999, 99_999, (NO_PAIR + 1, HIDDEN)).astype(np.int32),
        "offsets": draw.integers(-9999, 9999, HIDDEN).astype(np.int32),
        "output": draw.integers(-500, 500, HIDDEN).astype(np.int32),
    }
    return Network(**tables | {"hidden_shift": 8, "offset": 77, "scale": 40_000} | changes)


def _pairs(num_words: int) -> np.ndarray:
    return (np.arange(max(num_words - 1, 0), dtype=np.int64) * 97 + num_words) % NO_PAIR


def _logits(network: Network, rows: list[int]) -> list[float]:
    """Return what each word says, a word at a time."""
    pairs = [NO_PAIR, *_pairs(len(rows)).tolist(), NO_PAIR]
    padded = [BEYOND] * REACH + rows + [BEYOND] * REACH
    sums = network.vectors[rows].astype(int).sum(0)
    products = sums * network.subject.astype(int)
    base = network.offsets + (np.sign(products) * (abs(products) // len(rows))).sum(1)
    found = []
    for at, row in enumerate(rows):
        window = network.vectors[padded[at : at + 2 * REACH + 1]].astype(int).ravel()
        usual = network.before[pairs[at]].astype(int) + network.after[pairs[at + 1]]
        levels = base + usual + network.window.astype(int) @ window
        hidden = np.maximum(levels, 0) >> network.hidden_shift
        total = network.offset + int(network.own[row]) + int(hidden @ network.output)
        found.append(total / network.scale)
    return found


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, _NUM_WORDS + 1), min_size=1, max_size=40), st.integers(0, 99))
def test_sums_are_those_of_the_network(words: list[int], seed: int) -> None:
    network = _network(seed)
    rows = [[UNKNOWN, NUMBER][word] if word < 2 else NUM_MARKS + word - 2 for word in words]
    hashes = [7 if word < 2 else int(network.keys[word - 2]) << 32 | seed for word in words]
    found = Detector(network).read(
        np.array(hashes, np.uint64),
        np.ones(len(words), np.uint8),
        np.array([0 if word == 1 else 2 for word in words], np.uint8),
        _pairs(len(words)),
    )
    logits = _logits(network, rows)
    assert found.num_judged == len(words)
    assert found.sum == pytest.approx(sum(min(max(each, -MOST), MOST) for each in logits))
    assert found.num_above == tuple(sum(each > level for each in logits) for level in LEVELS)


def test_a_text_without_words_says_nothing() -> None:
    empty = np.zeros(0, np.uint8)
    found = Detector(_network(1)).read(
        empty.astype(np.uint64), empty, empty, empty.astype(np.int64)
    )
    assert (found.num_judged, found.sum, found.num_above) == (0, 0.0, (0,) * len(LEVELS))


def test_of_a_long_text_words_far_and_wide_are_judged() -> None:
    network, num_words = _network(1), 5 * MAX_JUDGED + 1
    words = np.full(num_words, 7, np.uint64)
    found = Detector(network).read(
        words, np.ones(num_words, np.uint8), np.full(num_words, 2, np.uint8), _pairs(num_words)
    )
    assert found.num_judged == -(-num_words // 6) <= MAX_JUDGED


@pytest.mark.parametrize(
    "changes",
    [
        {"vectors": np.zeros((2, WIDTH), np.int16)},
        {"keys": np.zeros(_NUM_WORDS, np.uint64)},
        {"window": np.full((HIDDEN, _SPAN), 32_767, np.int16), "vectors": np.full(
            (NUM_MARKS + _NUM_WORDS, WIDTH), 32_767, np.int16
        )},
        {"before": np.zeros((NO_PAIR, HIDDEN), np.int32)},
        {"scale": 0},
        {"hidden_shift": 64},
    ],
)  # fmt: skip
def test_tables_that_the_kernel_would_read_wrongly_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="model's"):
        Detector(_network(1, **changes))

"""What the kernel measures of a text is what plain counting finds."""

from collections import Counter
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.native.naturalness import Measured, RunSorts, find_levels, measure

_SORTS = RunSorts(salts=(3, 5, 9), num_levels=(3, 1, 3))
_FUNCTION = np.arange(0, 40, 3, dtype=np.uint64)
_BITS = np.random.default_rng(1).integers(0, 256, 4000, dtype=np.uint8) | np.uint8(0xEE)


def _measure(words: list[int]) -> Measured:
    parts = np.array(words, np.uint64)
    return measure(parts, np.zeros(len(parts), np.uint8), _BITS, _FUNCTION, _SORTS)


def _tops(words: list[int], run: int, free: int) -> int:
    content = [word not in _FUNCTION for word in words]
    runs = [
        tuple(words[at : at + run])
        for at in range(len(words) - run + 1)
        if all(content[at : at + run])
    ]
    return sum(max(count - free, 0) for _, count in Counter(runs).most_common(3))


_WORDS = st.lists(st.integers(0, 40), max_size=300)


@settings(max_examples=60, deadline=None)
@given(_WORDS)
def test_repetition_and_grammar_are_counted_as_plain_python_counts_them(words: list[int]) -> None:
    found = _measure(words)
    assert found.num_words == len(words)
    assert found.num_function == sum(word in _FUNCTION for word in words)
    assert found.tops == [_tops(words, run, free) for run, free in ((1, 2), (2, 2), (3, 1))]
    pairs = Counter(pairwise(words))
    covered = {
        place
        for at, (one, other) in enumerate(pairwise(words))
        if one not in _FUNCTION and other not in _FUNCTION and pairs[one, other] >= 4
        for place in (at, at + 1)
    }
    assert found.num_covered == len(covered)


@settings(max_examples=60, deadline=None)
@given(_WORDS)
def test_symbols_say_how_usual_a_word_is_and_whether_it_comes_back(words: list[int]) -> None:
    found = _measure(words)
    parts = np.array(words, np.uint64)
    levels = find_levels(parts, 1, _BITS, num_levels=5).tolist()
    counts = Counter(words)
    kinds = [
        6 + level if level <= 2 and counts[word] > 1 else level
        for word, level in zip(words, levels, strict=True)
    ]
    assert found.symbols[0].tolist() == kinds
    assert found.num_at_level == [sum(level >= least for level in levels) for least in range(1, 6)]
    usual = find_levels(parts ^ np.uint64(3), 2, _BITS, num_levels=3).tolist()
    edges = find_levels(parts ^ np.uint64(9), 2, _BITS, num_levels=3).tolist()
    repeats = Counter(pairwise(words))
    expected = [
        3 + level if level else 7 if repeats[pair] > 1 else edge
        for level, edge, pair in zip(usual, edges, pairwise(words), strict=True)
    ]
    assert (found.symbols[1] % 8).tolist() == expected[: len(found.symbols[1])]
    assert [len(row) for row in found.symbols] == [
        len(words), max(len(words) - 1, 0), max(len(words) - 2, 0), len(words),
    ]  # fmt: skip

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
_HAS_LETTER, _AFTER_MARK, _BEGINS_LINE = 2, 4, 8
_MARKED = st.lists(
    st.tuples(st.integers(0, 14), st.sampled_from((0, 2, 2, 2, 2, 2, 6, 6, 14))), max_size=200
)


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


def _plain_clauses(words: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    clauses: list[list[tuple[int, int]]] = []
    for place, word in enumerate(words):
        if place == 0 or word[1] & _AFTER_MARK:
            clauses.append([])
        clauses[-1].append(word)
    return clauses


def _is_key(word: tuple[int, int]) -> bool:
    return word[0] not in _FUNCTION and bool(word[1] & _HAS_LETTER)


def _key_pairs(clause: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return pairs of content words of a clause without grammar; none of any other."""
    is_bare = sum(map(_is_key, clause)) > 1 and all(word not in _FUNCTION for word, _ in clause)
    return [
        (one[0], other[0])
        for one, other in pairwise(clause)
        if is_bare and _is_key(one) and _is_key(other)
    ]


@settings(max_examples=100, deadline=None)
@given(_MARKED)
def test_keywords_are_counted_where_plain_python_finds_them(words: list[tuple[int, int]]) -> None:
    parts, flags = (np.array(row, kind) for row, kind in zip(
        zip(*words, strict=True) if words else ((), ()), (np.uint64, np.uint8), strict=True
    ))  # fmt: skip
    found = measure(parts, flags, _BITS, _FUNCTION, _SORTS).keywords
    clauses = _plain_clauses(words)
    copies = Counter(pair for clause in clauses for pair in _key_pairs(clause))
    counts = Counter[str]()
    for place, clause in enumerate(clauses):
        if all(copies[pair] < 4 for pair in _key_pairs(clause)):
            continue
        beside = [] if clause[0][1] & _BEGINS_LINE or not place else [clauses[place - 1]]
        if place + 1 < len(clauses) and not clauses[place + 1][0][1] & _BEGINS_LINE:
            beside.append(clauses[place + 1])
        bare = [sum(map(_is_key, one)) > 1 and not _has_grammar(one) for one in beside]
        prose = [len(one) >= 4 and _has_grammar(one) for one in beside]
        kind = "between" if any(prose) and len(clause) <= 8 else "listed" if any(bare) else "other"
        counts.update({kind: len(clause), f"{kind} clauses": 1})
    assert (found.between, found.clauses_between) == (counts["between"], counts["between clauses"])
    assert (found.listed, found.clauses_listed) == (counts["listed"], counts["listed clauses"])


def _has_grammar(clause: list[tuple[int, int]]) -> bool:
    return any(word in _FUNCTION for word, _ in clause)


def test_the_word_that_most_stands_with_is_that_of_the_keyword() -> None:
    keyword, text = [1, 2], [*range(3, 31, 3), 0]
    words = (text[:4] + keyword) * 6
    flags = np.full(len(words), _HAS_LETTER, np.uint8)
    found = measure(np.array(words, np.uint64), flags, _BITS, _FUNCTION, _SORTS).keywords
    assert (found.dense, found.dense_copies, found.between) == (12, 6, 0)
    alone = measure(np.array(keyword * 10, np.uint64), flags[:20], _BITS, _FUNCTION, _SORTS)
    assert alone.keywords.stretched == 20

"""MinHash: what a signature sees, how near its estimate is to the truth, that bad input is safe."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.native.minhash import link, sign_characters, sign_words

_SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "neardup"
_NUM = 112


def _runs(text: str, run: int) -> set[str]:
    text = "".join(text.lower().split())
    return {text[at : at + run] for at in range(max(1, len(text) - run + 1))}


def _sign(text: str, run: int = 5) -> np.ndarray:
    signature = sign_characters(text, run=run, num_functions=_NUM)
    assert signature is not None
    return signature


@given(st.text(min_size=1, max_size=40), st.text(max_size=40), st.integers(1, 9))
def test_texts_of_the_same_runs_have_the_same_signature(left: str, right: str, run: int) -> None:
    one = sign_characters(left, run=run, num_functions=_NUM)
    two = sign_characters(right, run=run, num_functions=_NUM)
    if one is None or two is None:
        assert not left.strip(_SPACES) or not right.strip(_SPACES)
    elif _runs(left, run) == _runs(right, run):
        assert (one == two).all()


_SPACES = "".join(map(chr, (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, 0x3000)))
_SPACES += "".join(map(chr, (*range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F)))


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60), st.integers(1, 64))
def test_a_signature_is_that_of_the_set_of_runs(words: list[int], run: int) -> None:
    hashes = np.array(words, np.uint64)
    once = sign_words(hashes, run=run, num_functions=_NUM)
    doubled = sign_words(np.concatenate((hashes, hashes)), run=run, num_functions=_NUM)
    again = sign_words(np.concatenate((hashes,) * 3), run=run, num_functions=_NUM)
    assert once is not None
    assert doubled is not None
    assert again is not None
    if run <= len(words):
        assert (doubled <= once).all()  # more runs can only lower it
        assert (doubled == again).all()  # the same runs once more change nothing


def test_nothing_has_no_signature() -> None:
    assert sign_characters(" \n\u3000", run=5, num_functions=_NUM) is None
    assert sign_words(np.zeros(0, np.uint64), run=5, num_functions=_NUM) is None


def test_the_estimate_is_as_near_the_truth_as_theory_says() -> None:
    # Its standard deviation is sqrt(s (1 - s) / 112); over 200 pairs the mean square of errors in
    # units of it is 1 within four of its own deviations, sqrt(2 / 200).
    squares = []
    for seed in range(200):
        chance = random.Random(seed)
        words = [f"w{chance.randrange(9999)}" for _ in range(150)]
        kept = chance.randrange(20, 145)
        left = " ".join(words)
        right = " ".join(words[:kept] + [f"x{chance.randrange(9999)}" for _ in range(150 - kept)])
        one, two = _runs(left, 5), _runs(right, 5)
        truth = len(one & two) / len(one | two)
        error = float((_sign(left) == _sign(right)).mean()) - truth
        squares.append(error**2 / (truth * (1 - truth) / _NUM))
    assert abs(np.mean(squares) - 1) < 4 * np.sqrt(2 / 200)


@pytest.mark.skipif(not _SHARED.exists(), reason="the near-duplicate pages are not here")
def test_the_sketch_agrees_with_the_true_overlap_of_real_revisions() -> None:
    with gzip.open(_SHARED / "pages.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = {page["id"]: page["text"] for page in map(json.loads, file)}
    lines = (_SHARED / "pairs.jsonl").read_text("utf-8").splitlines()
    pairs = [pair for pair in map(json.loads, lines) if pair["a"] in texts and pair["b"] in texts]
    signed = {name: _sign(text) for name, text in texts.items()}
    alike = {
        (pair["a"], pair["b"]): float((signed[pair["a"]] == signed[pair["b"]]).mean()) >= 0.8
        for pair in pairs
    }
    above = [alike[p["a"], p["b"]] for p in pairs if p["jaccard5"] > 0.9]
    below = [alike[p["a"], p["b"]] for p in pairs if p["jaccard5"] < 0.6]
    assert sum(above) >= 0.98 * len(above)
    assert sum(below) <= 0.1 * len(below)


def test_a_bucket_becomes_a_forest_of_alike_signatures() -> None:
    chance = np.random.default_rng(1)
    families = chance.integers(0, 1 << 32, (3, _NUM), dtype=np.uint32)
    signatures = families[chance.integers(0, 3, 90)]
    signatures[np.arange(90), chance.integers(0, _NUM, 90)] = np.arange(90)  # one number changed
    members = np.arange(90, dtype=np.uint32)
    left, right, equal = link(signatures, members, np.array([0, 40, 90], np.uint64), min_equal=90)
    assert len(left) == 84  # two buckets of three families: a tree each
    assert ((left < 40) == (right < 40)).all()
    assert (left < right).all()
    assert (equal >= _NUM - 2).all()
    for one, two in zip(left, right, strict=True):
        assert (signatures[one] == signatures[two]).sum() >= 90

"""Mixtures: exact shares, epochs of each corpus's own, one integer, and the way back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.data.corpora import CORPORA_FILE, mixture_order, write_corpora
from lodesmith.data.mixture import PERIOD, MixtureOrder, Share, apportion
from lodesmith.data.tokens import TokenSet, write_token_set

LENGTH = 8


@st.composite
def orders(draw):
    """Orders over up to four corpora, each in one or two runs of windows."""
    shares, start = [], 0
    for number in range(draw(st.integers(1, 4))):
        runs = []
        for size in draw(st.lists(st.integers(1, 40), min_size=1, max_size=2)):
            runs.append(range(start, start + size))
            start += size + draw(st.integers(0, 2))
        weight = draw(st.floats(0.05, 10))
        shares.append(Share(f"corpus-{number}", weight, tuple(runs)))
    return MixtureOrder(tuple(shares), draw(st.integers(0, 1 << 40)))


@given(orders(), st.integers(0, 3 * PERIOD), st.integers(1, 60))
def test_a_sample_is_what_it_is_whatever_batch_it_is_asked_in(order, first, count):
    samples = np.arange(first, first + count)
    together = order.windows(samples).tolist()
    assert together == [int(order.windows(np.array([sample]))[0]) for sample in samples]


@given(orders(), st.integers(1, 600))
def test_the_readings_of_windows_are_the_samples_that_read_them(order, consumed):
    read: dict[int, list[int]] = {}
    for sample, window in enumerate(order.windows(np.arange(consumed)).tolist()):
        read.setdefault(window, []).append(sample)
    for share in order.shares:
        for run in share.windows:
            for window in run:
                found = list(order.readings(window, consumed))
                assert sorted(sample for _, sample in found) == read.pop(window, [])
                epochs = [epoch for epoch, _ in found]
                assert epochs == list(range(len(epochs)))  # once an epoch, none left out
    assert not read  # nothing else was read


@given(orders())
def test_every_stretch_has_its_share_of_each_corpus(order):
    counts = apportion([share.weight for share in order.shares], PERIOD)
    whole = sum(share.weight for share in order.shares)
    for number, share in enumerate(order.shares):
        assert order.num_read(number, 5 * PERIOD) == 5 * counts[number]
        assert counts[number] / PERIOD == pytest.approx(share.weight / whole, abs=1 / PERIOD)
        for consumed in (100, 1000, 3000):
            fair = consumed * counts[number] / PERIOD
            assert abs(order.num_read(number, consumed) - fair) <= len(order.shares)


@given(
    st.lists(st.floats(1e-9, 1e9), min_size=1, max_size=50),
    st.integers(50, 5000),
)
def test_places_are_dealt_out_whole_and_none_goes_without(weights, total):
    counts = apportion(weights, total)
    assert counts.sum() == total
    assert counts.min() >= 1


@pytest.fixture
def tokens(tmp_path):
    """Ten documents of two corpora, in three runs."""
    documents = [(f"d{number}", list(range(number + 5))) for number in range(10)]
    folder = tmp_path / "tokens"
    write_token_set(folder, documents, vocab_size=40, tokenizer_digest="t", separator_id=39)
    write_corpora(folder, [("wiki", 2), ("wiki", 1), ("code", 4), ("", 0), ("wiki", 3)])
    return TokenSet.open(folder)


def test_the_windows_of_corpora_are_those_that_begin_with_their_tokens(tokens):
    order = mixture_order(tokens, {"wiki": 1, "code": 3}, sequence_length=LENGTH, seed=1)
    wiki, code = order.shares[1], order.shares[0]
    assert (wiki.name, code.name) == ("wiki", "code")
    owned = {window: share for share in order.shares for run in share.windows for window in run}
    assert sorted(owned) == list(range(tokens.num_windows(LENGTH)))
    for window, share in owned.items():
        number = int(np.searchsorted(tokens.ends, window * LENGTH, side="right"))
        assert share is (code if 3 <= number < 7 else wiki)


def test_unknown_and_short_corpora_are_refused_by_name(tokens):
    with pytest.raises(UserError, match=r"no corpus books; the tokens come from code, wiki"):
        mixture_order(tokens, {"books": 1}, sequence_length=LENGTH, seed=1)
    with pytest.raises(UserError, match="corpus code is shorter than one sequence"):
        mixture_order(tokens, {"code": 1}, sequence_length=60, seed=1)
    (tokens.folder / CORPORA_FILE).write_text('[{"corpus": "wiki"')
    with pytest.raises(DamagedArtifactError, match="is torn"):
        mixture_order(tokens, {"wiki": 1}, sequence_length=LENGTH, seed=1)
    (tokens.folder / CORPORA_FILE).unlink()
    with pytest.raises(UserError, match="does not say which tokens came from which corpus"):
        mixture_order(tokens, {"wiki": 1}, sequence_length=LENGTH, seed=1)

"""The n-gram model against arithmetic done by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.evaluate.held_out.ngram import NgramModel, _estimate_discounts

A, B = 0, 1
texts = st.lists(st.lists(st.integers(0, 4), max_size=40), min_size=1, max_size=6)


def arrays(documents):
    return [np.array(document, np.int64) for document in documents]


def test_a_bigram_model_of_four_symbols_is_what_one_gets_by_hand():
    # Text "a b a a" after a start S: bigrams Sa 1, ab 1, ba 1, aa 1. Too few for estimated
    # discounts, so 0.5 comes off each count of 1 and 1.0 off each count of 2.
    # Unigrams count distinct symbols before: a after S, b, a = 3; b after a = 1. Sum 4.
    #   D(3) = 1.5, D(1) = 0.5: p(a) = (3 - 1.5) / 4 + (2 / 4) / 2 = 0.625, p(b) = 0.125 + 0.25
    # After a: counts a 1, b 1, sum 2, left over (0.5 + 0.5) / 2 = 0.5:
    #   p(b | a) = 0.5 / 2 + 0.5 * 0.375 = 0.4375, p(a | a) = 0.25 + 0.5 * 0.625 = 0.5625
    model = NgramModel(arrays([[A, B, A, A]]), num_symbols=2, order=2)
    assert model.distribution([A]) == pytest.approx([0.5625, 0.4375])
    assert model.distribution([B]) == pytest.approx([0.5 + 0.5 * 0.625, 0.5 * 0.375])
    assert model.distribution([]) == pytest.approx([0.5 + 0.5 * 0.625, 0.5 * 0.375])


def test_discounts_follow_equation_26():
    counts = np.repeat([1, 2, 3, 4, 9], [40, 20, 10, 5, 7])
    y = 40 / (40 + 2 * 20)
    expected = [0, 1 - 2 * y * 20 / 40, 2 - 3 * y * 10 / 20, 3 - 4 * y * 5 / 10]
    assert _estimate_discounts(counts) == pytest.approx(expected)


@given(documents=texts, context=st.lists(st.integers(0, 4), max_size=6), order=st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_probabilities_of_all_symbols_add_up_to_one(documents, context, order):
    if not any(documents):
        documents = [[0]]
    model = NgramModel(arrays(documents), num_symbols=6, order=order)
    distribution = model.distribution(context)
    assert distribution.sum() == pytest.approx(1)
    assert (distribution > 0).all()


@given(documents=texts, held_out=st.lists(st.integers(0, 5), min_size=1, max_size=20))
@settings(max_examples=40, deadline=None)
def test_bits_of_a_text_are_those_of_its_symbols_one_by_one(documents, held_out):
    if not any(documents):
        documents = [[0]]
    model = NgramModel(arrays(documents), num_symbols=6, order=3)
    one_by_one = sum(
        -np.log2(model.distribution(held_out[:at])[symbol]) for at, symbol in enumerate(held_out)
    )
    assert model.bits(arrays([held_out])) == pytest.approx(one_by_one)


def test_a_text_does_not_look_into_the_text_before_it():
    model = NgramModel(arrays([[0, 1, 2, 3], [3, 2, 1, 0]]), num_symbols=4)
    apart = model.bits(arrays([[0, 1]])) + model.bits(arrays([[2, 3]]))
    assert model.bits(arrays([[0, 1], [2, 3]])) == pytest.approx(apart)


def test_an_alphabet_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="63 bits"):
        NgramModel(arrays([[0]]), num_symbols=6300)

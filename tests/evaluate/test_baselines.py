"""What a byte of text costs under the baselines."""

import math

import numpy as np
import pytest

from lodesmith.evaluate.held_out import baselines
from lodesmith.evaluate.held_out.baselines import (
    byte_5gram_bits,
    character_5gram_bits,
    token_5gram_bits,
    xz_bytes,
)

TRAINING = ["the cat sat on the mat. " * 8, "猫坐在垫子上。" * 8]


def test_text_like_the_training_text_is_cheaper_than_other_text():
    for bits in (byte_5gram_bits, character_5gram_bits):
        assert bits(TRAINING, ["the cat sat on the mat"]) < bits(
            TRAINING, ["zebras 4 quick fox jum"]
        )


def test_characters_are_cheaper_than_bytes_in_chinese():
    assert character_5gram_bits(TRAINING, ["猫坐在垫子上"]) < byte_5gram_bits(
        TRAINING, ["猫坐在垫子上"]
    )


def test_an_unknown_character_costs_its_bytes_and_an_escape():
    known, unknown = (
        character_5gram_bits(["aaaa"], ["aaaa"]),
        character_5gram_bits(["aaaa"], ["aaa猫"]),
    )
    assert unknown > known + 24


def test_tokens_outside_the_alphabet_cost_a_choice_among_the_others(monkeypatch):
    monkeypatch.setattr(baselines, "_MAX_ALPHABET", 2)
    training = [np.array([7, 7, 7, 9, 9, 3])]
    low, high = (
        token_5gram_bits(training, [np.array([7, 3])], vocab_size=size) for size in (10, 1002)
    )
    assert high - low == pytest.approx(math.log2(1000 / 8))


def test_the_token_model_does_not_care_how_tokens_are_numbered():
    few, many = np.array([0, 1, 2, 1, 0]), np.array([10, 500, 90, 500, 10])
    assert token_5gram_bits([few], [few[:3]], vocab_size=600) == pytest.approx(
        token_5gram_bits([many], [many[:3]], vocab_size=600)
    )


def test_xz_packs_a_repetition_into_almost_nothing():
    text = "".join(chr(33 + (7 * at * at) % 90) for at in range(3000))
    assert xz_bytes([text, text]) - xz_bytes([text]) < 100

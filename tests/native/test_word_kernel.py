"""The word pass in C beside the same rule in Python, and on bytes that are no UTF-8."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.native.words import hash_runs, split


def _plain_words(text: str) -> list[str]:
    words, current = [], ""
    for char in text:
        is_single = "\u4e00" <= char <= "\u9fff" or "\u3041" <= char <= "\u30ff"
        is_word = unicodedata.category(char)[0] in "LNM" and not is_single
        if is_word:
            current += char.lower() if len(char.lower()) == 1 else char
            continue
        words += [current] if current else []
        words += [char] if is_single else []
        current = ""
    return words + ([current] if current else [])


@given(
    st.text(
        st.characters(max_codepoint=0x30FF, exclude_categories=["Cs"]) | st.sampled_from("東京、")
    )
)
def test_words_of_any_script_are_those_of_the_plain_rule(text: str) -> None:
    expected = _plain_words(
        text.replace("\u3005", " ").replace("\u3006", " ").replace("\u3007", " ")
    )
    hashes, lengths, _ = split(
        text.replace("\u3005", " ").replace("\u3006", " ").replace("\u3007", " ").encode()
    )
    assert lengths.tolist() == [len(word) for word in expected]
    assert len(set(hashes.tolist())) == len(set(expected))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_text_give_words_too(data: bytes) -> None:
    hashes, lengths, flags = split(data)
    assert len(hashes) == len(lengths) == len(flags) <= len(data)
    assert not len(lengths) or lengths.min() > 0


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=40), st.integers(1, 40))
def test_runs_hashed_while_rolling_are_those_hashed_alone(values: list[int], run: int) -> None:
    run = min(run, len(values))
    hashes = np.array(values, np.uint64)
    alone = [int(hash_runs(hashes[at : at + run], run)[0]) for at in range(len(values) - run + 1)]
    assert hash_runs(hashes, run).tolist() == alone


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("one two, three (four) five", [0, 2, 3, 4]),
        ("well-known don't v1.2 a/b", [0]),
        ("cheap flights - best. Flights", [0, 2, 3]),
        ('the "best one" of all', [0]),
        ("公司电话 公司-价格", [0, 4, 6]),
        ("公司 plan 公司", [0]),
        ("价格、电话", [0, 2]),
    ],
)
def test_marks_between_words_are_told(text: str, places: list[int]) -> None:
    _, _, flags = split(text.encode())
    assert np.flatnonzero(flags & 4).tolist() == places


def test_words_that_begin_a_line_are_told() -> None:
    _, _, flags = split("one two\n\n- three\u2028 四".encode())
    assert np.flatnonzero(flags & 8).tolist() == [0, 2, 3]
    assert np.flatnonzero(flags & 4).tolist() == [0, 2, 3]

"""Hashes of lines and texts agree with the plain rules."""

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from lodesmith.native.lines import hash_lines, hash_text

_TEXT = st.text(st.sampled_from("aBßé1２ \t\u3000\u00a0\u2003\n中。⺀⸺😀"), max_size=40)


def _key(line: str) -> str:
    folded = line.casefold().strip()
    return re.sub(r"\d", "0", folded) if len(folded) <= 10 else folded


@given(_TEXT, _TEXT)
def test_lines_are_equal_by_the_plain_rule(left: str, right: str) -> None:
    lines, seen = (left + "\n" + right).split("\n"), {}
    hashes, columns = hash_lines(left + "\n" + right, max_counter=10)
    assert len(hashes) == len(lines)
    for line, value, width in zip(lines, hashes.tolist(), columns.tolist(), strict=True):
        assert seen.setdefault(_key(line), value) == value
        bare = line.casefold().strip()
        assert width == len(bare) + sum(char >= "\u2e80" for char in bare)
    assert len(set(seen.values())) == len(seen)


@given(_TEXT, _TEXT)
def test_texts_are_equal_but_for_case_and_spacing(left: str, right: str) -> None:
    same = left.casefold().split() == right.casefold().split()
    assert (hash_text(left) == hash_text(right)) == same


@given(st.text(max_size=30), st.integers(1, 9))
def test_spacing_never_changes_a_text(text: str, place: int) -> None:
    spaced = " ".join(text.split())
    if not any(unicodedata.category(char) == "Cc" for char in text):
        assert hash_text(text) == hash_text(f"\n {spaced}" + "\t" * place)


def test_zero_bytes_and_lengths_count() -> None:
    texts = ["", "\0", "\0" * 7, "\0" * 8, "\0" * 9, "\0" * 16, "a", "a\0"]
    assert len({hash_text(text) for text in texts}) == len(texts)

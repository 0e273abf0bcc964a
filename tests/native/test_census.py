"""The census counts what Python counts, and survives any bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.native.census import class_table, count_classes

_TABLE = class_table(lambda code: code % 16, higher_planes=7)


def _expected(text: str) -> np.ndarray:
    counts, before = np.zeros((16, 16), dtype=np.int64), 0
    for character in text:
        code = ord(character)
        name = code % 16 if code < 0x10000 else 7
        counts[before, name] += 1
        before = name
    return counts


@given(st.text())
def test_every_character_counts_once_in_the_class_of_its_code_point(text: str) -> None:
    assert (count_classes(text.encode(), _TABLE) == _expected(text)).all()


@given(st.binary())
def test_bytes_that_are_no_text_are_counted_without_harm(data: bytes) -> None:
    assert 0 <= count_classes(data, _TABLE).sum() <= len(data)

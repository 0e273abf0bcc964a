import unicodedata

import numpy as np
import pytest

from lodesmith.native.code_points import NUM_POINTS, all_points, has_category, is_space
from lodesmith.native.words import word_classes


def test_all_points_are_there_in_order() -> None:
    assert [ord(char) for char in all_points()] == list(range(NUM_POINTS))


@pytest.mark.parametrize("names", [("L", "M"), ("Lu",), ("N",), ("So", "P")])
def test_categories_are_those_of_unicodedata(names: tuple[str, ...]) -> None:
    told = [unicodedata.category(char).startswith(names) for char in all_points()]
    assert np.array_equal(has_category(*names), told)


def test_spaces_are_those_of_str() -> None:
    assert np.array_equal(is_space(), [char.isspace() for char in all_points()])


def test_a_word_has_the_same_class_and_lower_case_as_python_gives_it() -> None:
    table = word_classes()
    for point, char in enumerate(all_points()):
        lower = char.lower() if unicodedata.category(char)[0] in "LMN" else char
        assert table[point] & 0xFFFFFF == (ord(lower) if len(lower) == 1 else point)

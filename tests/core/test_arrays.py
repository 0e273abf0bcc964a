"""Arrays longer than memory come back as they were written."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.arrays import map_array, replace_array


@given(
    st.lists(st.lists(st.integers(0, 2**32 - 1), max_size=9), max_size=9),
    st.sampled_from(["u4", "i8", "<u8"]),
)
def test_pieces_come_back_as_one_array(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[list[int]], dtype: str
) -> None:
    path = tmp_path_factory.mktemp("array") / "array.npy"
    with replace_array(path, dtype) as array:
        for piece in pieces:
            array.append(piece)
    read = np.load(path, allow_pickle=False)
    assert read.dtype == np.dtype(dtype)
    assert read.tolist() == [value for piece in pieces for value in piece] == [*map_array(path)]


def test_a_torn_array_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    with replace_array(path, np.int64) as array:
        array.append(range(100))
    whole = path.read_bytes()
    for length in (0, 5, 127, 128, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"."):
            map_array(path)


def test_an_array_that_is_not_finished_does_not_exist(tmp_path: Path) -> None:
    def stop_early() -> None:
        with replace_array(tmp_path / "a.npy", np.int64) as array:
            array.append([1, 2, 3])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_early()
    assert not list(tmp_path.iterdir())

"""The way of a name to its row: keys, order, pages."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.lineage.catalog.rows import (
    LINK,
    PAGE_BYTES,
    PLACE,
    check_page,
    key_of,
    keys_of,
    pack_pages,
    rows_with_keys,
    sort_rows,
    unpack_pages,
)
from lodesmith.native.catalog import hash_column


@given(st.lists(st.binary(max_size=700), max_size=20))
def test_a_column_is_hashed_as_hashlib_hashes_each_string(names: list[bytes]) -> None:
    keys = keys_of("url", names)
    wanted = [hashlib.blake2b(n, digest_size=12, person=b"url").digest() for n in names]
    assert [key.tobytes() for key in keys] == wanted
    assert [key_of("url", name) for name in names] == wanted


@pytest.mark.parametrize("size", [0, 1, 127, 128, 129, 255, 256, 257, 1024])
def test_the_edges_of_blocks_are_hashed_right(size: int) -> None:
    data = bytes(range(256)) * 4
    assert keys_of("content", [data[:size]])[0].tobytes() == key_of("content", data[:size])


def test_text_with_lone_surrogates_has_a_key() -> None:
    assert keys_of("url", ["a\udcffb"])[0].tobytes() == key_of("url", "a\udcffb")


def test_a_slice_of_an_arrow_array_is_hashed_as_its_own_rows() -> None:
    column = pa.array(["zero", "one", "two", "three"])[1:3]
    assert [k.tobytes() for k in keys_of("document", column)] == [
        key_of("document", "one"), key_of("document", "two")]  # fmt: skip


def test_equal_names_of_other_kinds_have_other_keys() -> None:
    assert len({key_of(kind, "x") for kind in ("document", "url", "content")}) == 3


@pytest.mark.parametrize("names", [[1, 2], [None, "a"], pa.array([1.5])])
def test_names_that_are_no_text_are_refused(names) -> None:
    with pytest.raises(UserError):
        keys_of("document", names)


@pytest.mark.parametrize("offsets", [[0, 9], [-1, 2], [2, 1], []])
def test_offsets_outside_of_the_data_never_reach_the_kernel(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="do not lie"):
        hash_column(np.zeros(8, np.uint8), np.array(offsets, np.int64), person=b"url")


@given(st.lists(st.binary(min_size=12, max_size=12), max_size=300), st.sampled_from([PLACE, LINK]))
def test_rows_sort_by_key_stay_in_order_where_equal_and_survive_the_pages(keys, dtype) -> None:
    keys += keys[:5]  # some that are equal
    data = np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 12)
    rows = rows_with_keys(data, dtype)
    last = rows.view(np.uint8).reshape(len(rows), dtype.itemsize)[:, 12:16]
    last[:] = np.arange(len(rows), dtype=">u4").view(np.uint8).reshape(-1, 4)
    ordered = sort_rows(rows)
    assert [r.tobytes() for r in ordered] == sorted(r.tobytes() for r in rows)
    pages = pack_pages(ordered)
    assert len(pages) % PAGE_BYTES == 0
    assert unpack_pages(pages, dtype, "here")[: len(rows)].tobytes() == ordered.tobytes()


def test_keys_that_share_eight_bytes_are_ordered_by_the_other_four() -> None:
    keys = [b"same key" + bytes([n, 0, 0, 0]) for n in (9, 3, 200, 3)]
    rows = rows_with_keys(np.frombuffer(b"".join(keys), np.uint8).reshape(-1, 12), PLACE)
    assert [row.tobytes()[8] for row in sort_rows(rows)] == [3, 3, 9, 200]


@given(st.integers(0, PAGE_BYTES - 1), st.integers(1, 255))
def test_any_changed_byte_of_a_page_is_noticed(place: int, change: int) -> None:
    page = bytearray(pack_pages(rows_with_keys(keys_of("url", ["a", "b"]), PLACE)))
    page[place] ^= change
    with pytest.raises(DamagedArtifactError, match="torn"):
        check_page(bytes(page), "here")

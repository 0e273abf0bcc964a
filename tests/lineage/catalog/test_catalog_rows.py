"""The way of a name to its row: keys, order, pages."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.store import LocalStore
from lodesmith.lineage.catalog.pages import (
    PAGE_BYTES,
    first_of,
    home_of,
    pack_pages,
    unpack_pages,
)
from lodesmith.lineage.catalog.rows import LINK, PLACE, join_rows, key_of, keys_of, sort_rows
from lodesmith.lineage.catalog.run_writer import Batch, RunWriter
from lodesmith.lineage.catalog.runs import Run
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


keys_of_rows = st.lists(
    st.one_of(
        st.binary(min_size=12, max_size=12),
        st.sampled_from([b"\0" * 12, b"\xff" * 12, b"same key" * 2, b"same key0000", b"a" * 12]),
    ).map(lambda key: key[:12]),
    max_size=300,
)


def rows_of(keys: list[bytes], dtype) -> np.ndarray:
    """Return rows that say in which order they were made."""
    rows = np.zeros(len(keys), dtype)
    rows["key"] = np.array([np.void(key) for key in keys], "V12")
    tail = rows.view(np.uint8).reshape(len(rows), dtype.itemsize)[:, 12:16]
    tail[:] = np.arange(len(rows), dtype=">u4").view(np.uint8).reshape(-1, 4)
    return rows


def pages_of(rows: np.ndarray, *, homes: int, limit: int) -> list[tuple[np.ndarray, int]]:
    """Return each page's rows and how many pages it says to skip; files of `limit` pages."""
    home, left, pages = home_of(rows["high"], homes), rows[:0], []
    while len(pages) < homes or len(left):
        first = len(pages)
        more = rows[(home >= first) & (home < first + limit)]
        data, left = pack_pages(join_rows([left, more]), first=first, limit=limit, homes=homes)
        for at in range(0, len(data), PAGE_BYTES):
            pages.append(unpack_pages(data[at : at + PAGE_BYTES], rows.dtype, "here"))
        assert len(pages) == first + limit or not len(left)
    return pages


@given(keys_of_rows, st.sampled_from([PLACE, LINK]), st.integers(1, 5), st.integers(1, 3))
def test_rows_survive_the_pages_in_order_each_in_its_home_or_behind(keys, dtype, homes, limit):
    rows = sort_rows(rows_of(keys + keys[:5], dtype))  # some that are equal
    assert [r.tobytes()[:8] for r in rows] == sorted(r.tobytes()[:8] for r in rows)
    pages = pages_of(rows, homes=homes, limit=limit)
    assert b"".join(page.tobytes() for page, _ in pages) == rows.tobytes()
    for number, (page, num_skipped) in enumerate(pages[:homes]):
        assert (home_of(page["high"], homes) <= number).all()
        passed = [row for other, _ in pages[: number + num_skipped] for row in other["high"]]
        assert all(int(high) * homes >> 64 < number for high in passed)


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**32 - 1))
def test_a_home_is_the_hash_as_a_fraction_of_all_homes(high: int, homes: int) -> None:
    home = int(home_of(np.array([high], np.uint64), homes)[0])
    assert home == high * homes >> 64
    assert first_of(home, homes) <= high < first_of(home + 1, homes)


@given(st.integers(0, PAGE_BYTES - 1), st.integers(1, 255))
def test_any_changed_byte_of_a_page_is_noticed(place: int, change: int) -> None:
    data, _ = pack_pages(rows_of([b"a" * 12, b"b" * 12], PLACE), first=0, limit=1, homes=1)
    page = bytearray(data)
    page[place] ^= change
    with pytest.raises(DamagedArtifactError, match="torn"):
        unpack_pages(bytes(page), PLACE, "here")


@pytest.mark.parametrize("num_rows", [1, 112, 113, 114, 226, 452, 1_000])
@pytest.mark.parametrize("fraction", [0, 3 / 5, 1])
def test_a_crowd_at_one_place_hides_no_key_beside_it(tmp_path, num_rows: int, fraction: float):
    high = min(int(fraction * 2**64) + 99, 2**64 - 9)
    crowd, beside = high.to_bytes(8, "big") * 2, (high + 1).to_bytes(8, "big") * 2
    keys = [crowd[:12]] * num_rows + [beside[:12]] * (num_rows % 2) + [b"\0" * 12]
    batch = Batch({"places": rows_of(keys, PLACE), "links": rows_of([], LINK)},
                  {"archive": ["a"], "language": [""]}, [])  # fmt: skip
    batch.tables["places"]["language"] = batch.tables["places"]["archive"] = 0
    store = LocalStore(tmp_path)
    run = Run(store, RunWriter(store, [batch], tags=[]).write().id)
    sought = [crowd[:12], beside[:12], b"\0" * 12, b"\xff" * 12, b"\x80" * 12]
    found = [len(rows) for rows in run.find("places", sought)]
    assert found == [run.num_rows("places") - num_rows % 2 - 1, num_rows % 2, 1, 0, 0]

"""The index finds exactly what `str.find` finds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.lineage import text_index
from lodesmith.lineage.text_index import GUARANTEE, Match, TextIndex, build_text_index

# few letters and repeats, so that equal runs and ties between hashes are common
pieces = st.sampled_from(["a", "b", "ab", "的", "😀", "\n", "aaaaaaaaaa", "xyz 文档 "])
texts = st.lists(st.lists(pieces, max_size=60).map("".join), max_size=8)


def search(documents: list[str], wanted: str) -> list[Match]:
    places = [(number, text.find(wanted)) for number, text in enumerate(documents)]
    return [Match(document=number, start=start) for number, start in places if start >= 0]


@settings(deadline=None)
@given(texts, st.data())
def test_it_finds_what_a_scan_finds(
    tmp_path_factory: pytest.TempPathFactory, documents: list[str], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("index")
    build_text_index(folder, documents)
    index = TextIndex.open(folder)
    source = data.draw(st.sampled_from(documents or ["abc"]))
    start = data.draw(st.integers(0, max(0, len(source) - 1)))
    wanted = source[start : start + data.draw(st.integers(1, 80))] + data.draw(
        st.sampled_from(["", "", "b"])
    )
    if wanted:
        found = index.find(wanted, fetch=documents.__getitem__, limit=100)
        assert found == search(documents, wanted)


@settings(deadline=None, max_examples=30)
@given(texts)
def test_batches_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, documents: list[str]
) -> None:
    one, two = tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("two")
    build_text_index(one, documents)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(text_index, "_BATCH_CHARACTERS", 20)
        build_text_index(two, iter(documents))
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes()


@pytest.fixture
def pages(tmp_path: Path) -> list[str]:
    chance = np.random.default_rng(5)
    words = [f"word{number}" for number in range(300)]
    pages = [" ".join(chance.choice(words, 80)) for _ in range(200)]
    build_text_index(tmp_path, pages)
    return pages


def test_the_index_proposes_few_documents(tmp_path: Path, pages: list[str]) -> None:
    index = TextIndex.open(tmp_path)
    read: list[int] = []

    def fetch(number: int) -> str:
        read.append(number)
        return pages[number]

    assert index.find(pages[77][100:180], fetch=fetch) == [Match(document=77, start=100)]
    assert read == [77]
    assert index.find("no page holds this sentence, certainly", fetch=fetch) == []
    assert read == [77]


def test_a_text_shorter_than_the_guarantee_is_found_by_reading_all(
    tmp_path: Path, pages: list[str]
) -> None:
    wanted = pages[-1][-(GUARANTEE - 1) :]
    index = TextIndex.open(tmp_path)
    assert len(list(index.candidates(wanted))) == len(pages)
    assert index.find(wanted, fetch=pages.__getitem__, limit=300) == search(pages, wanted)


def test_no_more_documents_than_asked_are_returned(tmp_path: Path) -> None:
    documents = ["the same sentence stands on every page"] * 20
    build_text_index(tmp_path, documents)
    found = TextIndex.open(tmp_path).find(documents[0], fetch=documents.__getitem__, limit=3)
    assert [match.document for match in found] == [0, 1, 2]


def test_the_index_is_smaller_than_a_fifth_of_hashing_every_place(
    tmp_path: Path, pages: list[str]
) -> None:
    size = np.load(tmp_path / "hashes.npy").size
    assert size < sum(map(len, pages)) / 5  # expected 2 / (WINDOW + 1) = 15 %


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    assert build_text_index(tmp_path, []) == 0
    index = TextIndex.open(tmp_path)
    assert index.find("a", fetch=str) == []
    assert index.find("a" * 100, fetch=str) == []


def test_an_empty_text_is_a_clear_error(tmp_path: Path) -> None:
    build_text_index(tmp_path, ["a"])
    with pytest.raises(UserError, match="no text to look for"):
        TextIndex.open(tmp_path).find("", fetch=str)


@pytest.mark.parametrize("name", ["hashes.npy", "documents.npy", "meta.json"])
def test_a_torn_index_is_noticed(tmp_path: Path, pages: list[str], name: str) -> None:
    path = tmp_path / name
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) - 1):
        path.write_bytes(whole[:cut])
        if name == "meta.json" and cut == len(whole) - 1:
            continue  # only the line's end is gone
        with pytest.raises(DamagedArtifactError, match="no whole text index"):
            TextIndex.open(tmp_path)
    path.unlink()
    with pytest.raises(DamagedArtifactError, match="no whole text index"):
        TextIndex.open(tmp_path)

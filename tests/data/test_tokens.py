"""A token set gives back every token and tells which windows a document is in."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.data.tokens import TokenSet, join_token_sets, write_token_set

documents = st.lists(st.lists(st.integers(0, 299), max_size=12), max_size=12).map(
    lambda lists: [(f"doc{number}", ids) for number, ids in enumerate(lists)]
)


def make(folder: Path, pairs: list[tuple[str, list[int]]], vocab_size: int = 301) -> TokenSet:
    write_token_set(
        folder, pairs, vocab_size=vocab_size, tokenizer_digest="d" * 64, separator_id=vocab_size - 1
    )
    return TokenSet.open(folder)


@settings(deadline=None, max_examples=40)
@given(pairs=documents)
def test_every_token_comes_back_behind_its_separator(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, list[int]]]
) -> None:
    tokens = make(tmp_path_factory.mktemp("set"), pairs)
    flat = [token for _, ids in pairs for token in [300, *ids]]
    assert tokens.tokens.tolist() == flat
    assert (tokens.num_tokens, tokens.num_documents) == (len(flat), len(pairs))
    assert tokens.document_ids == [name for name, _ in pairs]
    for name, ids in pairs:
        span = tokens.span_of_document(name)
        assert tokens.tokens[span.start : span.stop].tolist() == [300, *ids]


@settings(deadline=None, max_examples=40)
@given(pairs=documents, length=st.integers(1, 9))
def test_windows_and_documents_agree(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, list[int]]], length: int
) -> None:
    tokens = make(tmp_path_factory.mktemp("set"), pairs)
    owners = [name for name, ids in pairs for _ in [300, *ids]]
    inside: dict[str, set[int]] = {name: set() for name, _ in pairs}
    for index in range(tokens.num_windows(length)):
        window = tokens.window(index, length)
        assert window.dtype == np.int64
        assert (
            window.tolist() == tokens.tokens[index * length : index * length + length + 1].tolist()
        )
        assert len(window) == length + 1
        here = owners[index * length : index * length + length + 1]
        assert tokens.documents_in_window(index, length) == list(dict.fromkeys(here))
        for name in here:
            inside[name].add(index)
    for name, _ in pairs:
        assert set(tokens.windows_of_document(name, length)) == inside[name]


def test_each_token_but_the_first_is_a_label_once(tmp_path: Path) -> None:
    tokens = make(tmp_path, [("a", list(range(40))), ("b", list(range(100, 140)))])
    labels = [t for k in range(tokens.num_windows(9)) for t in tokens.window(k, 9)[1:].tolist()]
    assert labels == tokens.tokens[1:].tolist()[: len(labels)]
    assert len(labels) == 81


@settings(deadline=None, max_examples=30)
@given(pairs=documents, cut=st.integers(0, 12))
def test_joined_sets_have_the_bytes_of_one(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[str, list[int]]], cut: int
) -> None:
    folder = tmp_path_factory.mktemp("sets")
    whole = make(folder / "whole", pairs)
    parts = [folder / "first", folder / "second"]
    make(parts[0], pairs[:cut])
    make(parts[1], pairs[cut:])
    join_token_sets(
        folder / "joined", parts, vocab_size=301, tokenizer_digest="d" * 64, separator_id=300
    )
    for path in whole.folder.iterdir():
        assert (folder / "joined" / path.name).read_bytes() == path.read_bytes()


def test_large_vocabularies_take_four_bytes_a_token(tmp_path: Path) -> None:
    small = make(tmp_path / "small", [("a", [65_534])], vocab_size=65_536)
    large = make(tmp_path / "large", [("a", [65_536])], vocab_size=65_537)
    assert (small.tokens.dtype.itemsize, large.tokens.dtype.itemsize) == (2, 4)
    assert small.tokens.tolist() == [65_535, 65_534]
    assert large.tokens.tolist() == [65_536, 65_536]


def test_an_id_that_does_not_fit_is_refused_not_wrapped(tmp_path: Path) -> None:
    with pytest.raises(OverflowError):
        make(tmp_path, [("a", [70_000])])


@pytest.mark.parametrize("name", ["tokens.bin", "ends.npy", "meta.json"])
def test_a_torn_file_is_noticed_on_open(tmp_path: Path, name: str) -> None:
    make(tmp_path, [("a", [1, 2, 3]), ("b", [4, 5])])
    path = tmp_path / name
    whole = path.read_bytes()
    for cut in {0, 1, len(whole) // 2, len(whole) - 2}:
        path.write_bytes(whole[:cut])
        with pytest.raises(DamagedArtifactError, match="no whole token set"):
            TokenSet.open(tmp_path)
    path.unlink()
    with pytest.raises(DamagedArtifactError, match="no whole token set"):
        TokenSet.open(tmp_path)


def test_torn_document_ids_are_noticed_when_read(tmp_path: Path) -> None:
    make(tmp_path, [("a", [1]), ("b", [2])])
    (tmp_path / "documents.txt").write_text("a\n")
    with pytest.raises(DamagedArtifactError, match="names 1 document instead of 2"):
        _ = TokenSet.open(tmp_path).document_ids


def test_a_set_that_is_being_rewritten_is_not_whole(tmp_path: Path) -> None:
    def die():
        yield "a", [1]
        raise KeyboardInterrupt

    make(tmp_path, [("a", [1, 2, 3])])
    with pytest.raises(KeyboardInterrupt):
        make(tmp_path, die())
    with pytest.raises(DamagedArtifactError):
        TokenSet.open(tmp_path)


def test_the_wrong_tokenizer_is_refused(tmp_path: Path) -> None:
    tokens = make(tmp_path, [("a", [1])])
    tokens.check_tokenizer("d" * 64)
    with pytest.raises(UserError, match="encoded with tokenizer dddddddddddd, not with eeee"):
        tokens.check_tokenizer("e" * 64)


def test_the_same_documents_give_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        make(tmp_path / folder, [("a", [1, 2]), ("b", [])])
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    assert json.loads((tmp_path / "one" / "meta.json").read_text())["num_tokens"] == 4


def test_an_unknown_document_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no document z"):
        make(tmp_path, [("a", [1])]).windows_of_document("z", 1)


def test_a_window_outside_is_an_index_error(tmp_path: Path) -> None:
    tokens = make(tmp_path, [("a", [1, 2, 3])])
    with pytest.raises(IndexError, match="window 1 of 1"):
        tokens.window(1, 3)

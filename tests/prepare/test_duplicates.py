"""Copies, repeated lines, near copies, benchmark texts: what is found, what is left alone."""

import gzip
import json
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.data.documents import Document
from lodesmith.native.lines import hash_text
from lodesmith.native.overlap import Runs
from lodesmith.prepare.clean import clean
from lodesmith.prepare.config import DecontaminateConfig, ExactDuplicatesConfig, PrepareConfig
from lodesmith.prepare.decontaminate import check_contamination, read_benchmarks
from lodesmith.prepare.duplicates.exact_duplicates import (
    candidate_lines,
    lines_to_keep_once,
    remove_lines,
)
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.words import hash_runs, split_words

_LINES = ExactDuplicatesConfig()


def _document(text: str, **fields: object) -> Document:
    return Document(id="1", source="s", url="u", language="en", text=text, **fields)  # type: ignore[arg-type]


def _naive_words(text: str) -> list[str]:
    """The rule of `split_words`, one character at a time."""
    words, current = [], ""
    for char in text.lower():
        is_single = "\u4e00" <= char <= "\u9fff"
        if char.isalnum() and not is_single:
            current += char
            continue
        words += [current] if current else []
        words += [char] if is_single else []
        current = ""
    return words + ([current] if current else [])


@given(st.text("ab1 东京，.\n", max_size=60))
def test_words_are_those_of_the_plain_rule(text: str) -> None:
    expected = _naive_words(text)
    words = split_words(text)
    assert words.lengths.tolist() == [len(word) for word in expected]
    by_hash = dict(zip(words.hashes.tolist(), expected, strict=True))
    assert [by_hash[value] for value in words.hashes.tolist()] == expected
    assert len(set(words.hashes.tolist())) == len(set(expected))


@given(st.text("abc ", max_size=200), st.integers(1, 6))
def test_equal_runs_have_equal_hashes_wherever_they_stand(text: str, num_words: int) -> None:
    words = _naive_words(text)
    hashes = hash_runs(split_words(text).hashes, num_words).tolist()
    runs = [tuple(words[i : i + num_words]) for i in range(len(words) - num_words + 1)]
    runs = runs or ([tuple(words)] if words else [])
    assert len(hashes) == len(runs)
    assert len(set(hashes)) == len(set(runs)) == len(set(zip(hashes, runs, strict=True)))


def test_texts_are_equal_whatever_their_case_and_spacing() -> None:
    texts = ["One two.", "three", "one  TWO.\n", "three!"]
    first, second, third, fourth = map(hash_text, texts)
    assert first == third
    assert len({first, second, fourth}) == 3


def test_headings_code_and_short_lines_are_never_candidates() -> None:
    document = _document(
        "Parameters of this function:\nEnd Sub\n    from office import CreateService\n"
        "要访问此命令...\n这一行的宽度超过了二十列。",
        headings=["Parameters of this function:"],
    )
    lines = candidate_lines(document, frozenset(["from office import CreateService"]), _LINES)
    assert set(lines) == {"这一行的宽度超过了二十列。"}


def test_a_long_line_stays_once_in_its_document() -> None:
    line = "This paragraph came out of the page two times, word for word."
    verse = "And miles to go before I sleep,"
    document = _document(f"{line}\n{verse}\n{line}\n{verse}\nEnd.")
    lines = candidate_lines(document, frozenset(), _LINES)
    without = remove_lines(document, set(), lines_to_keep_once(lines, _LINES))
    assert without.document.text == f"{line}\n{verse}\n{verse}\nEnd."
    assert without.lines == [line]
    off = ExactDuplicatesConfig(min_inner_line_columns=None)
    assert remove_lines(document, set(), lines_to_keep_once(lines, off)).document is document


_ITEM = "A train leaves the station at noon and travels sixty miles in exactly one hour of time."
_ITEM_ZH = (
    "一列火车中午从车站出发，在一个小时之内行驶了六十英里，请问它的平均速度到底是每小时多少英里？"
)


def _against(folder: Path) -> DecontaminateConfig:
    (folder / "a.txt").write_text(f"{_ITEM}\nToo short.\n", encoding="utf-8")
    row = {"question": _ITEM_ZH, "choices": ["one", {"text": "two"}], "answer": 1}
    (folder / "b.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    return DecontaminateConfig(against=(str(folder / "a.txt"), str(folder / "b.jsonl")))


@pytest.mark.parametrize("item", [_ITEM.upper(), _ITEM_ZH])
def test_documents_that_hold_a_benchmark_item_are_dropped(tmp_path: Path, item: str) -> None:
    benchmarks = read_benchmarks(_against(tmp_path))
    result = check_contamination(_document(f"Some forum says: {item} Who knows?"), benchmarks)
    assert isinstance(result, Drop)
    where = "file 1, line 1" if item == _ITEM.upper() else "file 2, line 1"
    assert result.value.startswith(where)


@given(
    st.lists(st.lists(st.integers(0, 2), max_size=12), max_size=4),
    st.lists(st.integers(0, 2), max_size=60),
    st.integers(2, 5),
)
def test_runs_found_are_those_of_the_plain_rule(
    items: list[list[int]], text: list[int], length: int
) -> None:
    texts = [
        (owner, np.array(item, np.uint64), min(length, len(item)))
        for owner, item in enumerate(items)
        if len(item) >= 2
    ]
    known = {
        tuple(words[at : at + size].tolist())
        for _, words, size in texts
        for at in range(len(words) - size + 1)
    }
    hits = [
        at
        for at in range(len(text))
        if any(tuple(text[at : at + size]) in known for size in range(2, 6))
    ]
    count, owner = Runs.build(texts).find(np.array(text, np.uint64))
    assert count == len(hits)
    assert (owner is not None) == bool(hits)


def _write_benchmark(folder: Path, name: str) -> Path:
    """Write an English and a Chinese item as others publish them."""
    path, rows = (
        folder / name,
        [{"q": _ITEM, "choices": ["a", "b"]}, {"q": _ITEM_ZH, "choices": []}],
    )
    if name.endswith(".parquet"):
        picture = [b"\xff\xd8\xff", b"\x89PNG"]
        pq.write_table(pa.table({"picture": picture, "row": rows}), path)
        return path
    if ".json" not in name:
        text = f"{_ITEM}\n{_ITEM_ZH}\n"
    elif ".jsonl" in name:
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        text = json.dumps(rows, ensure_ascii=False)
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(text.encode()))
    return path


@pytest.mark.parametrize(
    "name",
    ["a.parquet", "a.jsonl.gz", "a.jsonl.zst", "a.json", "a.json.gz", "a.txt.gz", "a.csv.zst"],
)
def test_benchmarks_are_read_as_they_are_published(tmp_path: Path, name: str) -> None:
    against = (str(_write_benchmark(tmp_path, name)),)
    lines = [f"Some forum says: {item} Who knows?" for item in (_ITEM, _ITEM_ZH, "Something else.")]
    (tmp_path / "in.jsonl").write_text("\n".join(json.dumps({"text": line}) for line in lines))
    clean(
        [tmp_path / "in.jsonl"], output=tmp_path / "kept", rejected=tmp_path / "dropped",
        config=PrepareConfig(num_workers=1, decontaminate=DecontaminateConfig(against=against)),
        steps=["decontaminate"],
    )  # fmt: skip
    dropped = [json.loads(line) for line in (tmp_path / "dropped").read_text("utf-8").splitlines()]
    assert [record["text"] for record in dropped] == lines[:2]
    assert all(record["value"].startswith("file 1, ") for record in dropped)
    assert "Something else." in (tmp_path / "kept").read_text("utf-8")


def test_benchmarks_changed_between_two_runs_are_read_again(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    config = DecontaminateConfig(against=(str(path),))
    for text, is_found in ((_ITEM, True), ("Another item, of as many words as are wanted.", False)):
        path.write_text(text)
        result = check_contamination(_document(_ITEM), read_benchmarks(config))
        assert isinstance(result, Drop) == is_found


def test_documents_that_share_less_than_a_run_stay(tmp_path: Path) -> None:
    benchmarks = read_benchmarks(_against(tmp_path))
    for text in (" ".join(_ITEM.split()[:12]), _ITEM_ZH[:28], "Too short."):
        document = _document(text)
        assert check_contamination(document, benchmarks) is document


def test_without_benchmark_files_every_document_stays() -> None:
    document = _document(_ITEM)
    assert check_contamination(document, read_benchmarks(DecontaminateConfig())) is document


def test_a_benchmark_file_that_is_missing_or_odd_is_the_users_error_before_the_work(
    tmp_path: Path,
) -> None:
    (tmp_path / "c.xml").write_text("x")
    (tmp_path / "d.jsonl").write_text("{}\n{torn")
    (tmp_path / "e.parquet").write_text("no table")
    (tmp_path / "f.jsonl.gz").write_bytes(gzip.compress(b"{}\n" * 9)[:-9])
    (tmp_path / "g.txt").write_bytes(b"\xff\xfe\xff")
    (tmp_path / "in.txt").write_text(_ITEM)
    names = ("none.txt", "c.xml", "d.jsonl", "e.parquet", "f.jsonl.gz", "g.txt", ".")
    for name in names:
        against = DecontaminateConfig(against=(str(tmp_path / name),))
        with pytest.raises(UserError, match=re.escape(str(tmp_path / name))):
            clean(
                [tmp_path / "in.txt"], output=tmp_path / "out" / "kept",
                config=PrepareConfig(decontaminate=against),
            )  # fmt: skip
    assert not (tmp_path / "out" / "kept").exists()


def test_the_identity_follows_the_content_of_benchmark_files(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    config = PrepareConfig(decontaminate=DecontaminateConfig(against=(str(path),)))
    before = config.identity()
    path.write_text("two")
    assert config.identity() != before
    assert PrepareConfig(num_workers=3).identity() == PrepareConfig().identity()

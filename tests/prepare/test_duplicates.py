"""Copies, repeated lines, near copies, benchmark texts: what is found, what is left alone."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.data.documents import Document
from lodesmith.prepare.config import DecontaminateConfig, ExactDuplicatesConfig, PrepareConfig
from lodesmith.prepare.decontaminate import check_contamination, read_benchmarks
from lodesmith.prepare.exact_duplicates import (
    candidate_lines,
    count_lines,
    find_lines,
    hash_text,
    later_copies,
    lines_of_earlier_shards,
    merge_line_counts,
    remove_lines,
)
from lodesmith.prepare.near_duplicates import NUM_HASHES, find_near_duplicates, sign
from lodesmith.prepare.pages import Drop
from lodesmith.prepare.words import hash_runs, split_words

_SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "neardup"
_LINES = ExactDuplicatesConfig()


def _document(text: str, **fields: object) -> Document:
    return Document(id="1", source="s", url="u", language="en", text=text, **fields)  # type: ignore[arg-type]


def _prose(seed: int, num_words: int = 200) -> list[str]:
    chance = random.Random(seed)
    return [f"w{chance.randrange(5000)}" for _ in range(num_words)]


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


def test_copies_differ_in_case_and_spacing_only() -> None:
    texts = ["One two.", "three", "one  TWO.\n", "three!", "One two."]
    hashes = np.array([hash_text(text) for text in texts], dtype=np.uint64)
    assert later_copies(hashes).tolist() == [0, 1, 0, 3, 0]


def test_repeated_lines_are_dropped_from_all_pages() -> None:
    footer = "Have a look at our other pages about office software"
    documents = [
        _document(f"Page {n} says something of its own, once.\n  {footer}") for n in range(12)
    ]
    lines = [candidate_lines(document, frozenset(), _LINES) for document in documents]
    hashes, counts = count_lines(entry.values() for entry in lines)
    repeated = hashes[counts > _LINES.max_line_documents]
    for document, entry in zip(documents, lines, strict=True):
        without = remove_lines(document, find_lines(entry, repeated))
        assert without.lines == [f"  {footer}"]
        assert without.document.text == document.text.split("\n")[0]


def test_headings_code_and_short_lines_are_never_candidates() -> None:
    document = _document(
        "Parameters of this function:\nEnd Sub\n    from office import CreateService\n"
        "要访问此命令...\n这一行的宽度超过了二十列。",
        headings=["Parameters of this function:"],
    )
    lines = candidate_lines(document, frozenset(["from office import CreateService"]), _LINES)
    assert set(lines) == {"这一行的宽度超过了二十列。"}


@given(st.lists(st.lists(st.integers(0, 20), unique=True), max_size=12), st.integers(1, 4))
def test_line_counts_of_shards_add_up(documents: list[list[int]], num_shards: int) -> None:
    whole = count_lines(documents)
    parts = merge_line_counts([count_lines(documents[n::num_shards]) for n in range(num_shards)])
    assert whole[0].tolist() == parts[0].tolist()
    assert whole[1].tolist() == parts[1].tolist()


@given(st.lists(st.sets(st.integers(0, 30)), max_size=5))
def test_lines_of_earlier_shards_are_those_seen_before(shards: list[set[int]]) -> None:
    arrays = [np.array(sorted(shard), dtype=np.uint64) for shard in shards]
    seen: set[int] = set()
    for shard, known in zip(shards, lines_of_earlier_shards(arrays), strict=True):
        assert set(known.tolist()) == shard & seen
        seen |= shard


def test_minhash_estimates_the_true_overlap() -> None:
    # The estimate's standard deviation is sqrt(s (1 - s) / 112) <= .047; 4 of them are allowed.
    for seed, kept in enumerate((200, 190, 150, 100, 20)):
        words, other = _prose(seed), _prose(seed + 100)
        changed = words[:kept] + other[kept:]
        first, second = (
            {tuple(text[i : i + 5]) for i in range(len(text) - 4)} for text in (words, changed)
        )
        truth = len(first & second) / len(first | second)
        estimate = float((sign(" ".join(words)) == sign(" ".join(changed))).mean())
        assert abs(estimate - truth) < 4 * 0.047


def test_of_near_copies_the_first_stays_and_others_know_how_alike_they_are() -> None:
    words = _prose(1)
    texts = [
        " ".join(_prose(2)),
        " ".join(words),
        " ".join(_prose(3)),
        " ".join([*words[:-3], "x"]),
    ]
    found = find_near_duplicates([sign(text) for text in texts], min_similarity=0.8)
    assert found[:3] == [None, None, None]
    assert found[3] is not None
    assert found[3][0] == 1
    assert 0.9 < found[3][1] < 1


def test_chinese_near_copies_are_found_without_spaces() -> None:
    text = "在文档中插入表格时，用户可以更改它的样式，也可以删除其中的行和列，或者保护单元格。" * 2
    text += "".join(chr(0x4E00 + n * 37) for n in range(150))
    found = find_near_duplicates([sign(text), sign(text + "修订版。")], min_similarity=0.8)
    assert found[1] is not None


def test_texts_without_words_are_alike_only_if_equal() -> None:
    found = find_near_duplicates([sign("!!!"), sign("???"), sign("!!!")], min_similarity=0.8)
    assert found == [None, None, (0, 1.0)]


def test_no_documents_have_no_near_copies() -> None:
    assert find_near_duplicates(np.zeros((0, NUM_HASHES), np.uint32), min_similarity=0.8) == []


@pytest.mark.skipif(not _SHARED.exists(), reason="the near-duplicate pages are not here")
def test_real_revisions_are_found_and_different_pages_are_not() -> None:
    with gzip.open(_SHARED / "pages.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = {page["id"]: page["text"] for page in map(json.loads, file)}
    lines = (_SHARED / "pairs.jsonl").read_text("utf-8").splitlines()
    pairs = [pair for pair in map(json.loads, lines) if pair["a"] in texts and pair["b"] in texts]
    hits = {True: [0, 0], False: [0, 0]}
    for pair in pairs[::2]:
        alike = pair["jaccard5"]
        if alike >= 0.85 or alike < 0.7:
            found = find_near_duplicates(
                [sign(texts[pair["a"]]), sign(texts[pair["b"]])], min_similarity=0.8
            )
            hits[alike >= 0.85][0] += 1
            hits[alike >= 0.85][1] += found[1] is not None
    assert hits[True][1] >= 0.97 * hits[True][0]
    assert hits[False][1] == 0


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
    assert result.value >= 1


def test_documents_that_share_less_than_a_run_stay(tmp_path: Path) -> None:
    benchmarks = read_benchmarks(_against(tmp_path))
    for text in (" ".join(_ITEM.split()[:12]), _ITEM_ZH[:28], "Too short."):
        document = _document(text)
        assert check_contamination(document, benchmarks) is document


def test_without_benchmark_files_every_document_stays() -> None:
    document = _document(_ITEM)
    assert check_contamination(document, read_benchmarks(DecontaminateConfig())) is document


def test_a_benchmark_file_that_is_missing_or_odd_is_the_users_error(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("x")
    (tmp_path / "d.jsonl").write_text("{torn")
    for name in ("none.txt", "c.csv", "d.jsonl"):
        with pytest.raises(UserError, match=r"decontaminate\.against"):
            read_benchmarks(DecontaminateConfig(against=(str(tmp_path / name),)))


def test_the_identity_follows_the_content_of_benchmark_files(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("one")
    config = PrepareConfig(decontaminate=DecontaminateConfig(against=(str(path),)))
    before = config.identity()
    path.write_text("two")
    assert config.identity() != before
    assert PrepareConfig(num_workers=3).identity() == PrepareConfig().identity()

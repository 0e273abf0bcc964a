"""Copies, repeated lines and near copies over a corpus: the same however it is cut."""

import itertools
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.storage import hash_file
from lodesmith.data.documents import Document
from lodesmith.prepare.clean import clean
from lodesmith.prepare.config import ExactDuplicatesConfig, NearDuplicatesConfig, PrepareConfig
from lodesmith.prepare.duplicates import alike
from lodesmith.prepare.duplicates.connected import LINK, star, write_links
from lodesmith.prepare.duplicates.exact_duplicates import (
    RepeatedLines,
    TextHashes,
    candidate_lines,
    merge_exact,
    read_copies,
)
from lodesmith.prepare.duplicates.near_duplicates import merge_near, read_similarities
from lodesmith.prepare.duplicates.signatures import Signatures
from lodesmith.prepare.shards.shard_files import Parts
from lodesmith.prepare.shards.sorted_rows import (
    KeyRange,
    cut_keys,
    read_rows,
    read_slice,
    write_rows,
)

_WHOLE = 1 << 30  # bytes of memory that let a merge be one piece
_NEAR = NearDuplicatesConfig()


def _map_tasks(work: Callable[..., Any], tasks: dict[str, tuple[Any, ...]]) -> list[Any]:
    names = sorted(tasks, reverse=True)  # any order will do
    results = {name: work(*tasks[name]) for name in names}
    return [results[name] for name in tasks]


def _cut(texts: Sequence[str], cuts: Sequence[int]) -> list[list[str]]:
    edges = [0, *sorted(cuts), len(texts)]
    return [list(texts[a:b]) for a, b in itertools.pairwise(edges)]


def _document(text: str) -> Document:
    return Document(id="1", source="s", url="u", language="en", text=text)


def find_exact(
    folder: Path,
    shards: list[list[str]],
    config: ExactDuplicatesConfig | None = None,
    memory: int = _WHOLE,
) -> list[set[str] | None]:
    """Return for each document None if it is a copy, else which of its lines go."""
    config = config or ExactDuplicatesConfig()
    parts = Parts(folder, len(shards))
    for number, texts in enumerate(shards):
        hashes = TextHashes(config)
        for text in texts:
            hashes.add(_document(text), frozenset())
        hashes.write(parts, number)
    ranges = merge_exact(parts, config, memory, _map_tasks)
    found: list[set[str] | None] = []
    for number, texts in enumerate(shards):
        copies = set(read_copies(parts, number, ranges.copies).tolist())
        repeated = RepeatedLines(parts, number, ranges.lines, config)
        for place, text in enumerate(texts):
            lines = candidate_lines(_document(text), frozenset(), config)
            found.append(None if place in copies else repeated.find(lines, place))
    return found


def find_near(
    folder: Path,
    shards: list[list[str]],
    config: NearDuplicatesConfig = _NEAR,
    memory: int = _WHOLE,
) -> list[float | None]:
    """Return for each document None if it stays, else how alike it is to another."""
    parts = Parts(folder, len(shards))
    for number, texts in enumerate(shards):
        signatures = Signatures(config)
        for text in texts:
            signatures.add(text)
        signatures.write(parts, number)
    ranges = merge_near(parts, config, memory, _map_tasks)
    found: list[float | None] = []
    for number, texts in enumerate(shards):
        gone = read_similarities(parts, number, ranges.near, config)
        found += [gone.get(place) for place in range(len(texts))]
    return found


def _prose(seed: int, num_words: int = 200) -> list[str]:
    chance = random.Random(seed)
    return [f"w{chance.randrange(5000)}" for _ in range(num_words)]


def _wide(number: int) -> str:
    return f"Line {'abcdefghijkl'[number]} is wide enough to be counted."


@given(
    st.lists(st.lists(st.integers(0, 9), max_size=4), max_size=24),
    st.lists(st.integers(0, 24), max_size=4),
    st.sampled_from([_WHOLE, 2000, 300]),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_lines_and_copies_are_those_of_the_plain_rule_however_the_corpus_is_cut(
    tmp_path_factory: pytest.TempPathFactory,
    pages: list[list[int]],
    cuts: list[int],
    memory: int,
    keep_first: bool,
) -> None:
    texts = ["\n".join(map(_wide, page)) for page in pages]
    config = ExactDuplicatesConfig(max_line_documents=2, keep_first_line_only=keep_first)
    cuts = [cut for cut in cuts if cut <= len(texts)]
    found = find_exact(tmp_path_factory.mktemp("rows"), _cut(texts, cuts), config, memory)
    distinct = list(dict.fromkeys(texts))
    for number, text in enumerate(texts):
        if text in texts[:number]:
            assert found[number] is None
            continue
        earlier = distinct[: distinct.index(text)]
        assert found[number] == {
            line
            for line in text.split("\n")
            if line
            and (
                sum(line in other.split("\n") for other in distinct) > 2
                or (keep_first and any(line in other.split("\n") for other in earlier))
            )
        }


def test_lines_of_a_document_with_many_copies_stay(tmp_path: Path) -> None:
    text = "\n".join(map(_wide, range(5)))
    assert find_exact(tmp_path, [[text] * 8, [text] * 8]) == [set(), *[None] * 15]


@st.composite
def _corpus(draw: st.DrawFn) -> list[str]:
    """Families of texts: chains of edits, copies, strangers."""
    texts = []
    for seed in draw(st.lists(st.integers(0, 5), min_size=1, max_size=20)):
        words = _prose(seed)
        for place in draw(st.lists(st.integers(0, 199), max_size=8)):
            words[place] = f"edit{place}"
        texts.append(" ".join(words))
    return texts


@given(
    _corpus(),
    st.lists(st.integers(0, 20), max_size=4),
    st.sampled_from([4000, 20000]),
    st.sampled_from(["first", "longest"]),
)
@settings(max_examples=20, deadline=None)
def test_near_copies_are_the_same_however_the_corpus_is_cut(
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
    cuts: list[int],
    memory: int,
    keep: Any,
) -> None:
    config = NearDuplicatesConfig(keep=keep)
    whole = find_near(tmp_path_factory.mktemp("rows"), [texts], config)
    cuts = [cut for cut in cuts if cut <= len(texts)]
    cut = find_near(tmp_path_factory.mktemp("rows"), _cut(texts, cuts), config, memory)
    assert cut == whole
    for number, text in enumerate(texts):
        if text in texts[:number]:  # Jaccard index 1
            assert whole[number] == 1.0
    assert None in whole
    if keep == "first":
        assert whole[0] is None


def test_of_near_copies_the_first_stays_and_others_know_how_alike_they_are(tmp_path: Path) -> None:
    words = _prose(1)
    texts = [" ".join(part) for part in (_prose(2), words, _prose(3), [*words[:-3], "x"])]
    found = find_near(tmp_path, [texts[:2], [], texts[2:]])
    assert found[:3] == [None, None, None]
    assert found[3] is not None
    assert 0.9 < found[3] < 1


def test_the_longest_stays_where_the_recipe_asks_for_it(tmp_path: Path) -> None:
    text = " ".join(_prose(1))
    texts = [text[:-9], f"{text} And this.", text]
    config = NearDuplicatesConfig(keep="longest")
    assert [found is None for found in find_near(tmp_path, [texts], config)] == [False, True, False]


def test_a_chain_of_edits_is_one_group(tmp_path: Path) -> None:
    chain = [_prose(1)]
    for step in range(12):
        chain.append(
            [
                *chain[-1][: 10 * step],
                *(f"e{step}.{n}" for n in range(10)),
                *chain[-1][10 * step + 10 :],
            ]
        )
    chance = random.Random(3)
    texts = [" ".join(words) for words in chain]
    chance.shuffle(texts)
    found = find_near(tmp_path, _cut(texts, [3, 7, 9]), memory=4000)
    assert [number for number, value in enumerate(found) if value is None] == [0]


def test_words_may_be_what_is_compared(tmp_path: Path) -> None:
    words = _prose(1)
    texts = [" ".join(words), " ".join(words[:170] + _prose(2)[170:])]
    config = NearDuplicatesConfig(ngram="words", min_similarity=0.6)
    assert find_near(tmp_path, [texts], config)[1] is not None
    assert find_near(tmp_path, [texts], NearDuplicatesConfig(ngram="words")) == [None, None]


def test_chinese_near_copies_are_found_without_spaces(tmp_path: Path) -> None:
    text = "在文档中插入表格时，用户可以更改它的样式，也可以删除其中的行和列，或者保护单元格。" * 2
    text += "".join(chr(0x4E00 + n * 37) for n in range(150))
    assert find_near(tmp_path, [[text, text + "修订版。"]])[1] is not None


def test_texts_without_characters_or_words_are_alike_only_if_equal(tmp_path: Path) -> None:
    assert find_near(tmp_path, [["!!!", "???", "!!!", ""]]) == [None, None, 1.0, None]
    config = NearDuplicatesConfig(ngram="words")
    assert find_near(tmp_path, [["!!!", "???", "!!!", ""]], config) == [None, None, 1.0, None]


def test_no_documents_have_no_copies(tmp_path: Path) -> None:
    assert find_near(tmp_path, [[], []]) == []
    assert find_exact(tmp_path, [[], []]) == []


def test_copies_are_found_in_a_bucket_of_many_that_differ(tmp_path: Path) -> None:
    # Texts that meet in bands because most of each is the same, below the threshold of .99.
    base = " ".join(_prose(1, 400))
    texts = [f"{base} {' '.join(_prose(seed, 12))}" for seed in range(10, 210)]
    texts += [texts[150], texts[199]]
    found = find_near(tmp_path, [texts], NearDuplicatesConfig(min_similarity=0.99))
    assert found[-2:] == [1.0, 1.0]


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=40), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_stars_are_the_connected_components(
    tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]], num_ranges: int
) -> None:
    folder = tmp_path_factory.mktemp("links")
    links = np.array([pair for pair in pairs if pair[0] != pair[1]], np.uint64).reshape(-1, 2)
    write_links(
        folder / "start", np.append(links[:, 0], links[:, 1]), np.append(links[:, 1], links[:, 0])
    )
    inputs, turn, changed = [folder / "start"], 0, True
    while changed:
        changed = False
        for is_large in (True, False):
            outputs = [folder / f"{turn}-{is_large}-{n}" for n in range(num_ranges)]
            for keys, output in zip(cut_keys(num_ranges), outputs, strict=True):
                changed |= star(inputs, keys, is_large, output)["changed"]
            inputs = outputs
        turn += 1
    rows = np.concatenate([read_rows(path, LINK) for path in inputs])
    least = {int(row["node"]): int(row["other"]) for row in rows if row["other"] < row["node"]}
    owners = {node: node for pair in links.tolist() for node in pair}
    for _ in owners:
        for one, two in links.tolist():
            owners[one] = owners[two] = min(owners[one], owners[two])
    assert least == {node: owner for node, owner in owners.items() if node != owner}


@given(st.lists(st.integers(0, (1 << 64) - 1), max_size=50), st.integers(1, 7))
def test_slices_of_all_ranges_are_all_rows(
    tmp_path_factory: pytest.TempPathFactory, keys: list[int], num_ranges: int
) -> None:
    path = tmp_path_factory.mktemp("rows") / "rows"
    dtype = np.dtype([("key", "<u8"), ("value", "<u4")])
    rows = np.array([(key, 1) for key in sorted(keys)], dtype)
    write_rows(path, rows)
    ranges = cut_keys(num_ranges)
    slices = [read_slice(path, dtype, key_range) for key_range in ranges]
    assert np.concatenate(slices).tolist() == rows.tolist()
    for key_range, part in zip(ranges, slices, strict=True):
        assert all(key_range.first <= int(key) < key_range.end for key in part["key"])
    assert len(read_slice(path, dtype, KeyRange(5, 5))) == 0


def test_a_corpus_cut_into_many_pieces_gives_the_same_bytes(tmp_path: Path) -> None:
    chance = random.Random(1)
    base = [_prose(seed) for seed in range(12)]
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(40):
        words = list(chance.choice(base))
        words[chance.randrange(200)] = "edited"
        text = f"{' '.join(words)}\nThis line stands on every page of the site, here as well.\n"
        (folder / f"{number:02d}.txt").write_text(text)
    results = []
    for name, memory in (("whole", _WHOLE), ("cut", 9000)):
        outputs = tmp_path / f"{name}.jsonl", tmp_path / f"{name}-rejected.jsonl"
        config = PrepareConfig(merge_memory_bytes=memory)
        steps = ["exact_duplicates", "near_duplicates"]
        summary = clean(
            [folder], output=outputs[0], rejected=outputs[1], config=config, steps=steps
        )
        assert summary.num_documents + summary.num_rejected == 40
        assert 5 < summary.num_documents <= 12
        results.append([path.read_bytes() for path in outputs])
    assert results[0] == results[1]
    assert b"on every page" not in results[0][0]


def test_the_record_says_what_kind_of_document_stayed(tmp_path: Path) -> None:
    text = " ".join(_prose(1))
    (tmp_path / "a.txt").write_text(text[:-9])
    (tmp_path / "b.txt").write_text(text)
    for keep, gone, which in (("first", "b.txt", "an earlier"), ("longest", "a.txt", "a longer")):
        near = {"near_duplicates": {"keep": keep}}
        rejected = tmp_path / "rejected.jsonl"
        clean(
            [tmp_path / "a.txt", tmp_path / "b.txt"],
            output=tmp_path / "out.jsonl",
            rejected=rejected,
            config=PrepareConfig.model_validate(near),
            steps=["near_duplicates"],
        )
        record = json.loads(rejected.read_text("utf-8"))
        assert record["source"].endswith(gone)
        assert record["reason"].startswith(
            f"near_duplicates: nearly equal to {which} document (0.9"
        )


def test_a_bucket_of_any_size_is_compared_in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = _prose(1, 120)
    draw = random.Random(5)
    texts = []
    for number in range(400):  # of .5 to .95 alike each, so that groups are chains of pairs
        words = list(template)
        for place in draw.sample(range(120), draw.randrange(1, 12)):
            words[place] = f"x{number}"
        texts.append(" ".join(words))
    whole = find_near(tmp_path / "whole", [texts[:150], texts[150:]])
    monkeypatch.setattr(alike, "_BATCH_MEMBERS", 70)
    cut = find_near(tmp_path / "cut", [texts[:150], texts[150:]])
    assert [one is None for one in cut] == [one is None for one in whole]
    assert 0 < sum(one is None for one in cut) < 400


_MERGES = """
import sys
from pathlib import Path
from lodesmith.core.shards import Markers, map_shards
from lodesmith.prepare.config import ExactDuplicatesConfig, NearDuplicatesConfig
from lodesmith.prepare.duplicates.exact_duplicates import merge_exact
from lodesmith.prepare.duplicates.near_duplicates import merge_near
from lodesmith.prepare.shards.shard_files import Parts
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    markers = Markers(folder / "done")
    def run(work, tasks):
        return map_shards(work, tasks, markers=markers, num_workers=int(sys.argv[2]))
    parts = Parts(folder, 3)
    merge_exact(parts, ExactDuplicatesConfig(), 20000, run)
    merge_near(parts, NearDuplicatesConfig(), 60000, run)
"""


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hash_file(path) for path in folder.glob("*.rows")}


@pytest.mark.chaos
def test_merges_killed_at_any_moment_go_on_to_the_same_bytes(tmp_path: Path) -> None:
    for folder in (tmp_path / "whole", tmp_path / "killed"):
        parts = Parts(folder, 3)
        for shard in range(3):
            hashes, signatures = TextHashes(ExactDuplicatesConfig()), Signatures(_NEAR)
            for seed in range(60):
                text = " ".join([*_prose(seed % 20), f"more{shard * seed % 7}"])
                hashes.add(_document(text), frozenset())
                signatures.add(text)
            hashes.write(parts, shard)
            signatures.write(parts, shard)
    whole = [sys.executable, "-c", _MERGES, str(tmp_path / "whole"), "1"]
    subprocess.run(whole, check=True)
    done, num_kills, chance = tmp_path / "killed" / "done", 0, random.Random(5)
    while True:
        command = [sys.executable, "-c", _MERGES, str(tmp_path / "killed"), str(1 + num_kills % 2)]
        process = subprocess.Popen(command)
        before = len(list(done.glob("*.json")))
        wanted = before + chance.randrange(8, 30)
        while process.poll() is None and len(list(done.glob("*.json"))) < wanted:
            time.sleep(0.005)
        if process.poll() is not None:
            assert process.returncode == 0
            break
        process.kill()
        process.wait()
        num_kills += 1
    assert num_kills >= 2
    assert _digests(tmp_path / "killed") == _digests(tmp_path / "whole")

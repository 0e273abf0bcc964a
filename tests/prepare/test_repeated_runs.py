"""Stretches said before: found wherever they begin, cut at sentences, the first left alone."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.data.documents import Document
from lodesmith.prepare.clean import clean
from lodesmith.prepare.config import ExactDuplicatesConfig, PrepareConfig
from lodesmith.prepare.duplicates.repeated_runs import RepeatedRuns, RunHashes, find_repeated_runs
from lodesmith.prepare.shards.shard_files import Parts
from lodesmith.prepare.shards.sorted_rows import cut_keys


def _document(text: str) -> Document:
    return Document(id="1", source="s", url="u", language="en", text=text)


def _cut(folder: Path, shards: Sequence[Sequence[str]], num_words: int, ranges: int) -> list[str]:
    parts = Parts(folder, len(shards))
    for number, texts in enumerate(shards):
        runs = RunHashes(num_words)
        for text in texts:
            runs.add(text)
        runs.write(parts, number)
    for number, keys in enumerate(cut_keys(ranges)):
        find_repeated_runs(parts, keys, number)
    return [
        RepeatedRuns(parts, number, ranges, num_words)
        .cut(_document(text), place, frozenset())
        .document.text
        for number, texts in enumerate(shards)
        for place, text in enumerate(texts)
    ]


def _plain_rule(texts: list[str], num_words: int) -> list[str]:
    """One word is one sentence of one letter: a word goes if a run over it stood before."""
    seen: set[tuple[str, ...]] = set()
    result = []
    for text in texts:
        words = text.split()
        runs = [tuple(words[at : at + num_words]) for at in range(len(words) - num_words + 1)]
        covered = set()
        for at, run in enumerate(runs):
            if run in seen or run in runs[:at]:
                covered.update(range(at, at + num_words))
        seen.update(runs)
        result.append(" ".join(word for at, word in enumerate(words) if at not in covered))
    return result


@given(
    st.lists(st.lists(st.sampled_from("abc"), max_size=25), min_size=1, max_size=5),
    st.integers(0, 5),
    st.integers(2, 5),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_words_cut_are_those_of_the_plain_rule_however_the_corpus_is_cut(
    tmp_path_factory: pytest.TempPathFactory,
    pages: list[list[str]],
    edge: int,
    num_words: int,
    ranges: int,
) -> None:
    texts = [" ".join(f"{letter}." for letter in page) for page in pages]
    folder = tmp_path_factory.mktemp("rows")
    found = _cut(folder, [texts[:edge], texts[edge:]], num_words, ranges)
    assert [" ".join(text.split()) for text in found] == _plain_rule(texts, num_words)


def _sentence(seed: int) -> str:
    chance = random.Random(seed)
    return " ".join(f"w{chance.randrange(999)}" for _ in range(20)) + "."


def test_a_stretch_goes_from_the_later_document_only(tmp_path: Path) -> None:
    shared = f"{_sentence(1)} {_sentence(2)} {_sentence(3)}"
    texts = [f"{_sentence(4)} {shared}", f"Mine. {shared} {_sentence(5)}\nThe end."]
    config = PrepareConfig(exact_duplicates=ExactDuplicatesConfig(min_repeated_words=50))
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text)
    output = tmp_path / "out.jsonl"
    inputs = [tmp_path / "0.txt", tmp_path / "1.txt"]
    clean(inputs, output=output, config=config, steps=["exact_duplicates"])
    first, second = output.read_text("utf-8").splitlines()
    assert shared in first
    assert "w" not in second.split('"text":"')[1].split(_sentence(5))[0].split("Mine.")[1]
    assert "The end." in second


def test_a_shorter_stretch_stays(tmp_path: Path) -> None:
    shared = f"{_sentence(1)} {_sentence(2)}"
    texts = [f"{_sentence(4)} {shared}", f"{shared} {_sentence(5)}"]
    assert _cut(tmp_path, [texts], 50, 1) == texts


def test_chinese_is_cut_at_its_own_full_stops(tmp_path: Path) -> None:
    shared = "".join(chr(0x4E00 + n * 31) for n in range(60)) + "。"
    texts = [f"甲说过的话在这里。{shared}", f"乙有另外一句话。{shared}完。"]
    assert _cut(tmp_path, [[texts[0]], [texts[1]]], 50, 3)[1] == "乙有另外一句话。完。"


def test_runs_sorted_a_few_at_a_time_are_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    chance = random.Random(2)
    texts = [" ".join(chance.choices("abcdefg", k=40)) for _ in range(30)]
    files = []
    for number, at_once in enumerate((1 << 20, 100, 1)):
        monkeypatch.setattr("lodesmith.prepare.duplicates.repeated_runs._SORTED_AT_ONCE", at_once)
        hashes = RunHashes(5)
        for text in texts:
            hashes.add(text)
        parts = Parts(tmp_path / str(number), 1)
        hashes.write(parts, 0)
        files.append(parts.file("runs", 0).read_bytes())
    assert len(set(files)) == 1
    assert len(files[0]) > 12 * 800

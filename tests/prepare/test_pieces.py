"""What the first pass cuts its shards into: nothing is held for a shard as a whole."""

import json
import random
import tracemalloc
from pathlib import Path

import pytest

from lodesmith.data.documents import Document
from lodesmith.prepare.clean import clean
from lodesmith.prepare.config import ExactDuplicatesConfig, PrepareConfig
from lodesmith.prepare.passes import passes, pieces, tasks
from lodesmith.prepare.passes.carried import Carried, read_carried
from lodesmith.prepare.passes.pieces import write_pieces
from lodesmith.prepare.shards.shard_files import Shard, number_pieces

_STEPS = ["language", "exact_duplicates", "near_duplicates", "personal_data"]
_WORDS = [
    "time",
    "year",
    "people",
    "way",
    "day",
    "man",
    "thing",
    "woman",
    "life",
    "child",
    "world",
    "school",
    "state",
    "family",
]


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Let shards run here, where limits can be set; and the folder of a run can be read."""
    monkeypatch.setattr(passes, "_LIMITS", None)
    return monkeypatch


def _write_texts(path: Path, count: int) -> Path:
    draw = random.Random(3)
    lines = [" ".join(draw.choices(_WORDS, k=6)) for _ in range(count - count // 5)]
    lines += draw.choices(lines, k=count // 5)  # copies of others
    path.write_text("".join(json.dumps({"text": line}) + "\n" for line in lines), "utf-8")
    return path


def _config() -> PrepareConfig:
    exact = ExactDuplicatesConfig(min_repeated_words=5, keep_first_line_only=True)
    return PrepareConfig(num_workers=1, merge_memory_bytes=1 << 20, exact_duplicates=exact)


def _clean(folder: Path, texts: Path) -> list[bytes]:
    outputs = [folder / "kept.jsonl", folder / "rejected.jsonl", folder / "report.html"]
    summary = clean(
        [texts], output=outputs[0], rejected=outputs[1], report=outputs[2], config=_config(),
        steps=_STEPS,
    )  # fmt: skip
    assert summary.num_documents > 0
    assert summary.num_rejected > 0
    return [path.read_bytes() for path in outputs]


@pytest.mark.parametrize(("records", "chars"), [(2, 1 << 20), (1000, 200)])
def test_where_pieces_end_changes_nothing(
    tmp_path: Path, in_this_process: pytest.MonkeyPatch, records: int, chars: int
) -> None:
    texts = _write_texts(tmp_path / "texts.jsonl", 60)
    whole = _clean(tmp_path, texts)
    in_this_process.setattr(pieces, "_MOST_RECORDS", records)
    in_this_process.setattr(pieces, "_MOST_CHARS", chars)
    assert _clean(tmp_path, texts) == whole


def test_no_piece_is_larger_than_the_memory_of_a_worker_allows(tmp_path: Path) -> None:
    document = Document(id="0" * 16, source="a", url="", language="en", text="a")
    long = Document(id="0" * 16, source="a", url="", language="en", text="a" * (3 << 20))
    items = [*[Carried(document)] * 70_000, *[Carried(long)] * 4]
    shard = Shard(4, tmp_path, tmp_path)
    count = write_pieces(shard, iter(items), None)
    sizes = [sum(1 for _ in read_carried(shard.piece(n).cleaned)) for n in range(count)]
    assert sizes == [1 << 16, 70_000 - (1 << 16) + 3, 1]  # full at 64 Ki records, or 8 Mi letters


def test_a_shard_without_a_record_is_one_empty_piece(tmp_path: Path) -> None:
    shard = Shard(0, tmp_path, tmp_path)
    assert write_pieces(shard, iter(()), ExactDuplicatesConfig()) == 1
    assert list(read_carried(shard.piece(0).cleaned)) == []


def test_pieces_whose_numbering_was_interrupted_are_numbered_alike(tmp_path: Path) -> None:
    shards = [Shard(number, tmp_path, tmp_path) for number in range(3)]
    for shard in shards:
        for number in range(2):
            cleaned = shard.piece(number).cleaned
            cleaned.parent.mkdir(exist_ok=True)
            cleaned.write_text(f"{shard.number} {number}", "utf-8")
    first = number_pieces(shards[:2], [2, 1])  # killed before the last shard, in a way
    assert number_pieces(shards, [2, 1, 2])[:3] == first
    again = number_pieces(shards, [2, 1, 2])
    assert [piece.cleaned.read_text("utf-8") for piece in again] == [
        "0 0", "0 1", "1 0", "2 0", "2 1",
    ]  # fmt: skip


def test_memory_does_not_grow_with_the_records_of_a_shard(
    tmp_path: Path, in_this_process: pytest.MonkeyPatch
) -> None:
    in_this_process.setattr(pieces, "_MOST_RECORDS", 400)
    tasks.warm_up(tuple(_STEPS), _config())  # so that what is loaded once is not counted

    def peak(count: int) -> int:
        texts = _write_texts(tmp_path / "texts.jsonl", count)
        tracemalloc.start()
        try:
            _clean(tmp_path, texts)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(400)
    few, many = peak(400), peak(3200)
    assert many < 1.5 * few  # 2.6 times without pieces

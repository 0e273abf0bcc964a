"""Samples and scores of the funnel: by step, language and source, and never a personal value."""

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape

from lodesmith.core.storage import JSON
from lodesmith.data.documents import Document
from lodesmith.data.warc import WarcWriter, read_warc
from lodesmith.prepare.clean import clean
from lodesmith.prepare.config import STEPS, PrepareConfig
from lodesmith.prepare.funnel.funnel import NUM_GROUPS, Funnel
from lodesmith.prepare.funnel.samples import NUM_CHARS, cut_all, first_difference
from lodesmith.prepare.funnel.tally import StepTally
from lodesmith.prepare.input.pages import Drop

_SECRETS = ("13800138000", "3800138", "anna.lovelace", "lovelace@example.org", "example.org")
_COUNTS = ("documents_in", "documents_out", "bytes_in", "bytes_out")


def _english(seed: int) -> str:
    """Return sentences of usual words, none twice in a corpus."""
    chance = random.Random(seed)
    nouns = [
        "style",
        "chart",
        "letter",
        "table",
        "window",
        "folder",
        "printer",
        "picture",
        "border",
        "column",
    ]
    return " ".join(
        f"To change the {chance.choice(nouns)} of page {chance.randrange(9000)}, open the "
        f"{chance.choice(nouns)} in the {chance.choice(nouns)} and see that it is what you meant."
        for _ in range(6)
    )


def _chinese(seed: int) -> str:
    chance = random.Random(seed)
    nouns = ["样式", "图表", "信件", "表格", "窗口", "文件夹", "打印机", "图片", "边框", "列"]
    return "".join(
        f"要更改第{chance.randrange(9000)}页的{chance.choice(nouns)}，请打开{chance.choice(nouns)}"
        f"里的{chance.choice(nouns)}，并确认这就是您想要的结果。"
        for _ in range(6)
    )


def _words(seed: int, count: int) -> str:
    chance = random.Random(seed)
    return " ".join("".join(chance.choices("abcdefghijklmnop", k=4)) for _ in range(count))


def _write(path: Path, texts: list[str]) -> Path:
    path.write_text(
        "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts)
    )
    return path


@pytest.fixture(scope="module")
def cleaned(tmp_path_factory: pytest.TempPathFactory) -> tuple[JSON, str]:
    """Clean two files of two languages each, and return the funnel and its page."""
    folder = tmp_path_factory.mktemp("samples")
    long = _english(1)
    cut = long[: NUM_CHARS - 5].rsplit(" ", 1)[0]  # what follows is cut through at 200 characters
    news = [
        *(_english(seed) for seed in range(10, 16)),
        *(_chinese(seed) for seed in range(20, 26)),
        f"{cut} anna.lovelace@example.org {long}",
        f"{cut} 13800138000 {_english(4)}",
        f"Write to anna.lovelace&#64;example.org &amp; wait. {_english(2)}",
        f"Tom &amp; Jerry are at home. {_english(3)}",
        _english(10) + " Amen.",
        _english(11),
        "Too short. Write to anna.lovelace@example.org",
        "anna.lovelace@example.org 13800138000 " * 3,
    ]
    shop = [
        _chinese(30),
        "加微信 vx88888 领取彩金，澳门首家线上赌场上线啦，注册就送888元！" * 3,
        _english(31),
    ]
    inputs = [_write(folder / "news.jsonl", news), _write(folder / "shop.jsonl", shop)]
    page = folder / "funnel.html"
    summary = clean(
        inputs, output=folder / "o.jsonl", report=page, config=PrepareConfig(num_workers=1)
    )
    return summary.funnel, page.read_text()


def _step(funnel: JSON, name: str) -> JSON:
    return next(step for step in funnel["steps"] if step["step"] == name)


def test_every_step_language_and_source_has_counts_bytes_and_samples(
    cleaned: tuple[JSON, str],
) -> None:
    funnel, _ = cleaned
    assert [step["step"] for step in funnel["steps"]] == list(STEPS)
    for step in funnel["steps"]:
        for key in ("by_language", "by_corpus"):
            assert len(step[key]) >= 2
            for group in step[key].values():
                assert all(group[name] >= 0 for name in _COUNTS)
                assert len(group["kept"]) == min(1, group["documents_out"])
                num_dropped = group["documents_in"] - group["documents_out"]
                assert len(group["dropped"]) == min(2, num_dropped)
                for sample in [*group["kept"], *group["dropped"]]:
                    assert 0 < len(sample["text"]) <= 2 * NUM_CHARS
                assert all(sample["reason"] for sample in group["dropped"])


def test_the_page_shows_samples_of_each_language_and_source(cleaned: tuple[JSON, str]) -> None:
    funnel, page = cleaned
    for key in ("by_language", "by_corpus"):
        for group in _step(funnel, "quality")[key].values():
            for sample in [*group["kept"], *group["dropped"]]:
                assert str(escape(sample["text"])) in page


def test_no_sample_holds_a_personal_value_not_even_half_of_one_or_one_in_disguise(
    cleaned: tuple[JSON, str],
) -> None:
    funnel, page = cleaned
    for told in (json.dumps(funnel, ensure_ascii=False), page):
        assert "<EMAIL>" in told.replace("&lt;", "<").replace("&gt;", ">")
        for secret in _SECRETS:
            assert secret not in told


def test_what_was_masked_and_repaired_is_counted_with_samples(cleaned: tuple[JSON, str]) -> None:
    funnel, page = cleaned
    repair, masked = _step(funnel, "repair"), _step(funnel, "personal_data")
    assert repair["repaired"] == {"entities": 3}
    by_start = {sample["text"][:4]: sample for sample in repair["repaired_samples"]}
    assert by_start["Tom "]["before"].startswith("Tom &amp; Jerry are at home.")
    assert by_start["Tom "]["text"].startswith("Tom & Jerry are at home.")
    assert by_start["Writ"]["before"] is None
    assert by_start["Writ"]["text"].startswith("Write to <EMAIL> & wait.")
    assert masked["masked"] == {"email": 2, "mobile": 1}
    assert 1 <= len(masked["masked_samples"]) <= 3
    for sample in masked["masked_samples"]:
        assert any(f"<{kind.upper()}>" in sample["text"] for kind in sample["kinds"])
    assert "Tom &amp;amp; Jerry" in page


@pytest.mark.parametrize("step", ["language", "quality", "ads", "near_duplicates"])
def test_scores_are_drawn_with_their_limit_for_what_stays_and_what_goes(
    cleaned: tuple[JSON, str], step: str
) -> None:
    funnel, page = cleaned
    counted = _step(funnel, step)
    assert counted["scores"]
    for score in counted["scores"]:
        assert f"distribution of: {score['name']}" in page
    passed = max(sum(count for _, count in score["passed"]) for score in counted["scores"])
    assert passed == counted["documents_out"]


def test_a_document_that_stays_has_the_similarity_to_an_earlier_one_it_resembles(
    tmp_path: Path,
) -> None:
    shared = _words(0, 210)
    texts = [f"{shared} {_words(number, 50)}" for number in range(1, 7)]  # about .68 of each pair
    texts += [texts[0] + " Amen.", _chinese(99)]
    summary = clean(
        [_write(tmp_path / "a.jsonl", texts)], output=tmp_path / "o.jsonl",
        steps=["near_duplicates"], config=PrepareConfig(num_workers=1),
    )  # fmt: skip
    (score,) = _step(summary.funnel, "near_duplicates")["scores"]
    assert score["limit"] == 0.8
    passed, failed = dict(map(tuple, score["passed"])), dict(map(tuple, score["failed"]))
    assert passed.pop(0) >= 2  # the first, and that in Chinese: they met none before them
    assert sum(passed.values()) >= 1
    assert all(25 <= place < 40 for place in passed)  # between .5 and the limit
    assert max(failed) == 49  # the copy with one word more
    assert min(failed) >= 40
    assert sum(count for _, count in [*score["passed"], *score["failed"]]) == len(texts)


@pytest.mark.parametrize("harm", [False, True])
def test_bytes_of_what_cannot_be_read_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harm: bool
) -> None:
    monkeypatch.setattr("lodesmith.prepare.input.records.MAX_PAYLOAD_BYTES", 2000)
    # patches reach this process only
    monkeypatch.setattr("lodesmith.prepare.passes.passes._LIMITS", None)
    lines = [json.dumps({"text": _english(1)}), json.dumps({"text": "y" * 9000}), "{torn"]
    (tmp_path / "b.jsonl").write_text("\n".join(lines))
    (tmp_path / "c.txt").write_text("z" * 3001)
    inputs, expected = [tmp_path / "b.jsonl", tmp_path / "c.txt"], len(lines[1]) + 1 + 5 + 3001
    if harm:
        with (tmp_path / "d.warc.gz").open("wb") as file:
            writer = WarcWriter(file)
            offsets = [
                writer.write(
                    uri=f"http://a/{n}", payload=_english(n).encode(), content_type="text/plain",
                    date="2024-01-01T00:00:00Z",
                )
                for n in range(3)
            ]  # fmt: skip
        data = bytearray((tmp_path / "d.warc.gz").read_bytes())
        data[offsets[1] + 30 : offsets[1] + 50] = bytes(20)
        (tmp_path / "d.warc.gz").write_bytes(data)
        inputs.append(tmp_path / "d.warc.gz")
        expected += offsets[2] - offsets[1]
    summary = clean(
        inputs, output=tmp_path / "o.jsonl", config=PrepareConfig(num_workers=1), steps=["extract"]
    )
    step = _step(summary.funnel, "extract")
    if harm:
        info = next(read_warc(tmp_path / "d.warc.gz", on_damage=lambda _: None))
        assert info.type == "warcinfo"  # a record too, but no page
        expected += len(info.payload)
    assert step["bytes_in"] - step["bytes_out"] == expected


def _document(number: int) -> Document:
    return Document(
        id=f"{number % 50:016x}", source="s", url=f"http://x/{number % 50}",
        text=f"text {number} " * 40,
        language=("zh", "en", "de")[number % 3], corpus=f"c{number % 2}",
        measures={"repairs": {"entities": {"count": 1}}},
    )  # fmt: skip


def _count(tally: StepTally, number: int) -> None:
    document = _document(number)
    is_kept = number % 5 > 1
    tally.add(document, bytes_in=10, bytes_out=8 if is_kept else None)
    if not is_kept:
        tally.add_drop(document, Drop(f"rule {number % 2}", number, 7))
    tally.add_repair(document, "a &amp; b", "a & b")
    tally.add_masked(document, {"email": 1}, 3)
    tally.add_lines([f"line {number % 13}"])


@given(
    st.lists(st.integers(0, 400), unique=True, max_size=40),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_samples_are_the_same_however_a_corpus_is_cut(
    numbers: list[int], places: list[int]
) -> None:
    def tell(cuts: list[int]) -> JSON:
        whole = Funnel(["quality"])
        edges = [0, *sorted(cuts), len(numbers)]
        for start, stop in itertools.pairwise(edges):
            part = Funnel(["quality"])
            for number in numbers[start:stop]:
                _count(part["quality"], number)
            whole.merge(json.loads(json.dumps(part.to_json())))
        whole.show_samples(cut_all)
        return whole.to_json()

    assert tell(places) == tell([])


def test_samples_of_many_sources_are_those_of_the_largest() -> None:
    funnel = Funnel(["extract", "quality"])
    for number in range(3 * NUM_GROUPS):
        for turn in range(1 + (number % 3 == 0)):
            document = Document(
                id=f"{number:08x}{turn:08x}", source="s", url="", language="en", text="text " * 200,
                corpus=f"{number:04d}",
            )  # fmt: skip
            for step in ("extract", "quality"):
                funnel[step].add(document, bytes_in=10, bytes_out=8)
    funnel.show_samples(cut_all)
    groups: dict[str, Any] = funnel.to_json()["steps"][1]["by_corpus"]
    assert len(groups) == 3 * NUM_GROUPS
    assert [name for name in groups if groups[name]["kept"]] == [
        f"{number:04d}" for number in range(0, 3 * NUM_GROUPS, 3)
    ]


def test_of_very_many_sources_few_have_samples_whatever_the_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("lodesmith.prepare.funnel.groups._NUM_SAMPLED", 10)

    def tell(numbers: list[int], num_parts: int) -> JSON:
        whole = Funnel(["quality"])
        for part in range(num_parts):
            shard = Funnel(["quality"])
            for number in numbers[part::num_parts]:
                corpus = f"{number * 7919 % 997:03d}"
                document = replace(_document(number), id=f"{number:016x}", corpus=corpus)
                shard["quality"].add(document, bytes_in=10, bytes_out=8)
            data = json.loads(json.dumps(shard.to_json()))
            sampled = [g for g in data["steps"][0]["by_corpus"].values() if g["kept"]]
            assert len(sampled) <= 20
            whole.merge(data)
        whole.show_samples(cut_all)
        return whole.to_json()

    expected = tell(list(range(300)), 1)
    groups = expected["steps"][0]["by_corpus"]
    assert [name for name in groups if groups[name]["kept"]] == sorted(groups)[:10]
    assert tell(list(range(299, -1, -1)), 7) == expected


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_the_first_difference_is_where_texts_part(head: str, one: str, other: str) -> None:
    place = first_difference(head + one, head + other)
    assert (head + one)[:place] == (head + other)[:place]
    assert place >= len(head)
    assert (head + one)[place : place + 1] != (head + other)[place : place + 1] or one == other

"""The stage: the same bytes for any number of workers and kills, a funnel that adds up."""

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from lodesmith.core.errors import UserError
from lodesmith.core.shards.watch import condemn
from lodesmith.core.storage import hash_file
from lodesmith.data.documents import read_documents, read_lines
from lodesmith.data.warc import WarcWriter
from lodesmith.lineage.artifact import Artifact, Draft
from lodesmith.lineage.receipt import Receipt
from lodesmith.prepare import stage
from lodesmith.prepare.config import STEPS, PrepareConfig, QualityConfig
from lodesmith.prepare.input.sources import Source
from lodesmith.prepare.passes.passes import prepare_corpus

_FOOTER = "Have a look at our many other pages about office software"


def _english(topic: int) -> str:
    return " ".join(
        f"To change the {noun}{topic} of a document, choose command {topic * 31 + place} and "
        f"confirm that the {verb}{topic} is what you have meant."
        for place, (noun, verb) in enumerate(
            [("style", "look"), ("chart", "line"), ("cell", "sum")]
        )
    )


def _chinese(topic: int) -> str:
    return "".join(
        f"要更改文档的{noun}{chr(0x4E00 + topic * 97)}，请选择第{topic * 31 + place}号命令，"
        f"并确认{verb}{chr(0x5E00 + topic * 53)}就是您想要的结果。"
        for place, (noun, verb) in enumerate(
            [("样式", "外观"), ("图表", "曲线"), ("单元格", "总和")]
        )
    )


def _markup(title: str, text: str) -> bytes:
    return (
        f"<html><head><title>{title}</title></head><body><nav><a href='/'>Start</a></nav>"
        f"<h1>{title}</h1><p>{text}</p><p>{_FOOTER}</p></body></html>"
    ).encode()


def _pages(language: str) -> list[tuple[str, bytes]]:
    write = _english if language == "en" else _chinese
    pages = [(f"t{n}.html", _markup(f"Topic {n} of {language}", write(n))) for n in range(30)]
    if language == "zh":
        pages.append(("untranslated.html", _markup("主题", _english(3))))
    else:
        pages.append(("copy.html", _markup("Topic 5 of en", _english(5))))
        pages.append(("mail.html", _markup("Mail", _english(77) + " Write to a@b.org.")))
        pages.append(("stub.html", _markup("Stub", "Nothing here.")))
    return pages


def _acquire(folder: Path, *, languages: tuple[str, ...] = ("zh", "en")) -> Artifact:
    """Write an acquire artifact of made-up pages in several languages."""
    folder.mkdir(parents=True)
    entries: list[dict[str, Any]] = []
    for language in languages:
        name, pages = f"help-{language}", _pages(language)
        with (folder / f"{name}.warc.gz").open("wb") as file:
            writer = WarcWriter(file)
            for uri, payload in pages:
                writer.write(
                    uri=f"debian:{name}/{uri}", payload=payload, content_type="text/html",
                    date="2024-01-01T00:00:00Z",
                )  # fmt: skip
        entries.append(
            {"name": name, "kind": "debian", "origin": name, "version": "1", "licence": "MIT",
             "use": "pages", "num_records": len(pages), "file": f"{name}.warc.gz",
             "bytes": sum(len(payload) for _, payload in pages)}
        )  # fmt: skip
    entries.append({**entries[0], "name": "chats", "use": "chat", "file": "not-there.warc.gz"})
    (folder / "sources.json").write_text(json.dumps(entries))
    return _artifact(folder)


def _artifact(folder: Path) -> Artifact:
    receipt = Receipt(
        id="acquire-0123456789ab", kind="acquire", digest="", parents={}, config={},
        config_digest="", stage_version=1, code_version="0", files={}, started="", finished="",
    )  # fmt: skip
    return Artifact(path=folder, receipt=receipt)


def _make(folder: Path, acquire: Artifact, config: PrepareConfig) -> Draft:
    draft = Draft(path=folder)
    folder.mkdir(exist_ok=True)
    stage.make(draft, parents={"acquire": acquire}, prepare=config)
    return draft


def _digests(folder: Path) -> dict[str, str]:
    return {path.name: hash_file(path) for path in sorted(folder.iterdir()) if path.is_file()}


def _rejected(folder: Path) -> list[dict[str, Any]]:
    paths = sorted(folder.glob("rejected-*.jsonl.zst"))
    return [json.loads(line) for path in paths for line in read_lines(path)]


@pytest.fixture
def acquire(tmp_path: Path) -> Artifact:
    return _acquire(tmp_path / "acquire-0123456789ab")


def test_pages_become_documents_and_nothing_vanishes(tmp_path: Path, acquire: Artifact) -> None:
    draft = _make(tmp_path / "out", acquire, PrepareConfig(num_workers=1))
    documents = [
        document
        for path in sorted(draft.path.glob("documents-*"))
        for document in read_documents(path)
    ]
    rejected = _rejected(draft.path)
    assert draft.counts["documents_in"] == 64 == len(documents) + len(rejected)
    assert draft.counts["num_documents"] == len(documents) == 61
    assert len({entry["id"] for entry in rejected} | {document.id for document in documents}) == 64
    assert {document.language for document in documents} == {"zh", "en"}
    assert not any(_FOOTER in document.text for document in documents)
    by_url = {document.url: document for document in documents}
    assert by_url["debian:help-zh/untranslated.html"].language == "en"
    first = by_url["debian:help-en/t7.html"]
    assert first.text.startswith("Topic 7 of en\nTo change the style7")
    assert first.headings == ["Topic 7 of en"]
    assert first.corpus == "help-en"
    assert first.source.startswith("acquire-0123456789ab/help-en.warc.gz#")
    assert by_url["debian:help-en/mail.html"].text.endswith("Write to <EMAIL>.")
    reasons = {entry["url"].rpartition("/")[2]: entry["reason"] for entry in rejected}
    assert reasons["stub.html"].startswith("quality: too few words (")
    assert reasons["copy.html"] == "exact_duplicates: equal to an earlier document"
    assert draft.dropped["quality: too few words"] == 1
    assert [entry["name"] for entry in draft.sources] == ["help-zh", "help-en"]


def test_the_untranslated_page_and_its_original_leave_one_text(
    tmp_path: Path, acquire: Artifact
) -> None:
    _make(tmp_path / "out", acquire, PrepareConfig(num_workers=1))
    text = (tmp_path / "out").glob("documents-*")
    kept = [d.url for path in text for d in read_documents(path) if "style3 of" in d.text]
    assert kept == ["debian:help-zh/untranslated.html"]


def test_the_funnel_adds_up(tmp_path: Path, acquire: Artifact) -> None:
    draft = _make(tmp_path / "out", acquire, PrepareConfig(num_workers=1))
    steps = json.loads((draft.path / "funnel.json").read_text())["steps"]
    assert [step["step"] for step in steps] == list(STEPS)
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        for group in ("by_language", "by_corpus"):
            for name in ("documents_in", "documents_out", "bytes_in", "bytes_out"):
                assert sum(entry[name] for entry in step[group].values()) == step[name]
        dropped = sum(entry["count"] for entry in step["dropped"])
        assert step["documents_in"] - step["documents_out"] == dropped
        if following is not None:
            assert step["documents_out"] == following["documents_in"]
            assert step["bytes_out"] == following["bytes_in"]
    assert steps[-1]["bytes_out"] == draft.counts["text_bytes"]
    exact = next(step for step in steps if step["step"] == "exact_duplicates")
    assert exact["lines_dropped"]["lines"] == 62
    assert exact["lines_dropped"]["samples"] == [_FOOTER]
    personal = next(step for step in steps if step["step"] == "personal_data")
    assert personal["masked"] == {"email": 1}


@pytest.mark.dist
def test_any_number_of_workers_gives_the_same_bytes(
    tmp_path: Path, acquire: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lodesmith.prepare.passes.stretches.SHARD_BYTES", 3000)
    _make(tmp_path / "one", acquire, PrepareConfig(num_workers=1))
    _make(tmp_path / "two", acquire, PrepareConfig(num_workers=2))
    assert _digests(tmp_path / "one") == _digests(tmp_path / "two")


def test_more_shards_keep_the_same_documents(
    tmp_path: Path, acquire: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make(tmp_path / "one", acquire, PrepareConfig(num_workers=1))
    monkeypatch.setattr("lodesmith.prepare.passes.stretches.SHARD_BYTES", 3000)
    _make(tmp_path / "many", acquire, PrepareConfig(num_workers=1))
    assert len(list((tmp_path / "many").glob("documents-*"))) >= 8

    def lines(name: str, kind: str) -> list[bytes]:
        paths = sorted((tmp_path / name).glob(f"{kind}-*.zst"))
        return [line for path in paths for line in read_lines(path)]

    assert lines("one", "documents") == lines("many", "documents")
    assert lines("one", "rejected") == lines("many", "rejected")
    funnels = [(tmp_path / name / "funnel.json").read_text() for name in ("one", "many")]
    assert funnels[0] == funnels[1]


class _KilledError(Exception):
    pass


@pytest.mark.parametrize("function", ["_Deduplication.run", "merge_near", "_Finish.run"])
def test_a_run_that_is_broken_off_goes_on_to_the_same_bytes(
    tmp_path: Path, acquire: Artifact, monkeypatch: pytest.MonkeyPatch, function: str
) -> None:
    # one worker: in this process
    monkeypatch.setattr("lodesmith.prepare.passes.passes._LIMITS", None)
    _make(tmp_path / "whole", acquire, PrepareConfig(num_workers=1))

    def die(*_: object, **__: object) -> None:
        raise _KilledError

    with monkeypatch.context() as patch:
        patch.setattr(f"lodesmith.prepare.passes.later_passes.{function}", die)
        with pytest.raises(_KilledError):
            _make(tmp_path / "broken", acquire, PrepareConfig(num_workers=1))
    assert not (tmp_path / "broken" / "funnel.json").exists()
    with monkeypatch.context() as patch:  # what was done is not done again
        patch.setattr("lodesmith.prepare.passes.passes.clean_shard", die)
        _make(tmp_path / "broken", acquire, PrepareConfig(num_workers=1))
    assert _digests(tmp_path / "whole") == _digests(tmp_path / "broken")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            PrepareConfig(languages=("fr",)),
            r"step language dropped all 64.*language not wanted.*fr",
        ),
        (PrepareConfig(quality=QualityConfig(min_words=5000)), "step quality.*too few words.*5000"),
    ],
)
def test_an_empty_corpus_names_the_step_that_emptied_it(
    tmp_path: Path, acquire: Artifact, config: PrepareConfig, told: str
) -> None:
    with pytest.raises(UserError, match=told):
        _make(tmp_path / "out", acquire, config)


def test_a_damaged_record_is_told_and_the_rest_goes_on(tmp_path: Path, acquire: Artifact) -> None:
    path = acquire.path / "help-en.warc.gz"
    data = bytearray(path.read_bytes())
    start = data.index(b"\x1f\x8b", len(data) // 2)
    data[start + 40 : start + 60] = b"\xff" * 20
    path.write_bytes(bytes(data))
    draft = _make(tmp_path / "out", acquire, PrepareConfig(num_workers=1))
    assert draft.dropped["extract: damaged record"] >= 1
    assert any("damaged" in note for note in draft.notes)
    assert draft.counts["num_documents"] >= 59
    assert any(
        entry["reason"].startswith("extract: damaged record") for entry in _rejected(draft.path)
    )


def test_only_the_first_page_keeps_a_line_if_that_is_asked(
    tmp_path: Path, acquire: Artifact
) -> None:
    exact = {"keep_first_line_only": True, "max_line_documents": 1000}
    config = PrepareConfig.model_validate({"num_workers": 1, "exact_duplicates": exact})
    draft = _make(tmp_path / "out", acquire, config)
    holders = [
        document.url
        for path in sorted(draft.path.glob("documents-*"))
        for document in read_documents(path)
        if _FOOTER in document.text
    ]
    assert holders == ["debian:help-zh/t0.html"]


def test_steps_can_be_left_out(tmp_path: Path, acquire: Artifact) -> None:
    draft = Draft(path=tmp_path / "out")
    source = Source(path=acquire.file("help-en.warc.gz"), kind="archive", name="en")
    prepared = prepare_corpus(
        [source], scratch=draft.scratch, final=draft.path, steps=("repair", "near_duplicates"),
        config=PrepareConfig(num_workers=1), markers=draft.markers,
    )  # fmt: skip
    assert list(prepared.funnel.steps) == ["repair", "near_duplicates"]
    documents = list(read_documents(prepared.shards[0].documents))
    assert documents[1].text.startswith("<html>")


@pytest.mark.parametrize("work", ["clean", "deduplicate", "finish"])
def test_a_condemned_record_is_rejected_with_its_reason_in_each_pass(
    tmp_path: Path, acquire: Artifact, work: str
) -> None:
    folder = tmp_path / "out"
    draft = Draft(path=folder)
    done = draft.scratch / "done"
    condemn(done / f"{work}-00000.condemned.json", "work-3", "record kills its worker")
    _make(folder, acquire, PrepareConfig(num_workers=1))
    (entry,) = [each for each in _rejected(folder) if "kills its worker" in each["reason"]]
    assert entry["id"]
    steps = json.loads((folder / "funnel.json").read_text())["steps"]
    for step, following in itertools.pairwise(steps):
        assert step["documents_out"] == following["documents_in"]
    (told,) = [step["step"] for step in steps if "kills its worker" in json.dumps(step["dropped"])]
    assert told == {"clean": "extract", "deduplicate": "exact_duplicates"}.get(
        work, "near_duplicates"
    )


def test_a_place_that_kills_readers_ends_its_file_with_a_line(
    tmp_path: Path, acquire: Artifact
) -> None:
    done = Draft(path=tmp_path / "out").scratch / "done"
    condemn(done / "clean-00000.condemned.json", "read-20", "record kills its worker")
    draft = _make(tmp_path / "out", acquire, PrepareConfig(num_workers=1))
    assert draft.counts["documents_in"] == 20 + 1 + 33  # zh to there, its fault, the other file
    assert any("could not be read to its end: record kills its worker" in n for n in draft.notes)

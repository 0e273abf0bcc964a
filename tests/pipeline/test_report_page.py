"""The report page and the terminal summary, on a small workspace with the real files' formats."""

import json
import math
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from lodesmith.core.config import Config
from lodesmith.core.errors import DamagedArtifactError
from lodesmith.lineage.artifact import Artifact, Draft, Order
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.config import DecoderConfig
from lodesmith.model.hugging_face import to_hugging_face
from lodesmith.pipeline.report import summarise, write_report
from lodesmith.pipeline.stages import STAGES

HOSTILE = '<script>alert("x")</script><img src=http://evil.example/x.png onerror=alert(1)>'
STEPS = (
    # step, documents in and out, bytes in and out, reasons
    ("extract", 5152, 5098, 51_200_000, 11_400_000, [("no text", 54, None)]),
    ("repair", 5098, 5098, 11_400_000, 11_390_000, []),
    ("language", 5098, 4531, 11_390_000, 10_250_000, [("language not wanted", 567, 0.41)]),
    ("quality", 4531, 4302, 10_250_000, 8_010_000, [
        ("too short", 180, 12), ("too few letters", 41, 0.2137), ("repeated lines", 8, 0.61)]),
    ("exact_duplicates", 4302, 4120, 8_010_000, 7_620_000, [("exact duplicate", 182, None)]),
    ("near_duplicates", 4120, 3395, 7_620_000, 6_190_000, [("near duplicate", 725, 0.87)]),
    ("personal_data", 3395, 3395, 6_190_000, 6_188_000, []),
)  # fmt: skip
SAMPLES = (
    ("file:///help/zh-CN/text/swriter/01/04120250.html", "保护索引和目录：自动对索引关键词。选择"),
    ("debian:libreoffice-help-en-us/usr/share/text/scalc/main0210.html", "Page Preview Bar " * 12),
    ("debian:debian-reference-en/usr/share/doc/ch02.en.html", HOSTILE),
)
BITS = {
    "zh": {"base": 1.612, "tuned": 1.734, "xz": 2.211, "byte_5gram": 2.483,
           "character_5gram": 2.051, "token_5gram": 1.902},
    "en": {"base": 1.398, "tuned": 1.551, "xz": 1.377, "byte_5gram": 2.114,
           "character_5gram": 2.102, "token_5gram": 1.713},
}  # fmt: skip
LICENCES = ("MPL-2.0", "MPL-2.0", "GPL-2.0-or-later", None)
PACKAGES = (
    "libreoffice-help-zh-cn", "libreoffice-help-en-us", "debian-reference-zh-cn", "chatterbot",
)  # fmt: skip
ANSWERS = [
    {"language": "zh", "question": "如何在表格中插入图表？",
     "answer": "选择插入 - 图表，\n然后选择单元格。" + HOSTILE, "finish_reason": "stop",
     "num_tokens": 21},
    {"language": "en", "question": "How do I insert a chart?",
     "answer": "To insert the chart to the the chart, choose Insert - Chart.",
     "finish_reason": "length", "num_tokens": 64},
]  # fmt: skip
MODEL = {
    "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 6,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64,
}  # fmt: skip


class Section(Config):
    """Stands for any section of a recipe."""

    sequence_length: int = 256
    """As in pretrain."""

    pattern: str = HOSTILE
    """Text that a person wrote."""


def put_json(draft: Draft, name: str, value: Any) -> None:
    path = draft.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


def make_acquire(draft: Draft) -> None:
    draft.counts = {"num_records": 5152, "bytes": 51_200_000}
    draft.sources = [
        {"name": name, "kind": "debian", "origin": name, "version": "4:25.2.3-2",
         "licence": licence, "use": "chat" if licence is None else "pages",
         "num_records": 1700 - 300 * number,
         "bytes": 20_000_000, "file": f"{name}.warc.gz"}
        for number, (name, licence) in enumerate(zip(PACKAGES, LICENCES, strict=True))
    ]  # fmt: skip


def make_prepare(draft: Draft) -> None:
    put_json(draft, "funnel.json", {"steps": [describe_step(*step) for step in STEPS]})
    draft.counts = {"num_documents": 3395, "text_bytes": 6_188_000}


def describe_step(name, documents_in, documents_out, bytes_in, bytes_out, reasons):
    def split(shares: Mapping[str, float]) -> dict[str, dict[str, int]]:
        return {
            key: {"documents_in": int(documents_in * share),
                  "documents_out": int(documents_out * share)}
            for key, share in shares.items()
        }  # fmt: skip

    return {
        "step": name, "documents_in": documents_in, "documents_out": documents_out,
        "bytes_in": bytes_in, "bytes_out": bytes_out,
        "by_language": split({"zh": 0.5, "en": 0.5}),
        "by_corpus": split({PACKAGES[0]: 0.4, PACKAGES[1]: 0.4, PACKAGES[2]: 0.2}),
        **({"lines_dropped": {"lines": 30_123, "bytes": 912_000,
                              "samples": ["上一页", "Next", HOSTILE]}}
           if name == "quality" else {}),
        **({"masked": {"email": 17, "phone": 2}} if name == "personal_data" else {}),
        "dropped": [
            {"reason": reason, "count": count, "limit": 0.8, "samples": [
                {"id": f"d{number}", "url": url, "value": value, "text": text}
                for number, (url, text) in enumerate(SAMPLES)]}
            for reason, count, value in reasons
        ],
    }  # fmt: skip


def make_tokenize(draft: Draft) -> None:
    for side, num_tokens, num_documents in (("train", 1_710_331, 3202), ("held_out", 98_220, 193)):
        put_json(draft, f"{side}/meta.json", {"num_tokens": num_tokens, "vocab_size": 8192,
                                              "num_documents": num_documents})  # fmt: skip
    draft.counts = {
        "vocab_size": 8192, "num_train_documents": 3202, "num_train_tokens": 1_710_331,
        "train_bytes": 5_861_000, "bytes_per_token": 3.433,
    }  # fmt: skip


def make_training(draft: Draft, *, steps: int, start: float, end: float) -> None:
    config = DecoderConfig.model_validate({**MODEL, "vocab_size": 8192})
    put_json(draft, "model/config.json", to_hugging_face(config))
    lines = [
        json.dumps({"step": step, "loss": end + (start - end) * math.exp(-6 * step / steps)
                    + 0.08 * math.sin(7.3 * step), "learning_rate": 0.02,
                    "tokens_per_second": 9000 + step % 7, "tokens_seen": 4096 * step})
        for step in range(1, steps + 1)
    ]  # fmt: skip
    (draft.path / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.observations.add("metrics.jsonl")


def make_pretrain(draft: Draft) -> None:
    make_training(draft, steps=900, start=9.0, end=3.1)
    draft.counts = {"num_parameters": 6_524_928, "num_steps": 900, "tokens_seen": 3_686_400}


def make_tune(draft: Draft) -> None:
    make_training(draft, steps=120, start=3.9, end=2.6)
    draft.counts = {
        "num_rows": 6231, "num_samples": 410, "num_rows of chatterbot-corpus (zh)": 821,
        "num_rows of help headings (en)": 2411,
    }  # fmt: skip
    draft.notes = [f"41 pairs were longer than a sample {HOSTILE}"]


def make_evaluate(draft: Draft) -> None:
    sizes = {"num_documents": 96, "num_bytes": 171_000, "num_tokens": 49_110}
    choice = {"model": "tuned", "num_items": 160, "acc": 0.4125, "ci95": [0.339, 0.49],
              "chance": 0.25, "base": {"acc": 0.45, "ci95": [0.375, 0.527]}}  # fmt: skip
    put_json(draft, "scores.json", {
        "bits_per_byte": {language: {**sizes, **bits} for language, bits in BITS.items()},
        "next_sentence": {"zh": choice, "en": choice},
        "benchmarks": {"tnews": {model: {
            "title": "kind of a headline", "num_items": 1098, "acc": share, "chance": 1 / 15,
            "acc_calibrated": share + 0.1, "acc_calibrated_ci95": [share, share + 0.2],
            "samples": [{"text": f"____ {HOSTILE}", "chosen": "体育", "right": "科技"}],
        } for model, share in (("base", 0.1), ("tuned", 0.2))}},
    })  # fmt: skip


def make_serve(draft: Draft) -> None:
    put_json(draft, "answers.json", ANSWERS)
    draft.counts = {"num_questions": 2, "num_tokens": 85}


MAKERS: dict[str, Callable[[Draft], None]] = {
    "acquire": make_acquire, "prepare": make_prepare, "tokenize": make_tokenize,
    "pretrain": make_pretrain, "tune": make_tune, "evaluate": make_evaluate, "serve": make_serve,
}  # fmt: skip


def build_workspace(root: Path) -> tuple[Workspace, dict[str, Artifact]]:
    workspace = Workspace(root)
    artifacts: dict[str, Artifact] = {}
    for stage in STAGES:
        parents = [kind for kind in (*stage.parents, *stage.optional_parents) if kind in artifacts]
        order = Order(
            kind=stage.kind,
            version=1,
            config={name: Section() for name in stage.sections},
            parents={kind: artifacts[kind] for kind in parents},
        )
        artifacts[stage.kind] = workspace.build(order, MAKERS[stage.kind])
    return workspace, artifacts


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Workspace, dict[str, Artifact]]:
    return build_workspace(tmp_path_factory.mktemp("report") / "workspace")


@pytest.fixture(scope="module")
def page(finished) -> str:
    workspace, artifacts = finished
    path = write_report(workspace, recipe_name="quickstart", artifacts=artifacts)
    assert path == workspace.reports / "quickstart.html"
    return path.read_text("utf-8")


class Reader(HTMLParser):
    """Checks that elements close in order, and keeps tags, attributes and text."""

    VOID = frozenset({"meta", "br", "img", "link", "hr", "input"})
    DRAWN = frozenset({"rect", "line", "polyline"})

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in self.DRAWN
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    return reader


def text_of(page: str) -> str:
    return re.sub(r"\s+", " ", " ".join(read(page).text))


def test_every_element_of_the_page_closes_in_order(page: str):
    reader = read(page)
    assert reader.open == []
    assert [tag for tag, _ in reader.tags].count("h1") == 1


def test_benchmarks_stand_with_base_interval_and_samples(page: str, finished):
    text = text_of(page)
    assert "tnews, base" in text
    assert "30.0%" in text  # calibrated, of the tuned model
    assert "kind of a headline; right, calibrated, 1,098 questions, chance 6.7%" in text
    assert "科技" in text
    said = summarise(finished[1])
    assert "tnews, right, calibrated: 30.0% (20.0% to 40.0%; 1,098 questions, tuned model)" in said


def test_the_page_fetches_nothing(page: str):
    loading = {"src", "srcset", "data", "action", "poster", "background"}
    for tag, attributes in read(page).tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "img", "base"}
        assert not loading & set(attributes)
        assert (attributes.get("href") or "#").startswith("#")
        assert not any(name.startswith("on") for name in attributes)
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_every_link_of_the_page_leads_somewhere(page: str):
    tags = read(page).tags
    ids = [attributes["id"] for _, attributes in tags if "id" in attributes]
    links = {attributes["href"][1:] for tag, attributes in tags if tag == "a"}
    assert len(ids) == len(set(ids))
    assert links <= set(ids)


def test_hostile_text_is_shown_and_not_obeyed(page: str):
    assert HOSTILE not in page
    shown = "".join(read(page).text)
    # in samples, in an answer, in a note, and in the settings (as JSON)
    assert shown.count(HOSTILE) >= 8
    assert shown.count(json.dumps(HOSTILE)) >= 7


def test_numbers_of_the_funnel_are_those_of_the_artifact(page: str):
    text = text_of(page)
    for name, _, documents_out, *_, reasons in STEPS:
        assert f"{name.replace('_', ' ')} {documents_out:,}" in text
        for reason, count, _ in reasons:
            assert f"{reason} {count:,}" in text
    assert "30,123 lines taken out" in text
    assert "email 17, phone 2" in text


def test_scores_stand_beside_every_baseline(page: str):
    text = text_of(page)
    for bits in BITS.values():
        for value in bits.values():
            assert f"{value:.3f}" in text
    assert "37.5% to 52.7%" in text
    assert "beats the best baseline, 1.902" in text  # Chinese: 1.612 is below all four
    assert "does not beat the best baseline, 1.377" in text  # English: xz is ahead


def test_bars_are_as_long_as_their_numbers(page: str):
    bars = [
        float(attributes["width"])
        for tag, attributes in read(page).tags
        if tag == "rect" and attributes["class"] == "plain"
    ]
    most = max(value for bits in BITS.values() for value in bits.values())
    names = ("xz", "byte_5gram", "character_5gram", "token_5gram")
    expected = [100 * bits[name] / most for bits in BITS.values() for name in names]
    assert bars == pytest.approx(expected, abs=0.01)


def test_lineage_names_every_artifact_digest_and_package(page: str, finished):
    _, artifacts = finished
    text = text_of(page)
    for artifact in artifacts.values():
        assert artifact.id in text
        assert artifact.receipt.digest[:16] in text
    for name in PACKAGES:
        assert name in text
    assert "4:25.2.3-2" in text
    assert "licence not stated" in text


def test_answers_are_shown_as_they_are(page: str):
    shown = "".join(read(page).text)
    for answer in ANSWERS:
        assert answer["question"] in shown
        assert answer["answer"] in shown


def test_the_larger_run_is_told_for_three_places(page: str):
    text = text_of(page)
    assert "At 1,000 times the compute" in text
    for place in ("this machine", "one H100", "one node of 8 H100"):
        assert place in text


def test_the_same_artifacts_give_the_same_page(page: str, finished):
    workspace, artifacts = finished
    again = write_report(workspace, recipe_name="quickstart", artifacts=artifacts)
    assert again.read_text("utf-8") == page


@pytest.mark.parametrize("until", list(MAKERS))
def test_a_run_that_stopped_early_says_what_is_missing(until: str, finished):
    workspace, artifacts = finished
    kinds = list(MAKERS)[: list(MAKERS).index(until) + 1]
    partial = {kind: artifacts[kind] for kind in kinds}
    page = write_report(workspace, recipe_name="partial", artifacts=partial).read_text("utf-8")
    read(page)
    missing = [kind for kind in MAKERS if kind not in kinds]
    assert ("This run stopped early" in page) == bool(missing)
    for kind in missing:
        assert kind in text_of(page)
    summary = summarise(partial)
    assert (f"Not run: {', '.join(missing)}" in summary) == bool(missing)


def test_a_recipe_name_cannot_break_the_page(finished):
    workspace, artifacts = finished
    path = write_report(workspace, recipe_name="<b>&", artifacts=artifacts)
    assert "<h1>&lt;b&gt;&amp;" in path.read_text("utf-8")


def test_a_lost_file_is_named(finished, tmp_path):
    workspace, artifacts = build_workspace(tmp_path)
    (artifacts["evaluate"].path / "scores.json").unlink()
    with pytest.raises(DamagedArtifactError, match=r"has lost scores\.json"):
        write_report(workspace, recipe_name="r", artifacts=artifacts)


def test_a_torn_file_is_named(tmp_path):
    workspace, artifacts = build_workspace(tmp_path)
    (artifacts["prepare"].path / "funnel.json").write_text('{"steps": [')
    with pytest.raises(DamagedArtifactError, match=r"funnel\.json is not JSON"):
        write_report(workspace, recipe_name="r", artifacts=artifacts)


def test_the_summary_is_plain_text_of_at_most_forty_lines(finished):
    _, artifacts = finished
    summary = summarise(artifacts)
    assert len(summary.splitlines()) <= 40
    assert all(letter.isprintable() or letter == "\n" for letter in summary)
    for words in ("3,395", "6.52 M", "1.612", "1.398", "如何在表格中插入图表", "this machine"):
        assert words in summary


def test_the_summary_is_coloured_only_on_a_terminal(finished, monkeypatch):
    _, artifacts = finished
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    painted = summarise(artifacts)
    assert "\x1b[" in painted
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == summarise(artifacts)


def test_an_answer_cannot_steer_the_terminal(tmp_path):
    _, artifacts = build_workspace(tmp_path)
    path = artifacts["serve"].path / "answers.json"
    answer = {**ANSWERS[0], "answer": "red\x1b[31m\x07 alarm\r\nend"}
    path.write_text(json.dumps([answer]), encoding="utf-8")
    summary = summarise(artifacts)
    assert "\x1b" not in summary
    assert "red [31m alarm end" in summary

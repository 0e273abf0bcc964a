"""The stage from artifacts to `scores.json`, and the command for any model."""

import json

import pytest
import tiny_life

from lodesmith.core.config import Config
from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json
from lodesmith.data.documents import write_documents
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.data.tokens import write_token_set
from lodesmith.evaluate.config import EvaluateConfig
from lodesmith.evaluate.results.scores import BASELINES
from lodesmith.evaluate.stage import make
from lodesmith.evaluate.tasks.tasks import Asking, evaluate_model
from lodesmith.lineage.artifact import Draft, Order
from lodesmith.lineage.workspace import Workspace
from lodesmith.pipeline.run import run as run_recipe

STRANGE_TEXT = "一只不认识的猫在屋顶上唱着谁也没听过的歌，邻居们都说那首歌讲的是海上的旧船和灯塔"


class Section(Config):
    sequence_length: int = 32


def order(kind, parents=None):
    config = {"pretrain": Section()} if kind == "pretrain" else {}
    return Order(kind=kind, version=1, config=config, parents=parents or {})


@pytest.fixture
def life(tmp_path, save_tokenizer, save_model, make_page):
    """The artifacts prepare, tokenize and pretrain of six pages in each language."""
    workspace = Workspace(tmp_path / "workspace")
    pages = {
        side: [
            make_page(f"{side}-{language}-{number}", text(number), language=language)
            for language, text in (("en", english), ("zh", chinese))
            for number in range(6)
        ]
        for side in ("train", "held_out")
    }

    def prepare(draft):
        write_documents(
            draft.path / "documents-00000.jsonl.zst", [*pages["train"], *pages["held_out"]]
        )

    def tokenize(draft):
        save_tokenizer(draft.path / "tokenizer")
        tokenizer = Tokenizer.load(draft.path / "tokenizer")
        for side, documents in pages.items():
            write_token_set(
                draft.path / side,
                [(document.id, tokenizer.encode(document.text)) for document in documents],
                vocab_size=tokenizer.vocab_size, tokenizer_digest=tokenizer.digest,
                separator_id=tokenizer.end_of_text_id,
            )  # fmt: skip
        write_documents(draft.path / "held_out.jsonl.zst", pages["held_out"])

    def pretrain(draft):
        save_model(draft.path / "model")

    parents = {"prepare": workspace.build(order("prepare"), prepare)}
    parents["tokenize"] = workspace.build(order("tokenize", parents.copy()), tokenize)
    below = {"tokenize": parents["tokenize"]}
    parents["pretrain"] = workspace.build(order("pretrain", below), pretrain)
    return workspace, parents


def english(number):
    return " ".join(f"Line {at} of page {number} explains the printer menu." for at in range(6))


def chinese(number):
    return "".join(f"第{number}页第{at}行说明打印机菜单的使用方法。" for at in range(6))


def run(life, folder, **settings):
    draft = Draft(path=folder)
    make(draft, parents=life[1], evaluate=EvaluateConfig(num_items=8, **settings))
    return draft


def test_scores_hold_models_and_baselines_of_each_language(life, tmp_path):
    draft = run(life, tmp_path / "out", num_workers=1)
    scores = read_json(tmp_path / "out" / "scores.json")
    assert draft.counts == {"num_documents": 12}
    for language in ("zh", "en"):
        bits = scores["bits_per_byte"][language]
        assert bits["num_documents"] == 6
        assert bits["base"] == pytest.approx(8, abs=0.3)  # untrained, over 259 ids of one byte
        assert all(bits[name] < 1 for name in BASELINES)  # the same text was in training
        assert scores["next_sentence"][language]["num_items"] == 8
        assert scores["beats_baselines"][language] == dict.fromkeys(BASELINES, False)
    assert "tuned" not in scores["bits_per_byte"]["zh"]


@pytest.mark.slow
def test_two_processes_give_the_same_bytes_as_one(life, tmp_path):
    for number in (1, 2):
        run(life, tmp_path / str(number), num_workers=number)
    first, second = ((tmp_path / str(number) / "scores.json").read_bytes() for number in (1, 2))
    assert first == second


def test_a_tuned_model_stands_beside_the_base(life, tmp_path):
    parents = {**life[1], "tune": life[1]["pretrain"]}
    draft = Draft(path=tmp_path / "out")
    make(draft, parents=parents, evaluate=EvaluateConfig(num_items=8, num_workers=1))
    scores = read_json(tmp_path / "out" / "scores.json")
    assert scores["bits_per_byte"]["en"]["tuned"] == scores["bits_per_byte"]["en"]["base"]
    assert scores["next_sentence"]["en"]["model"] == "tuned"
    assert scores["next_sentence"]["en"]["base"]["acc"] == scores["next_sentence"]["en"]["acc"]


def test_a_language_without_held_out_text_is_named(life, tmp_path):
    with pytest.raises(UserError, match="language fr is held out, only of en, zh"):
        run(life, tmp_path / "out", languages=["fr"])


def test_the_command_gives_the_scores_of_the_stage(life, tmp_path):
    workspace, parents = life
    run(life, tmp_path / "out", num_workers=1)
    scores = evaluate_model(
        parents["pretrain"].id, tasks=["bits_per_byte"], workspace=workspace.root
    )
    by_stage = read_json(tmp_path / "out" / "scores.json")["bits_per_byte"]
    for language in ("en", "zh"):
        found = scores["bits_per_byte"][language]["bits_per_byte"]
        assert found == pytest.approx(by_stage[language]["base"], abs=1e-5)


def test_a_folder_of_weights_is_scored_on_a_file(tmp_path, save_model):
    save_model(tmp_path / "model")
    rows = [{"text": english(1), "language": "en"}, {"text": chinese(1)}]
    file = tmp_path / "texts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    scores = evaluate_model(
        str(tmp_path / "model"), tasks=["bits_per_byte", "next_sentence"],
        workspace=tmp_path / "none", documents=file, asking=Asking(limit=1),
    )  # fmt: skip
    assert list(scores["bits_per_byte"]) == ["en", "und"]
    assert scores["next_sentence"]["en"]["num_items"] == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tasks": ["bits_per_bite"]}, "did you mean bits_per_byte"),
        ({"tasks": ["zzz"]}, "known tasks: bits_per_byte, next_sentence, arithmetic, fewclue"),
        ({"asking": Asking(num_fewshot=2)}, "leave --num-fewshot 0"),
        ({}, "give --documents"),
    ],
)
def test_what_cannot_be_done_is_said(tmp_path, save_model, changes, message):
    save_model(tmp_path / "model")
    settings = {"tasks": ["bits_per_byte"], "workspace": tmp_path, **changes}
    with pytest.raises(UserError, match=message):
        evaluate_model(str(tmp_path / "model"), **settings)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "x"}\n{"body": "y"}\n', r"a\.jsonl:2: has no \"text\""),
        ("a.jsonl", '{"text": "x"}\n\n{"text"\n', r"a\.jsonl:3: the file is cut off"),
        ("a.txt", "", "holds no text"),
        ("a.pdf", "x", "no kind of text file"),
    ],
)
def test_faults_of_a_file_name_the_line(tmp_path, save_model, name, content, message):
    save_model(tmp_path / "model")
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        evaluate_model(
            str(tmp_path / "model"), tasks=["bits_per_byte"], workspace=tmp_path,
            documents=tmp_path / name,
        )  # fmt: skip


def test_a_benchmark_of_the_recipe_is_scored_and_kept_out_of_training(tmp_path):
    folder = tmp_path / "data" / "tnews"
    folder.mkdir(parents=True)
    row = {
        "sentence": STRANGE_TEXT,
        "label_desc": "news_game",
    }
    (folder / "dev_few_all.json").write_text(json.dumps(row) + "\n", encoding="utf-8")
    recipe = tmp_path / "tiny.yaml"
    tiny_life.write_life(tmp_path)
    section = f"evaluate: {{benchmarks: [tnews], data: {tmp_path / 'data'}, num_items: 4}}"
    recipe.write_text(recipe.read_text("utf-8").replace("evaluate: {}", section), "utf-8")
    page = tmp_path / "pages" / "zh-CN" / "topic000.html"
    page.write_text(
        page.read_text("utf-8").replace(
            "</p>",
            STRANGE_TEXT + "</p>",
            1,
        ),
        "utf-8",
    )
    result = run_recipe(str(recipe), workspace=tmp_path / "ws", until="evaluate")
    scores = read_json(result.artifacts["evaluate"].path / "scores.json")["benchmarks"]["tnews"]
    assert scores.keys() == {"base", "tuned"}
    assert scores["tuned"]["num_items"] == 1
    dropped = result.artifacts["prepare"].receipt.dropped
    assert dropped["decontaminate: shares runs of words with a benchmark"] == 1

"""The labelling loop and the scorer that comes out of it; Chinese rules; spun and stuffed text."""

import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lodesmith.cli.label import label_app
from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.data.documents import Document
from lodesmith.prepare.config import QualityConfig
from lodesmith.prepare.input.pages import Drop
from lodesmith.prepare.quality import judge
from lodesmith.prepare.quality.labels import (
    Item,
    Judging,
    draw_sample,
    read_items,
    read_judged,
    read_labels,
)
from lodesmith.prepare.quality.natural import score_naturalness
from lodesmith.prepare.quality.scorer import (
    Label,
    is_held_out,
    load_scorer,
    measure,
    save_scorer,
    train,
)

_GOOD_WORDS = ["蔬菜", "做法", "步骤", "time", "water", "garden"]
_BAD_WORDS = ["点击", "立即", "优惠", "click", "bonus", "winner"]


def _label(number: int, *, is_good: bool) -> Label:
    chance = random.Random(number)
    words = _GOOD_WORDS if is_good else _BAD_WORDS
    text = " ".join(chance.choice(words) for _ in range(30))
    return Label(f"d{number}", f"{text} {chance.randrange(10**6)}", is_good)


def _labels(count: int = 200) -> list[Label]:
    return [_label(number, is_good=number % 2 == 0) for number in range(count)]


def test_a_scorer_learns_what_the_labels_say_and_is_measured_on_others() -> None:
    scorer = train(_labels())
    held = [label for label in _labels() if is_held_out(label.id)]
    assert scorer.about["held_out"] == measure(scorer, held)
    assert scorer.about["held_out"]["auc"] > 0.99
    assert scorer.about["held_out"]["f1"] > 0.95
    assert scorer.score("蔬菜的做法 garden water") > 0.5 > scorer.score("立即点击 bonus winner")


def test_held_out_labels_are_never_learnt_from() -> None:
    labels = _labels()
    turned = [
        Label(label.id, label.text, label.is_good ^ is_held_out(label.id)) for label in labels
    ]
    one, other = train(labels), train(turned)
    assert one.weights.tolist() == other.weights.tolist()
    assert one.about["held_out"]["auc"] != other.about["held_out"]["auc"]


def test_the_order_of_labels_changes_nothing() -> None:
    one, other = train(_labels(80)), train(_labels(80)[::-1])
    assert one.about == other.about
    assert one.weights.tolist() == other.weights.tolist()


def test_too_few_labels_are_the_users_error() -> None:
    with pytest.raises(UserError, match="10 labels of each kind"):
        train(_labels(12))


def test_a_saved_scorer_scores_alike_and_damage_is_seen(tmp_path: Path) -> None:
    scorer = train(_labels(80))
    save_scorer(scorer, tmp_path / "a")
    assert load_scorer(tmp_path / "a").score("garden water") == scorer.score("garden water")
    save_scorer(scorer, tmp_path / "b")
    with (tmp_path / "b" / "weights.npy").open("r+b") as file:
        file.seek(500)
        file.write(b"\x7f")
    with pytest.raises(DamagedArtifactError):
        load_scorer(tmp_path / "b")
    with pytest.raises(UserError, match="lodesmith label train"):
        load_scorer(tmp_path / "none")


def test_a_recipe_that_names_a_scorer_drops_by_it_and_depends_on_its_content(
    tmp_path: Path,
) -> None:
    save_scorer(train(_labels(80)), tmp_path / "one")
    save_scorer(train(_labels(80)), tmp_path / "same")
    save_scorer(train(_labels(90)), tmp_path / "other")
    configs = {
        name: QualityConfig(scorer=str(tmp_path / name), rule_sets=())
        for name in ("one", "same", "other")
    }
    assert configs["one"].identity() == configs["same"].identity()
    assert configs["one"].identity() != configs["other"].identity()
    good, bad = (" ".join(words * 9) for words in (_GOOD_WORDS, _BAD_WORDS))
    kept = judge(_document(good), configs["one"])
    assert isinstance(kept, Document)
    assert kept.measures["quality_score"] > 0.5
    dropped = judge(_document(bad), configs["one"])
    assert isinstance(dropped, Drop)
    assert dropped.reason == "score too low"
    with pytest.raises(UserError, match=r"quality\.scorer"):
        QualityConfig(scorer=str(tmp_path / "none")).identity()


def test_a_sample_holds_uncertain_documents_and_some_of_every_score() -> None:
    items = [Item(str(n), f"{n / 1000:.3f}") for n in range(1000)]
    drawn = draw_sample(items, count=40, score=float)
    scores = [item.score or 0.0 for item in drawn]
    assert len({item.id for item in drawn}) == 40
    assert all(abs(score - 0.5) < 0.02 for score in scores[:20])
    assert {min(int(score * 5), 4) for score in scores[20:]} == {0, 1, 2, 3, 4}
    assert drawn == draw_sample(items[::-1], count=40, score=float)
    assert draw_sample(items, count=40, score=None) != drawn


def test_judging_goes_on_where_it_stopped_and_takes_answers_back(tmp_path: Path) -> None:
    queue, path = [Item(str(n), f"text {n}") for n in range(5)], tmp_path / "labels.jsonl"
    first = Judging(queue, path)
    first.answer(True)
    first.answer(False)
    assert first.undo()
    first.answer(True)
    first.answer(None)
    second = Judging(queue, path)
    assert second.num_left == 2
    assert not second.undo()
    second.answer(False)
    found = {label.id: label.is_good for label in read_labels([path])}
    assert found == {"0": True, "1": True, "3": False}


def test_a_sample_leaves_out_what_was_judged(tmp_path: Path) -> None:
    items, path = [Item(str(n), f"text {n}") for n in range(20)], tmp_path / "new" / "labels.jsonl"
    judging = Judging(items[:10], path)
    for is_good in (True, False, None):
        judging.answer(is_good)
    judging.undo()
    left = {item.id for item in items} - {"0", "1"}
    for score in (None, lambda text: len(text) / 9):
        drawn = draw_sample(items, count=20, score=score, judged=read_judged(path))
        assert {item.id for item in drawn} == left
    assert read_judged(tmp_path / "none.jsonl") == frozenset()


def test_a_page_cannot_speak_to_the_terminal(tmp_path: Path) -> None:
    row = {"text": "a\u001b]0;title\u0007b\u202ec\ud800d", "url": "http://x/\u001b[2J"}
    (tmp_path / "queue.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    labels = tmp_path / "new" / "labels.jsonl"
    arguments = ["judge", str(tmp_path / "queue.jsonl"), "--labels", str(labels)]
    judged = CliRunner().invoke(label_app, arguments, input="x\ny\n")
    assert judged.exit_code == 0
    assert "http://x/\ufffd[2J\na\ufffd]0;title\ufffdb\ufffdc?d\n" in judged.output
    assert judged.output.count("]0;title") == 1  # another key does not show the text again
    assert [label.is_good for label in read_labels([labels])] == [True]


def test_a_folder_without_documents_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no documents-"):
        list(read_items([tmp_path]))


def test_labels_made_elsewhere_count_and_odd_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    rows = [{"text": "a", "label": "good"}, {"text": "b", "label": 0}, {"text": "c", "label": None}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert {label.text: label.is_good for label in read_labels([path])} == {"a": True, "b": False}
    for line in ('{"text": "a", "label": "maybe"}', '{"label": 1}', "{torn"):
        path.write_text(line + "\n", encoding="utf-8")
        with pytest.raises(UserError, match=r"labels\.jsonl"):
            read_labels([path])
    with pytest.raises(UserError, match="cannot be read"):
        list(read_items([tmp_path / "none.jsonl"]))


def test_the_loop_runs_from_the_command_line(tmp_path: Path) -> None:
    labels, queue = tmp_path / "labels.jsonl", tmp_path / "queue.jsonl"
    documents = tmp_path / "clean.jsonl"
    rows = [{"id": label.id, "text": label.text} for label in _labels(60)]
    documents.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    run = CliRunner()
    assert run.invoke(label_app, ["sample", str(documents), "-o", str(queue)]).exit_code == 0
    drawn = list(read_items([queue]))
    keys = ["y" if int(item.id[1:]) % 2 == 0 else "n" for item in drawn]
    arguments = ["judge", str(queue), "--labels", str(labels)]
    stopped = run.invoke(label_app, arguments, input="\n".join([*keys[:9], "q", ""]))
    assert "51 documents left" in stopped.output
    assert run.invoke(label_app, arguments, input="\n".join(keys[9:])).exit_code == 0
    trained = run.invoke(label_app, ["train", str(labels), "-o", str(tmp_path / "s"), "--json"])
    assert json.loads(trained.output)["held_out"]["auc"] > 0.9
    again = ["sample", str(documents), "-o", str(queue), "--scorer", str(tmp_path / "s")]
    assert run.invoke(label_app, again).exit_code == 0
    assert all(item.score is not None for item in read_items([queue]))


# -- Chinese rules and naturalness --

_ZH = (
    "这本手册说明怎样安装和使用办公软件。打开文档以后，您可以在菜单中找到所有的设置，也可以用键盘完成大部分工作。"
    "如果表格中的公式引用了另一个工作表，这个工作表的名称就会写在单元格的前面。图表会随着数据变化，所以不需要重新绘制。"
    "为了保护重要的内容，可以给单个单元格设置密码；忘记密码的人就不能再修改它们。"
)
_EN = (
    "This book shows how to install and use the office programs. When a document has been opened, "
    "all of its settings can be found in the menu, and most of the work can be done with the keys. "
    "If a formula refers to another sheet, the name of that sheet stands before the cell. A chart "
    "follows its data, so there is no need to draw it again. To protect what is important, you can "
    "give a password to single cells; those who have forgotten it can no longer change them."
)


def _document(text: str, language: str = "zh") -> Document:
    return Document(id="1", source="s", url="u", language=language, text=text)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("龘靐齉爩鱻麤龗灪吁麣彟" * 12, "too few common characters"),
        ("减肥药，装修公司，二手车，整形医院，贷款，" * 9, "too few function words"),
        (_ZH.replace("，", "").replace("。", "").replace("；", ""), "too little punctuation"),
        ("好，的，是，我，不，在，" * 20, "too much punctuation"),
        (_ZH + "13800138000 " * 20, "too many digits"),
        (_ZH + "★★★★★★★★★★" * 12, "too many symbols"),
        (_ZH * 4, "characters in repeated runs of 10 characters"),
    ],
)
def test_each_chinese_rule_drops_what_it_is_for(text: str, reason: str) -> None:
    result = judge(_document(text), QualityConfig(rule_sets=("chinese",)))
    assert isinstance(result, Drop)
    assert result.reason == reason


def test_chinese_prose_passes_and_is_scored() -> None:
    kept = judge(_document(_ZH), QualityConfig())
    assert isinstance(kept, Document)
    assert kept.measures["quality_score"] == kept.measures["naturalness"] > 0.5


_SPUN_ZH = (
    "此本小册子阐释何如装置与采用办公硬件。开启公文从此，足下能够于菜谱里头寻觅一切之布置，亦能够用琴键竣工泰半劳作。"
    "假若报表里的公理援用矣另一度劳动表，此个劳动表之称呼便会写于单位格的前头。图谱会跟随数目嬗变，故而毋庸重行描绘。"
    "为着庇护紧要的情节，能够予单个单位格安设口令；遗忘口令的人便未能再篡改他们。"
)
_SPUN_EN = (
    "This tome exhibits how to instal and employ the bureau broadcasts. When a papers has been "
    "unfastened, all of its scenery can be discovered in the carte, and most of the toil can be "
    "perfected with the tonalities. If a recipe mentions to another bedsheet, the figure of that "
    "bedsheet bases before the jail. A graph pursues its information, so there is no want to "
    "pull it once more. To shelter what is weighty, you can pass a watchword to lone jails; those "
    "who have blanked out it can no thirster alter them."
)


@pytest.mark.parametrize(
    ("good", "spun", "language"), [(_ZH, _SPUN_ZH, "zh"), (_EN, _SPUN_EN, "en")]
)
def test_spun_text_scores_lower_than_what_it_was_made_of(
    good: str, spun: str, language: str
) -> None:
    one, other = score_naturalness(good, language), score_naturalness(spun, language)
    assert one is not None
    assert other is not None
    assert one > 0.9
    assert other < 0.3


def test_the_lines_of_a_mixed_page_are_scored_that_are_in_its_language() -> None:
    mixed = f"{_ZH}\n{_EN}\n" * 2
    for language, text in (("zh", _ZH), ("en", _EN)):
        alone, found = (score_naturalness(each, language) for each in (f"{text}\n{text}", mixed))
        assert alone == found


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("，".join(["郑州装修公司", "装修公司哪家好", "装修公司电话", "装修公司价格"] * 12), "zh"),
        (
            ", ".join(["cheap car insurance", "car insurance quotes", "best car insurance"] * 15),
            "en",
        ),
    ],
)
def test_stuffed_text_is_dropped(text: str, language: str) -> None:
    result = judge(_document(text, language), QualityConfig(rule_sets=("natural",)))
    assert isinstance(result, Drop)
    assert result.reason == "stuffed with keywords"


@pytest.mark.parametrize("language", ["zh", "und"])
@pytest.mark.parametrize(
    "text",
    [
        "子曰：学而时习之，不亦说乎？有朋自远方来，不亦乐乎？人不知而不愠，不亦君子乎？有子曰：其为人也孝弟，"
        "而好犯上者，鲜矣；不好犯上，而好作乱者，未之有也。君子务本，本立而道生。孝弟也者，其为仁之本与！",
        "国破山河在，城春草木深。感时花溅泪，恨别鸟惊心。烽火连三月，家书抵万金。白头搔更短，浑欲不胜簪。",
    ],
)
def test_nothing_is_said_of_classical_chinese(text: str, language: str) -> None:
    assert score_naturalness(text, language) is None
    assert score_naturalness(_SPUN_ZH, language) is not None  # literary words make no classic


@pytest.mark.parametrize("language", ["de", "und"])
def test_nothing_is_said_of_languages_that_the_model_does_not_know(language: str) -> None:
    assert score_naturalness("и так далее " * 30, language) is None
    assert score_naturalness("Too short.", "en") is None

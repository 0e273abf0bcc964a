"""Scores over training and over worked examples: measured at every place, and drawn on the page."""

import json
import re

import pytest

from lodesmith.core.config import Config
from lodesmith.core.errors import UserError
from lodesmith.evaluate.intervals import reliability
from lodesmith.evaluate.results.charts import Curve, Point, draw_reliability
from lodesmith.evaluate.results.page import curves_of, render_page, to_text
from lodesmith.evaluate.tasks.tasks import Asking, evaluate_model
from lodesmith.lineage.artifact import Order
from lodesmith.lineage.workspace import Workspace
from lodesmith.parallel.checkpoint import Checkpoints

TASK = """\
title: colours
items: [items.jsonl]
examples: [items.jsonl]
text: "{thing} is {label}"
label_field: colour
labels: {red: [red], blue: [blue]}
"""


class Section(Config):
    sequence_length: int = 32
    max_steps: int = 30


@pytest.fixture
def asking(tmp_path):
    rows = [{"thing": f"a {n}", "colour": "blue" if n % 3 else "red"} for n in range(7)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "colours.yaml").write_text(TASK)
    (tmp_path / "notes.txt").write_text("The printer menu is explained on the second page.")
    return Asking(data=tmp_path, with_line=True)


def ask(name, workspace, asking, **more):
    tasks = [str(asking.data / "colours.yaml"), "bits_per_byte"]
    documents = asking.data / "notes.txt"
    return evaluate_model(
        str(name), tasks=tasks, workspace=workspace, documents=documents, asking=asking, **more
    )


def without_series(score):
    return {name: value for name, value in score.items() if name != "over_training"}


def test_a_models_past_is_scored_with_it(tmp_path, save_model, asking):
    space = Workspace(tmp_path / "workspace")

    def build(kind, steps, parents, seed):
        config = {kind: Section(max_steps=steps)}
        order = Order(kind=kind, version=1, config=config, parents=parents)
        return space.build(order, lambda draft: save_model(draft.path / "model", seed=seed))

    base = build("pretrain", 30, {}, 1)
    chat = build("tune", 10, {"pretrain": base}, 2)
    link = build("tune", 5, {"tune": chat}, 3)
    scores = ask(link.id, space.root, asking)
    alone = Asking(data=asking.data)
    for made, place in zip((base, chat, link), scores["colours"]["over_training"], strict=True):
        own = ask(made.id, space.root, alone)["colours"]
        assert place["model"] == made.id
        assert {name: place[name] for name in ("acc", "acc_calibrated")} == {
            name: own[name] for name in ("acc", "acc_calibrated")
        }
    assert [place["step"] for place in scores["colours"]["over_training"]] == [30, 40, 45]
    (texts,) = scores["bits_per_byte"].values()
    assert texts["over_training"][-1]["bits_per_byte"] == texts["bits_per_byte"]
    assert without_series(scores["colours"]) == ask(link.id, space.root, alone)["colours"]


def test_the_checkpoints_that_a_run_kept_are_scored_one_by_one(
    tmp_path, save_model, save_tokenizer, tiny_config, asking
):
    place, models = tmp_path / "checkpoints", {}
    save_tokenizer(tmp_path / "tokenizer")
    for step in (10, 20):
        models[step] = save_model(tmp_path / f"model-{step}", seed=step)
        weights = {f"weight.{name}": value for name, value in models[step].state_dict().items()}
        with Checkpoints(place) as checkpoints:
            facts = {"model": tiny_config.model_dump(mode="json"), "eos_ids": [258]}
            checkpoints.save(step=step, tensors=weights, facts=facts)
    scores = ask(place, tmp_path, asking, tokenizer=tmp_path / "tokenizer")
    (bits,) = scores["bits_per_byte"].values()
    assert [point["step"] for point in bits["over_training"]] == [10, 20]
    for step, point in zip(models, bits["over_training"], strict=True):
        (own,) = ask(tmp_path / f"model-{step}", tmp_path, Asking(data=tmp_path))[
            "bits_per_byte"
        ].values()
        assert point["bits_per_byte"] == own["bits_per_byte"]
    with pytest.raises(UserError, match="checkpoints hold no tokenizer; give the folder"):
        ask(place, tmp_path, asking)


def test_a_model_from_elsewhere_has_no_past(tmp_path, save_model, asking):
    save_model(tmp_path / "model")
    with pytest.raises(UserError, match="nothing says what it was made from"):
        ask(tmp_path / "model", tmp_path, asking)


def test_several_numbers_of_worked_examples_are_a_curve(tmp_path, save_model):
    save_model(tmp_path / "model")

    def sums(num_fewshot, also=()):
        asking = Asking(limit=4, num_fewshot=num_fewshot, also_fewshot=also)
        scores = evaluate_model(
            str(tmp_path / "model"), tasks=["arithmetic"], workspace=tmp_path, asking=asking
        )
        return scores["arithmetic"]

    places = sums(2, (0, 1))["by_num_fewshot"]
    assert [place["num_fewshot"] for place in places] == [0, 1, 2]
    assert [place["exact_match"] for place in places] == [sums(n)["exact_match"] for n in range(3)]


def test_the_mean_of_a_group_has_its_curve_too(tmp_path, save_model, monkeypatch):
    from lodesmith.evaluate.tasks import tasks

    (tmp_path / "tnews").mkdir()
    row = {"sentence": "a", "label": "1", "label_desc": "news_car"}
    for name in ("dev_few_all.json", "train_few_all.json"):
        (tmp_path / "tnews" / name).write_text(json.dumps(row) + "\n" + json.dumps(row) + "\n")
    monkeypatch.setitem(tasks.GROUPS, "fewclue", ("tnews",))
    save_model(tmp_path / "model")
    asking = Asking(data=tmp_path, num_fewshot=1, also_fewshot=(0,))
    scores = evaluate_model(
        str(tmp_path / "model"), tasks=["fewclue"], workspace=tmp_path, asking=asking
    )
    assert scores["fewclue"]["acc"] == scores["tnews"]["acc"]
    (curve, mean) = curves_of(scores, "by_num_fewshot")
    assert [point.x for point in mean.lines["right"]] == [0, 1]
    assert mean.lines["right"][-1].y == curve.lines["right"][-1].y
    page = render_page(scores, model="m")
    assert "By worked examples" in page
    assert "zero-shot RoBERTa" in page


def test_two_tasks_of_one_name_are_refused(tmp_path, save_model, asking):
    save_model(tmp_path / "model")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "colours.yaml").write_text(TASK)
    tasks = [str(tmp_path / "colours.yaml"), str(tmp_path / "other" / "colours.yaml")]
    with pytest.raises(UserError, match="would both be told as colours; rename one"):
        evaluate_model(
            str(tmp_path / "model"), tasks=tasks, workspace=tmp_path, asking=Asking(data=tmp_path)
        )


def test_the_page_draws_what_was_scored_at_several_places():
    places = [
        {"model": f"<m{step}>", "step": step, "acc": share, "acc_ci95": [share - 0.1, share + 0.1]}
        for step, share in ((0, 0.2), (50, 0.3), (200, 0.7))
    ]
    score = {
        **places[-1], "title": "t", "chance": 0.25, "num_items": 9, "num_fewshot": 0,
        "samples": [], "reliability": reliability([0.9, 0.4], [True, False]),
        "over_training": places,
    }  # fmt: skip
    two = [{"model": str(step), "step": step, "bits_per_byte": 2.0 - step / 9} for step in (0, 9)]
    bits = {"zh": {"bits_per_byte": 1.0, "over_training": two}}
    scores = {"colours": score, "bits_per_byte": bits}
    page = render_page(scores, model="m")
    assert page.count("<svg") == 3
    assert "Over training" in page
    assert "By worked examples" not in page
    assert "&lt;m50&gt; (50)" in page
    assert "<m50>" not in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")
    table = to_text(scores)
    assert "colours, right, by training step: 0: 20%, 50: 30%, 200: 70%" in table
    assert "bits_per_byte, zh, bits per byte, by training step: 0: 2, 9: 1" in table


def test_a_curve_rises_where_the_score_does_and_stays_inside_its_frame():
    points = [
        Point(x=x, y=y, low=max(0, y - 0.1), high=min(1, y + 0.1))
        for x, y in ((0, 0.0), (1, 0.5), (8, 1.0))
    ]
    curve = Curve(task="t", axis="a", is_share=True, lines={"right": points}, chance=0.25)
    svg = str(curve.draw())
    dots = [
        tuple(map(float, place))
        for place in re.findall(r'<circle class="dot" cx="([\d.]+)" cy="([\d.]+)"', svg)
    ]
    assert [y for _, y in dots] == sorted((y for _, y in dots), reverse=True)
    everything = re.findall(r"([\d.]+),([\d.]+)", svg)
    assert all(0 <= float(x) <= 420 and 0 <= float(y) <= 260 for x, y in everything)
    assert ">0%<" in svg
    assert svg.count('class="axis"') >= 6


def test_a_curve_of_equal_scores_can_be_drawn():
    points = [Point(x=x, y=0.5) for x in (1, 2)]
    svg = str(Curve(task="t", axis="a", is_share=False, lines={"b": points}).draw())
    assert "nan" not in svg
    assert (
        curves_of(
            {"t": {"title": "t", "over_training": [{"step": 1, "acc": 1.0}]}}, "over_training"
        )
        == []
    )


def test_certainty_is_set_against_how_often_it_was_right():
    found = reliability([1.0, 0.92, 0.5], [True, False, False])
    assert found["bins"] == [[1, 0.5, 0.0], [2, 0.96, 0.5]]
    assert found["error"] == pytest.approx((0.5 + 2 * 0.46) / 3, abs=1e-6)
    assert reliability([], []) == {"error": 0.0, "bins": []}
    svg = str(draw_reliability(found["bins"], title='"<b>'))
    assert svg.count("<circle") == 2
    assert "<b>" not in svg

"""Benchmarks: the right words are found, shots are drawn by the seed, faults name the line."""

import json
import math
from pathlib import Path

import pytest
import torch

from lodesmith.core.errors import UserError
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.evaluate.benchmarks.code_child import run_code
from lodesmith.evaluate.benchmarks.pairs import Pair, encode_pairs
from lodesmith.evaluate.benchmarks.task_file import GROUPS, read_task, shipped_tasks
from lodesmith.evaluate.results.page import read_scores, render_page, to_text
from lodesmith.evaluate.scoring.likelihood import log_likelihoods
from lodesmith.evaluate.scoring.rows import Row
from lodesmith.evaluate.scoring.scoring import Subject
from lodesmith.evaluate.tasks.line import load_subject
from lodesmith.evaluate.tasks.tasks import Asking, evaluate_model
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.checkpoint import load_decoder

TASK = """\
title: colours
items: [items.jsonl]
examples: [examples.jsonl]
text: "{{thing}} is {label}"
label_field: colour
labels: {{red: [red, crimson], blue: [blue]}}
scoring: {scoring}
"""


@pytest.fixture
def model(tmp_path, save_model):
    save_model(tmp_path / "model")
    return tmp_path / "model"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()

    def write(name, rows):
        lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / name).write_text("".join(lines), encoding="utf-8")

    colours = ["red", "blue", "blue"]
    write("items.jsonl", [{"thing": f"a {n}", "colour": c} for n, c in enumerate(colours)])
    write("examples.jsonl", [{"thing": f"b {n}", "colour": "red"} for n in range(4)])
    (folder / "task.yaml").write_text(TASK.format(label="{label}", scoring="label"), "utf-8")
    return folder


def evaluate(model, data, task=None, **asking):
    name = task or str(data / "task.yaml")
    scores = evaluate_model(
        str(model), tasks=[name], workspace=model.parent, asking=Asking(data=data, **asking)
    )
    return next(iter(scores.values()))


def test_in_float64_likelihoods_are_those_of_a_plain_pass_in_float64(model, data):
    subject = load_subject(str(model), workspace=Workspace(model.parent), dtype="float64")
    ids = [5, 6, 7, 8, 9]
    with torch.no_grad():
        log_p = load_decoder(model).double()(torch.tensor([ids])).log_softmax(-1)[0]
    wanted = sum(float(log_p[place - 1, ids[place]]) for place in range(2, 5))
    assert log_likelihoods(subject.scorer, [Row(ids, 2)]) == pytest.approx([wanted], rel=1e-12)
    found = evaluate(model, data, dtype="float64")
    assert found["acc"] == evaluate(model, data)["acc"]


def test_every_shipped_task_can_be_read():
    for name in shipped_tasks():
        file = read_task(name)
        assert file.title
        assert (file.kind == "choice") == (file.label_field is not None)
    assert set(GROUPS["fewclue"]) < set(shipped_tasks())


@pytest.mark.parametrize("scoring", ["label", "sequence"])
@pytest.mark.parametrize("num_fewshot", [0, 2])
def test_a_task_of_ones_own_is_scored_both_ways(model, data, scoring, num_fewshot):
    score = evaluate(model, data, scoring=scoring, num_fewshot=num_fewshot)
    assert score["num_items"] == 3
    assert score["scoring"] == scoring
    assert 0 <= score["acc_ci95"][0] <= score["acc"] <= score["acc_ci95"][1] <= 1
    assert {"acc", "acc_calibrated"} <= score.keys()
    assert score["split"] == "items.jsonl"


def test_a_model_that_likes_one_label_everywhere_is_calibrated(model, data, monkeypatch):
    from lodesmith.evaluate.benchmarks import choice

    def likes_red(_, rows, *, progress=None):  # by ten nats; and the right one by one more
        del progress
        texts = [tokenizer.decode(row.input_ids) for row in rows]
        return [
            (0.0 if text.endswith("red") else -30.0 if text.endswith("crimson") else -10.0)
            + any(true in text for true in ("a 0 is red", "a 1 is blue", "a 2 is blue")) * 1.0
            for text in texts
        ]

    tokenizer = Tokenizer.load(model)
    monkeypatch.setattr(choice, "log_likelihoods", likes_red)
    score = evaluate(model, data)
    assert score["acc"] == pytest.approx(1 / 3, abs=1e-6)
    assert score["acc_calibrated"] == 1.0


@pytest.mark.parametrize("shortlist", [None, 2])
def test_whole_texts_may_have_the_label_in_front_of_the_likeliest_only(
    model, data, shortlist, monkeypatch
):
    from lodesmith.evaluate.benchmarks import choice

    text = TASK.format(label="{label}", scoring="sequence").replace("blue: [blue]}", (
        "blue: [blue], green: [green]}\nsequence_text: 'a {label} one: {thing}'"
        f"\nshortlist: {shortlist or 'null'}"
    ))  # fmt: skip
    (data / "task.yaml").write_text(text, "utf-8")
    seen = []

    def likes_blue_and_green(_, rows, *, progress=None):
        del progress
        seen.append([Tokenizer.load(model).decode(row.input_ids) for row in rows])
        return [float("blue" in text) + 2 * ("green" in text) for text in seen[-1]]

    monkeypatch.setattr(choice, "log_likelihoods", likes_blue_and_green)
    score = evaluate(model, data)
    assert score["samples"][0]["chosen"] == "green"
    whole = [text.removeprefix("<|endoftext|>") for text in seen[-1] if "a 0" in text]
    every = ["a red one: a 0", "a crimson one: a 0", "a blue one: a 0", "a green one: a 0"]
    if shortlist is None:
        assert len(seen) == 1
        assert whole == every
    else:
        assert "a 0 is crimson" in seen[0]
        assert sorted(whole) == every[2:]


def test_the_probabilities_of_a_labels_words_are_averaged():
    from lodesmith.evaluate.benchmarks.choice import _log_mean

    assert _log_mean([math.log(0.2), math.log(0.4)]) == pytest.approx(math.log(0.3))


def test_worked_examples_are_drawn_by_the_seed(model, data):
    from lodesmith.evaluate.benchmarks.choice_task import ChoiceTask
    from lodesmith.evaluate.benchmarks.items import read_items

    file = read_task(str(data / "task.yaml"))
    items = read_items(data, file.items, task="t")
    pool = read_items(data, file.examples, task="t")

    def shown(seed):
        task = ChoiceTask("t", file, "label", 2, seed)
        task.settle_labels(pool)
        return task.questions(items, pool)[0].examples

    assert shown(1) == shown(1)
    assert len({shown(seed) for seed in range(8)}) > 1
    assert shown(1).count(" is red\n\n") == 2
    with pytest.raises(UserError, match="5 worked examples are asked for and its files have 4"):
        evaluate(model, data, num_fewshot=5)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"thing": "x", "colour": "green"}', r"items\.jsonl:1: the label 'green' is none that"),
        ('{"thing": "x"}', r"items\.jsonl:1: has no colour"),
        ('{"colour": "red"}', r"items\.jsonl:1: has no field thing"),
        ('{"thing": "x", "col', r"items\.jsonl:1: the file is cut off"),
        ("[1]", r"items\.jsonl:1: is no JSON object"),
        ("", r"items\.jsonl holds no question of the task"),
    ],
)
def test_faults_of_a_row_name_its_line(model, data, line, message):
    (data / "items.jsonl").write_text(line + "\n", encoding="utf-8")
    with pytest.raises(UserError, match=message):
        evaluate(model, data)


@pytest.mark.parametrize(
    ("task", "asking", "message"),
    [
        ("tnews", {"data": None}, "the task tnews reads tnews/test_public.json; give"),
        ("tnews", {}, "has no file tnews/test_public.json or tnews/dev_few_all.json"),
        ("tnew", {}, "did you mean tnews"),
        ("humaneval", {}, "say --allow-code"),
    ],
)
def test_what_is_missing_is_said(model, data, task, asking, message):
    (data / "humaneval.jsonl").write_text('{"prompt": "", "test": "", "entry_point": "f"}\n')
    with pytest.raises(UserError, match=message):
        evaluate_model(
            str(model), tasks=[task], workspace=data, asking=Asking(**{"data": data, **asking})
        )


def test_no_question_stands_behind_its_own_answer(model, data):
    from lodesmith.evaluate.benchmarks.choice_task import ChoiceTask
    from lodesmith.evaluate.benchmarks.items import read_items

    file = read_task(str(data / "task.yaml"))
    items = read_items(data, file.items, task="t")
    task = ChoiceTask("t", file, "label", 2, 0)
    task.settle_labels(items)
    for question in task.questions(items, items):
        assert question.before not in question.examples
        assert question.examples.count("\n\n") == 2


def test_labels_that_a_task_does_not_list_are_those_of_its_examples(model, data):
    text = "title: t\nitems: [items.jsonl]\nexamples: [both.jsonl]\nlabel_field: colour\n"
    (data / "own.yaml").write_text(text + 'text: "{thing}: {label}"\n')
    rows = (data / "examples.jsonl").read_text() + (data / "items.jsonl").read_text()
    (data / "both.jsonl").write_text(rows)
    assert evaluate(model, data, str(data / "own.yaml"))["chance"] == 0.5


def test_idioms_are_put_where_the_blank_is(model, data):
    (data / "chid").mkdir()
    row = {"content": "他#idiom#地走", "candidates": ["慢慢", "快"], "answer": 1}
    (data / "chid" / "dev_few_all.json").write_text(json.dumps(row) + "\n")
    score = evaluate(model, data, "chid")
    assert score["samples"][0]["text"] == "他___地走"
    assert score["samples"][0]["right"] == "快"
    assert "acc_calibrated" not in score
    row["answer"] = 7
    (data / "chid" / "dev_few_all.json").write_text(json.dumps(row) + "\n")
    with pytest.raises(UserError, match="answer is 7, which is no place in the list candidates"):
        evaluate(model, data, "chid")


def test_questions_of_examinations_are_read_from_csv_by_subject(model, data):
    for folder, end in (("val", "val"), ("dev", "dev")):
        (data / folder).mkdir()
        (data / folder / f"law_{end}.csv").write_text(
            'id,question,A,B,C,D,answer\n0,"Who, then?",a,b,c,d,B\n', encoding="utf-8"
        )
    score = evaluate(model, data, "ceval", num_fewshot=1)
    assert score["num_items"] == 1
    assert score["chance"] == 0.25
    assert "acc_norm" in score


def test_sums_are_the_same_for_the_same_seed(model, data):
    one, same, other = (
        evaluate(model, data, "arithmetic", seed=seed, limit=3, num_fewshot=1) for seed in (1, 1, 2)
    )
    assert one == same
    assert one["samples"][0]["text"] != other["samples"][0]["text"]
    assert one["num_items"] == 3


def test_a_written_answer_is_compared_by_what_counts(model, data, monkeypatch):
    from lodesmith.evaluate.benchmarks import written

    rows = [{"question": "q", "answer": "... #### 1,200"}, {"question": "r", "answer": "#### 7"}]
    (data / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(written, "write_answers", lambda *_, **__: ["so $1200.", "It is 8"])
    score = evaluate(model, data, "gsm8k")
    assert score["exact_match"] == 0.5
    assert [sample["right"] for sample in score["samples"]] == ["1200", "7"]


def test_programs_are_run_against_their_tests(model, data, monkeypatch):
    from lodesmith.evaluate.benchmarks import written

    row = {
        "prompt": "def add(a, b):\n",
        "test": "def check(f):\n    assert f(1, 2) == 3\n",
        "entry_point": "add",
    }
    (data / "humaneval.jsonl").write_text((json.dumps(row) + "\n") * 2)
    answers = ["    return a + b", "    return a - b"]
    monkeypatch.setattr(written, "write_answers", lambda *_, **__: answers)
    score = evaluate(model, data, "humaneval", allow_code=True)
    assert score["pass_at_1"] == 0.5
    assert [sample["right"] for sample in score["samples"]] == ["passed", "failed"]


@pytest.mark.parametrize(
    ("program", "verdict"),
    [
        ("x = 1", "passed"),
        ("raise ValueError", "failed"),
        ("while True: pass", "timed out"),
        ("x = [0] * 10**9", "failed"),
        ("open('f', 'w').write('x' * 9); open('f').read(9)[8]", "failed"),
        (
            "import socket\ns = socket.socket()\ns.settimeout(2)\n"
            "raise SystemExit(s.connect_ex(('127.0.0.1', PORT)) == 0 or 3)",
            "failed",
        ),
    ],
)
def test_a_program_of_a_model_can_do_no_harm(program, verdict):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        program = program.replace("PORT", str(server.getsockname()[1]))
        assert run_code(program, seconds=2) == verdict


def test_what_a_program_starts_ends_with_it():
    run_code("import os, time\nif not os.fork(): time.sleep(100)", seconds=2)
    commands = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline")]
    assert not any(b"_LOCKED_OUT = 97" in command for command in commands)


def test_pairs_are_encoded_as_one_text_and_cut_from_the_left(model, save_model, tiny_config):
    subject = Subject(
        model=torch.nn.Module(), tokenizer=Tokenizer.load(model), window=6, folder=model
    )
    pairs = [Pair("abc ", "de"), Pair("abcdefgh", "xy"), Pair("", "x")]
    rows = encode_pairs(subject, pairs)
    assert [row.input_ids[row.first :] for row in rows[:2]] == [
        subject.tokenizer.encode(" de"),
        subject.tokenizer.encode("xy"),
    ]
    assert len(rows[1].input_ids) == 7
    assert rows[2].first == 1
    assert rows[2].input_ids[0] == subject.tokenizer.end_of_text_id


def test_the_answers_of_a_question_are_compared_behind_the_same_text(model):
    subject = Subject(
        model=torch.nn.Module(), tokenizer=Tokenizer.load(model), window=6, folder=model
    )

    def shown(context, before, after=""):
        pairs = [Pair(context, before + word + after, context + before, 0) for word in ("x", "yyy")]
        rows = encode_pairs(subject, pairs)
        decode = subject.tokenizer.decode
        return [(decode(row.input_ids), decode(row.input_ids[row.first :])) for row in rows]

    assert shown("abcdefgh", "") == [("efghx", "x"), ("efghyyy", "yyy")]
    assert shown("", "abcdefgh") == [("efghx", "fghx"), ("efghyyy", "fghyyy")]
    assert [seen for seen, _ in shown("", "a", "bcdefgh")] == ["axbcd", "ayyybcd"]


def test_whole_texts_that_do_not_fit_the_window_keep_their_label(model, data):
    from lodesmith.evaluate.benchmarks import choice

    text = "thing of which much is said, far more than any window of this model holds"
    (data / "items.jsonl").write_text(json.dumps({"thing": text, "colour": "red"}) + "\n")
    seen = []

    def record(_, rows, *, progress=None):
        del progress
        seen.extend(Tokenizer.load(model).decode(row.input_ids) for row in rows[:3])
        return [0.0] * len(rows)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(choice, "log_likelihoods", record)
        evaluate(model, data, scoring="sequence")
    assert [text.rpartition(" ")[2] for text in seen] == ["red", "crimson", "blue"]


def test_scores_are_shown_beside_a_baseline(model, data, tmp_path):
    scores = {
        "fewclue": {"title": "mean", "acc": 0.4, "chance": 0.3, "references": {"human": 82.49}},
        "task": evaluate(model, data),
        "bits_per_byte": {"zh": {"bits_per_byte": 1.5}},
        "next_sentence": {"zh": {"acc": 0.5, "ci95": [0.4, 0.6], "chance": 0.25, "num_items": 9}},
    }
    before = {
        "fewclue": {**scores["fewclue"], "acc": 0.5},
        "bits_per_byte": {"zh": {"bits_per_byte": 2}},
    }
    table = to_text(scores, baseline=before)
    assert "-10.00" in table
    assert "-0.5000" in table
    assert "human 82.49" in table
    page = render_page(scores, model="<m>", baseline=before)
    assert "&lt;m&gt;" in page
    assert "a 0 is ___" in page
    assert "82.49" in page
    (tmp_path / "scores.json").write_text(json.dumps(before))
    assert read_scores(tmp_path / "scores.json") == before
    (tmp_path / "scores.json").write_text("[")
    with pytest.raises(UserError, match="holds no scores"):
        read_scores(tmp_path / "scores.json")

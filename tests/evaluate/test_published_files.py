"""Benchmarks are read as their authors publish them: columns, fields, folders and packing."""

import gzip
import json
import re
from pathlib import Path

import pytest

from lodesmith.core.errors import UserError
from lodesmith.evaluate.benchmarks import written
from lodesmith.evaluate.benchmarks.items import read_items
from lodesmith.evaluate.benchmarks.task_file import read_task
from lodesmith.evaluate.tasks.tasks import Asking, evaluate_model

GSM8K = Path(__file__).parents[2].parent / "shared" / "data" / "gsm8k" / "train.jsonl"


@pytest.fixture
def model(tmp_path, save_model):
    save_model(tmp_path / "m")
    return tmp_path / "m"


def evaluate(model, data, task, **asking):
    scores = evaluate_model(
        str(model), tasks=[task], workspace=data / "ws", asking=Asking(data=data, **asking)
    )
    return scores[task]


def read(data, task):
    file = read_task(task)
    return read_items(data, file.items, task=task), read_items(data, file.examples, task=task)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())


def test_c_eval_as_its_archive_unpacks(model, tmp_path):
    head = "id,question,A,B,C,D,answer"
    write(tmp_path / "ceval-exam/val/law_val.csv", f"{head}\r\n0,谁？,甲,乙,丙,丁,B\r\n")
    write(
        tmp_path / "ceval-exam/dev/law_dev.csv",
        f'{head},explanation\n0,"问, 什么",a,b,c,d,A,"1. 因为\n2. 所以"\n',
    )
    write(tmp_path / "ceval-exam/test/law_test.csv", "id,question,A,B,C,D\n0,q,a,b,c,d\n")
    items, examples = read(tmp_path, "ceval")
    assert [(item.subject, item.row["answer"]) for item in items] == [("law", "B")]
    assert examples[0].row["explanation"] == "1. 因为\n2. 所以"
    score = evaluate(model, tmp_path, "ceval", num_fewshot=1)
    assert score["num_items"] == 1
    assert score["chance"] == 0.25


def test_c_evals_test_set_has_no_answers_and_says_so(model, tmp_path):
    write(tmp_path / "test/law_test.csv", "id,question,A,B,C,D\n0,q,a,b,c,d\n")
    with pytest.raises(UserError, match=r"law_test\.csv:2: has no answer; it is the test set"):
        evaluate(model, tmp_path, "ceval")


def test_cmmlu_as_its_archive_unpacks_beside_c_eval(model, tmp_path):
    row = '0,"“甲\u2028乙” 是",a,b,c,"d, e",D'  # a separator of lines that no CSV ends a row with
    for part in ("test", "dev"):
        write(tmp_path / f"cmmlu/{part}/anatomy.csv", f"\ufeff,Question,A,B,C,D,Answer\n{row}\n")
    write(tmp_path / "ceval/test/law_test.csv", "id,question,A,B,C,D\n0,q,a,b,c,d\n")
    items, _ = read(tmp_path, "cmmlu")
    assert [(item.row["Question"], item.row["D"]) for item in items] == [
        ("“甲\u2028乙” 是", "d, e")
    ]
    assert evaluate(model, tmp_path, "cmmlu", num_fewshot=0)["num_items"] == 1


def test_a_table_that_is_cut_off_in_a_field_is_named(model, tmp_path):
    head = "id,question,A,B,C,D,answer"
    write(tmp_path / "val/law_val.csv", f'{head}\n0,q,a,b,c,d,B\n1,"q and half')
    with pytest.raises(UserError, match=r"law_val\.csv:3: is no CSV .* may be cut off"):
        evaluate(model, tmp_path, "ceval")


def test_humaneval_as_it_is_packed(model, tmp_path, monkeypatch):
    row = {
        "task_id": "HumanEval/0",
        "prompt": "def double(n):\n",
        "entry_point": "double",
        "canonical_solution": "    return 2 * n\n",
        "test": "\n\nMETADATA = {'author': 'jt'}\n\n\ndef check(candidate):\n"
        "    assert candidate(2) == 4\n\n",
    }
    (tmp_path / "data").mkdir()
    packed = gzip.compress((json.dumps(row) + "\n").encode())
    (tmp_path / "data" / "HumanEval.jsonl.gz").write_bytes(packed)
    monkeypatch.setattr(written, "write_answers", lambda *_, **__: [row["canonical_solution"]])
    assert evaluate(model, tmp_path, "humaneval", allow_code=True)["pass_at_1"] == 1.0
    (tmp_path / "data" / "HumanEval.jsonl.gz").write_bytes(packed[:-20])
    with pytest.raises(UserError, match=r"HumanEval\.jsonl\.gz: cannot be unpacked .* cut short"):
        evaluate(model, tmp_path, "humaneval", allow_code=True)


@pytest.mark.skipif(not GSM8K.exists(), reason=f"needs {GSM8K}, which is not part of the project")
def test_gsm8ks_own_file(model, tmp_path):
    with pytest.raises(UserError, match=r"train\.jsonl:7471: the file is cut off"):
        evaluate(model, GSM8K.parent, "gsm8k")
    whole = GSM8K.read_bytes().rpartition(b"\n")[0]
    write(tmp_path / "gsm8k/train.jsonl", whole.decode())
    items, _ = read(tmp_path, "gsm8k")
    assert len(items) == 7470
    pattern = re.compile(read_task("gsm8k").answer_pattern)
    for item in items:
        answer = item.row["answer"]
        wanted = answer.rpartition("#### ")[2].replace(",", "").strip()
        assert written.what_counts(answer, pattern) == wanted, item.origin
    score = evaluate(model, tmp_path, "gsm8k", limit=2, num_fewshot=1)
    assert score["num_items"] == 2
    assert score["samples"][0]["right"] == "72"

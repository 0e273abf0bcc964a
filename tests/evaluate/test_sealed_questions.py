"""A tenant's questions are scored under the tenant's key, and nothing of them is told."""

import json

import pytest

from lodesmith.core.errors import UserError
from lodesmith.core.seal import grant, make_key, read_key, seal
from lodesmith.evaluate.results.page import render_page
from lodesmith.evaluate.tasks.tasks import Asking, evaluate_model

TASK = """\
title: urgency
items: [questions.jsonl.sealed]
text: "{note} is {label}"
label_field: urgency
labels: {high: [high], low: [low]}
"""


@pytest.fixture
def tenant(tmp_path, save_model):
    pytest.importorskip("cryptography")
    save_model(tmp_path / "model")
    make_key(tmp_path / "key")
    rows = [{"note": f"Oakley {n}", "urgency": "high", "text": f"Oakley {n}"} for n in range(3)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    sealed = seal(text.encode(), read_key(tmp_path / "key"))
    (tmp_path / "questions.jsonl.sealed").write_bytes(sealed)
    (tmp_path / "urgency.yaml").write_text(TASK)
    return tmp_path


def score(tenant):
    return evaluate_model(
        str(tenant / "model"),
        tasks=[str(tenant / "urgency.yaml"), "bits_per_byte"],
        workspace=tenant / "workspace",
        documents=tenant / "questions.jsonl.sealed",
        asking=Asking(data=tenant),
    )


def test_numbers_are_told_and_no_question(tenant):
    with grant(tenant / "key", workspace=tenant / "workspace"):
        scores = score(tenant)
    assert scores["urgency"]["num_items"] == 3
    assert scores["bits_per_byte"]["und"]["num_documents"] == 3
    assert "Oakley" not in json.dumps(scores)
    page = render_page(scores, model="m")
    assert "Oakley" not in page
    assert "Questions and answers" not in page


def test_without_the_key_nobody_reads_them(tenant):
    with pytest.raises(UserError, match=r"questions\.jsonl\.sealed is sealed; .*--key-file"):
        score(tenant)


def test_a_fault_names_its_line_and_not_what_stands_there(tenant):
    text = json.dumps({"note": "Oakley", "urgency": "Falk", "text": "x"}) + "\n"
    sealed = seal(text.encode(), read_key(tenant / "key"))
    (tenant / "questions.jsonl.sealed").write_bytes(sealed)
    with (
        grant(tenant / "key", workspace=tenant / "workspace"),
        pytest.raises(UserError, match=r"questions\.jsonl\.sealed:1: the label") as fault,
    ):
        score(tenant)
    assert "Falk" not in str(fault.value)

"""`lodesmith show` of a run that is under way: words, JSON and a picture."""

import json
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

from lodesmith.train.record.record import RunRecord


def show(workspace, *arguments):
    command = [sys.executable, "-m", "lodesmith", "show", *arguments, "--workspace", str(workspace)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def workspace(tmp_path):
    folder = tmp_path / "unfinished" / "pretrain-0123456789ab"
    folder.mkdir(parents=True)
    RunRecord(folder / "run.jsonl").write("launched", num_ranks=2, max_steps=400, step_tokens=10)
    with (folder / "metrics.jsonl").open("w") as file:
        for step in range(1, 201):
            line = {
                "step": step, "loss": 5 / step, "tokens_seen": 10 * step, "step_seconds": 0.5,
                "mfu": 0.4, "memory_bytes": 1000, "data_wait_seconds": 0.0,
                "rank_seconds_most": 0.4, "rank_seconds_least": 0.3,
            }  # fmt: skip
            file.write(json.dumps(line) + "\n")
    return tmp_path


def test_a_run_under_way_is_shown_with_a_plot(workspace):
    result = show(workspace, "pretrain-01", "--plot", str(workspace / "loss.svg"))
    assert result.returncode == 0, result.stderr
    assert "pretrain-0123456789ab  in the making" in result.stdout
    assert "training: step 200 of 400" in result.stdout
    assert "400 steps" in result.stdout
    picture = ET.parse(workspace / "loss.svg").getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert len(picture.findall("{http://www.w3.org/2000/svg}polyline")) == 2


def test_the_same_as_json(workspace):
    result = show(workspace, "pretrain", "--json")
    data = json.loads(result.stdout)
    assert data["id"] == "pretrain-0123456789ab"
    assert data["run"]["step"] == 200


def test_no_step_to_draw_is_a_users_error(workspace):
    (workspace / "unfinished" / "pretrain-0123456789ab" / "metrics.jsonl").unlink()
    assert show(workspace, "pretrain").returncode == 0
    result = show(workspace, "pretrain", "--plot", str(workspace / "loss.svg"))
    assert result.returncode == 2
    assert "no training step" in result.stderr

"""The tutorial is true: its recipe is written and its commands are run, in order."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_life import write_pages

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"


@pytest.mark.slow
def test_the_commands_of_the_tutorial_work_in_order(tmp_path):
    text = TUTORIAL.read_text("utf-8")
    write_pages(tmp_path / "pages")
    (tmp_path / "mine.yaml").write_text(re.search(r"```yaml\n(.*?)```", text, re.S).group(1))
    commands = re.findall(r"^\$ lodesmith (.*)$", text, re.M)
    assert len(commands) >= 7
    outputs = {}
    for command in commands:
        result = subprocess.run(
            [sys.executable, "-m", "lodesmith", *shlex.split(command)],
            cwd=tmp_path, env=os.environ, capture_output=True, text=True, timeout=200, check=False,
        )  # fmt: skip
        assert result.returncode == 0, f"{command}\n{result.stderr[-2000:]}"
        outputs[command.split()[0]] = result.stdout
    assert "topic" in outputs["trace"]
    assert (tmp_path / "my-model" / "model.safetensors").exists()
    assert (tmp_path / "clean.jsonl").stat().st_size > 10_000

"""Ctrl-C, a second run at the same time, and a disk that fills."""

import json
import os
import signal
import time

import pytest
from runs import command, finish, start
from small_disk import can_mount, run_on_small_disk
from tiny_life import write_life


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    return write_life(tmp_path_factory.mktemp("life"))


def wait_for(text, child):
    """Read a child's messages until one holds a text; return what was read."""
    seen = ""
    for line in child.stderr:
        seen += line.decode()
        if text in seen:
            return seen
    raise AssertionError(f"{text!r} did not come; the run said:\n{seen}")


@pytest.fixture
def interruptible():
    """Let children be interrupted also where whoever started the tests ignores Ctrl-C (nohup)."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.chaos
def test_ctrl_c_stops_cleanly_and_says_how_to_go_on(recipe, tmp_path, interruptible):
    child = start(recipe, tmp_path / "w")
    wait_for("pretrain: making", child)
    time.sleep(1)
    os.killpg(child.pid, signal.SIGINT)  # a terminal sends it to the whole group
    _output, messages = child.communicate(timeout=60)
    assert child.returncode == 130
    assert b"the same command goes on" in messages
    assert b"Traceback" not in messages
    assert "pretrain" in finish(recipe, tmp_path / "w", "--until", "pretrain")["made"]


def num_steps(workspace):
    """Return how many steps of pretraining stand in a workspace's unfinished metrics."""
    return sum(len(path.read_bytes().splitlines()) for path in workspace.rglob("metrics.jsonl"))


@pytest.mark.slow
@pytest.mark.chaos
def test_sigterm_saves_exits_0_and_the_same_command_goes_on_from_there(recipe, tmp_path):
    steps = 0
    for begins in ("pretrain: making", "goes on from step"):
        child = start(recipe, tmp_path / "w", "pretrain.max_steps=1000000")
        said = wait_for(begins, child)
        if steps:
            assert f"goes on from step {steps}" in said
        before = max(steps, 5)
        while num_steps(tmp_path / "w") < before + 5:
            assert child.poll() is None
            time.sleep(0.05)
        child.terminate()  # the command alone, as Slurm and Kubernetes do
        _output, messages = child.communicate(timeout=200)
        assert child.returncode == 0, messages.decode()
        steps = num_steps(tmp_path / "w")
        assert f"has saved step {steps}; the same command goes on" in messages.decode()


@pytest.mark.slow
@pytest.mark.dist
def test_two_runs_at_once_make_each_artifact_once(recipe, tmp_path):
    first = start(recipe, tmp_path / "w", "--until", "tokenize")
    wait_for("acquire: making", first)
    second = start(recipe, tmp_path / "w", "--until", "tokenize")
    outputs = [child.communicate(timeout=120) for child in (first, second)]
    assert first.returncode == second.returncode == 0
    assert f"in use by process {first.pid}" in outputs[1][1].decode()
    results = [json.loads(output) for output, _messages in outputs]
    assert results[0]["made"] == ["acquire", "prepare", "tokenize"]
    assert results[1]["made"] == []


@pytest.mark.slow
@pytest.mark.chaos
@pytest.mark.parametrize("size", ["40k", "300k", "900k"])
def test_a_full_disk_is_said_and_a_later_run_goes_on(recipe, tmp_path, size):
    disk, log = tmp_path / "disk", tmp_path / "log"
    disk.mkdir()
    if not can_mount(disk):
        pytest.skip("needs unshare and the right to mount a tmpfs")
    told = run_on_small_disk(
        command(recipe, disk, "--until", "pretrain"),
        disk=disk, log=log, size=size, between="ls $DISK/artifacts 2>/dev/null",
    )  # fmt: skip
    assert told.first_code == 4, told.first
    assert "no space left on the disk" in told.first
    assert "Traceback" not in told.first
    assert told.second_code == 0, told.second_errors
    second = json.loads(told.second)
    assert not {name.split("-")[0] for name in told.between.split()} & set(second["made"])
    whole = finish(recipe, tmp_path / "whole", "--until", "pretrain")
    assert second["digests"] == whole["digests"]

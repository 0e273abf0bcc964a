"""Real ranks: one or two of them, killed, frozen or not, give the same bits and a true record."""

import json
import os
import re
import shutil
import signal
import threading
from pathlib import Path

import psutil
import pytest
from tiny_training import make_job, weights_digest
from watched_training import events_of, ranks_of, start_training, wait_for, wait_for_step

import lodesmith
from lodesmith.core.errors import DamagedArtifactError, EngineError, UserError
from lodesmith.train.ranks import standby
from lodesmith.train.ranks.launch import run_training
from lodesmith.train.ranks.local_ranks import find_interface
from lodesmith.train.record.metrics import read_metrics
from lodesmith.train.record.record import measure_goodput, read_record

STEPS = 120
SETTINGS = {"max_steps": STEPS, "num_ranks": 2}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 120 steps in one rank that nothing has disturbed."""
    job = make_job(tmp_path_factory.mktemp("whole"), max_steps=STEPS)
    return job, run_training(job)


def curve(job):
    return [
        (line["step"], line["loss"], line["grad_norm"]) for line in read_metrics(job.metrics_file)
    ]


def assert_same_end(job, whole):
    one, facts = whole
    assert json.loads(job.finished_file.read_text()) == facts
    assert weights_digest(job) == weights_digest(one)
    assert curve(job) == curve(one)  # each step once, no loss a bit off


def hurt(job, step, act):
    """Do something to the ranks of this process once a step is done, while training runs."""
    thread = threading.Thread(
        target=lambda: (wait_for_step(job, step), act(ranks_of(os.getpid()))), daemon=True
    )
    thread.start()
    return thread


@pytest.mark.dist
def test_two_ranks_give_the_bits_of_one(tmp_path, whole):
    two = make_job(tmp_path, **SETTINGS)
    facts = run_training(two)
    assert_same_end(two, whole)
    before = two.metrics_file.read_bytes()
    assert run_training(two) == facts  # nothing is done twice
    assert two.metrics_file.read_bytes() == before
    events = [event["event"] for event in read_record(two.record_file)]
    # On a loaded machine one rank may well be slower than the other.
    assert [event for event in events if event != "straggler"] == [
        "launched", "training", "finished",
    ]  # fmt: skip


@pytest.mark.dist
@pytest.mark.chaos
def test_a_rank_killed_then_one_frozen_then_all_killed_are_replaced_and_no_bit_changes(
    tmp_path, whole, monkeypatch
):
    monkeypatch.setattr(standby, "_AFTER_SECONDS", 0.2)  # the lost ones' places are taken quickly
    job = make_job(tmp_path, **SETTINGS)

    def hurt():
        wait_for_step(job, 10)
        ranks_of(os.getpid())[1].kill()
        wait_for_step(job, 50)
        ranks_of(os.getpid())[0].suspend()
        wait_for(lambda: len(events_of(job, "interruption")) == 2)
        wait_for_step(job, 90)
        for rank in ranks_of(os.getpid()):
            rank.kill()

    thread = threading.Thread(target=hurt)
    thread.start()
    run_training(job)
    thread.join()
    assert_same_end(job, whole)
    killed, frozen, all_killed = events_of(job, "interruption")
    assert (killed["what"], killed["says"]) == ("killed", "rank 1 was killed by signal 9")
    assert (frozen["what"], frozen["rank"]) == ("frozen", 0)
    assert frozen["seconds_to_notice"] <= 60  # some 6 s on an idle machine; gloo waits 30 minutes
    assert all_killed["what"] == "killed"
    for event in (killed, frozen, all_killed):
        assert event["resumed_step"] % 4 == 0
        assert event["steps_repeated"] == event["step"] - event["resumed_step"]
        assert event["seconds_lost"] >= event["seconds_to_next_step"] > 0
    goodput = measure_goodput(metrics=job.metrics_file, record=job.record_file)
    assert goodput.num_interruptions == 3
    assert 0 < goodput.share < 1
    assert ranks_of(os.getpid()) == []


@pytest.mark.dist
@pytest.mark.chaos
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs /dev/shm")
def test_a_lost_rank_comes_back_from_memory_without_the_disk(tmp_path, whole, capfd):
    job = make_job(tmp_path, **SETTINGS)

    def kill_and_lose_the_disk(ranks):
        ranks[0].kill()
        while (job.scratch / "checkpoints").exists():  # its peer may just be writing
            shutil.rmtree(job.scratch / "checkpoints", ignore_errors=True)

    before = set(Path("/dev/shm").glob("lodesmith-*"))
    hurting = hurt(job, 30, kill_and_lose_the_disk)
    run_training(job)
    hurting.join()
    assert_same_end(job, whole)
    assert re.search(r"goes on from step \d+, from memory", capfd.readouterr().err)
    assert not set(Path("/dev/shm").glob(f"lodesmith-{os.getpid()}-*")) - before


@pytest.mark.dist
@pytest.mark.chaos
def test_a_killed_launcher_leaves_no_rank_and_a_run_that_can_go_on(tmp_path, whole):
    job = make_job(tmp_path, **SETTINGS)
    parent = start_training(tmp_path, json.dumps(SETTINGS))
    wait_for_step(job, 15)
    ranks = ranks_of(parent.pid)
    assert len(ranks) == 2
    parent.kill()
    parent.communicate()
    _, alive = psutil.wait_procs(ranks, timeout=20)
    assert alive == []
    run_training(job)
    assert_same_end(job, whole)
    [event] = events_of(job, "interruption")
    assert event["what"] == "launcher"
    assert event["steps_repeated"] == event["step"] - event["resumed_step"]


@pytest.mark.dist
@pytest.mark.chaos
def test_sigterm_saves_and_ends_well_and_the_same_command_goes_on(tmp_path, whole):
    job = make_job(tmp_path, **SETTINGS, checkpoint_every_steps=1000)
    parent = start_training(tmp_path, json.dumps({**SETTINGS, "checkpoint_every_steps": 1000}))
    wait_for_step(job, 10)
    parent.send_signal(signal.SIGTERM)
    output, errors = parent.communicate(timeout=120)
    assert parent.returncode == 0, errors.decode()
    steps = len(read_metrics(job.metrics_file))
    assert f"has saved step {steps}" in output.decode()
    assert events_of(job, "stopped")[0]["step"] == steps
    run_training(job)
    assert_same_end(job, whole)
    assert events_of(job, "interruption") == []  # it was asked for
    assert len(events_of(job, "training")) == 2


@pytest.mark.dist
def test_what_a_rank_refuses_is_raised_as_it_was_and_not_tried_again(tmp_path):
    job = make_job(tmp_path, max_steps=4)
    (tmp_path / "tokens" / "tokens.bin").unlink()
    with pytest.raises(DamagedArtifactError, match="no whole token set"):
        run_training(job)
    assert [event["event"] for event in read_record(job.record_file)] == ["launched", "failed"]


@pytest.mark.dist
def test_a_rank_with_other_code_is_refused_before_step_0(tmp_path, monkeypatch):
    """As on a machine whose checkout was edited."""
    package = Path(lodesmith.__file__).parent
    edited = tmp_path / "edited" / "lodesmith"
    shutil.copytree(package, edited, ignore=shutil.ignore_patterns("__pycache__"))
    with (edited / "train" / "loop" / "training.py").open("a") as file:
        file.write("# edited\n")
    start, started = standby._start_waiting, []

    def start_one_elsewhere(*arguments):
        started.append(arguments)
        with monkeypatch.context() as patch:
            if len(started) == 2:
                patch.setenv("PYTHONPATH", str(edited.parent))
            return start(*arguments)

    monkeypatch.setattr(standby, "_start_waiting", start_one_elsewhere)
    job = make_job(tmp_path, **SETTINGS)
    with pytest.raises(UserError, match="ranks disagree on code version: rank 1 has another"):
        run_training(job)
    assert len(started) == 2
    assert not job.metrics_file.exists()


@pytest.mark.dist
@pytest.mark.chaos
def test_ranks_that_die_again_and_again_are_given_up_with_the_end_of_a_log(tmp_path):
    job = make_job(tmp_path, max_steps=4)
    job.scratch.mkdir()
    (job.scratch / "checkpoints").touch()  # a fault that nobody foresaw
    message = r"rank 0 ended with code 1; 3 starts in a row(?s:.*)(NotADirectory|FileExists)Error"
    with pytest.raises(EngineError, match=message):
        run_training(job)
    assert len(events_of(job, "interruption")) == 3


def test_the_interface_of_an_address_is_found():
    assert find_interface("127.0.0.1") in psutil.net_if_addrs()
    with pytest.raises(EngineError, match=r"192\.0\.2\.1"):
        find_interface("192.0.2.1")

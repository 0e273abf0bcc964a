"""Real ranks: one or two of them, killed or not, give the same bits; a dead one is named."""

import os
import signal
import subprocess
import sys
import threading
import time

import psutil
import pytest
from tiny_training import make_job, weights_digest

from lodesmith.core.errors import EngineError, UserError
from lodesmith.train.launch import find_loopback, run_training
from lodesmith.train.metrics import read_metrics

RUN = "import sys; from pathlib import Path; from tiny_training import make_job; \
from lodesmith.train.launch import run_training; \
run_training(make_job(Path(sys.argv[1]), max_steps=120, num_ranks=2))"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of 120 steps in one rank that nothing has disturbed."""
    job = make_job(tmp_path_factory.mktemp("whole"), max_steps=120)
    return job, run_training(job)


def ranks_of(pid):
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        try:
            if "lodesmith.train.worker" in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


def wait_for_step(job, step):
    for _ in range(1200):
        if job.metrics_file.exists() and len(read_metrics(job.metrics_file)) >= step:
            return
        time.sleep(0.05)
    raise AssertionError(f"step {step} did not come")


@pytest.mark.dist
def test_two_ranks_give_the_bits_of_one(tmp_path, whole):
    one, facts = whole
    two = make_job(tmp_path, max_steps=120, num_ranks=2)
    assert run_training(two) == facts
    assert weights_digest(two) == weights_digest(one)
    for name in ("loss", "grad_norm"):
        first, second = (
            [record[name] for record in read_metrics(job.metrics_file)] for job in (one, two)
        )
        assert first == second, name
    before = two.metrics_file.read_bytes()
    assert run_training(two) == facts  # nothing is done twice
    assert two.metrics_file.read_bytes() == before


@pytest.mark.dist
@pytest.mark.chaos
def test_a_killed_rank_is_named_and_the_next_run_ends_with_the_same_bits(tmp_path, whole):
    one, facts = whole
    job = make_job(tmp_path, max_steps=120, num_ranks=2)

    def kill_the_second_rank():
        wait_for_step(job, 10)
        ranks = ranks_of(os.getpid())
        victim = next(rank for rank in ranks if rank.cmdline()[-1].endswith("rank-1.json"))
        victim.kill()

    killer = threading.Thread(target=kill_the_second_rank)
    killer.start()
    with pytest.raises(EngineError, match=r"tiny: rank 1 was killed by signal 9; run the same"):
        run_training(job)
    killer.join()
    assert ranks_of(os.getpid()) == []
    assert run_training(make_job(tmp_path, max_steps=120, num_ranks=1)) == facts
    assert weights_digest(job) == weights_digest(one)


@pytest.mark.dist
@pytest.mark.chaos
def test_a_killed_parent_leaves_no_rank_and_a_run_that_can_go_on(tmp_path, whole):
    one, facts = whole
    job = make_job(tmp_path, max_steps=120, num_ranks=2)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)],
        env=environment,
        stderr=subprocess.DEVNULL,
    )
    wait_for_step(job, 15)
    ranks = ranks_of(parent.pid)
    assert len(ranks) == 2
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _, alive = psutil.wait_procs(ranks, timeout=5)
    assert alive == []
    assert run_training(job) == facts
    assert weights_digest(job) == weights_digest(one)


@pytest.mark.dist
def test_what_a_rank_refuses_is_raised_as_it_was(tmp_path):
    job = make_job(tmp_path, optimizer="adamw", learning_rate=1e38, warmup_steps=0)
    with pytest.raises(UserError, match="come apart"):
        run_training(job)


def test_the_loopback_interface_is_found():
    assert find_loopback() in psutil.net_if_addrs()

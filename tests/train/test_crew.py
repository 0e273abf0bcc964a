"""Which ways to train are left when ranks are lost, and laid-out runs that lose one."""

import json
import random
import time

import psutil
import pytest
from distributed_runs import run_distributed
from layout_runs import train_until
from tiny_training import laid_out_job, make_job, weights_digest
from watched_training import events_of, ranks_of, start_training, wait_for, wait_for_step

from lodesmith.train.ranks import crew
from lodesmith.train.ranks.crew import choose_num_ranks, possible_jobs
from lodesmith.train.ranks.launch import run_training
from lodesmith.train.record.metrics import read_metrics


def sizes_of(job):
    jobs = possible_jobs(job, wanted=choose_num_ranks(job.config))
    return {
        size: None if found.config.parallel is None else found.config.parallel.num_ranks
        for size, found in sorted(jobs.items())
    }


def test_a_layout_gives_up_copies_first_then_shards_and_keeps_what_is_within(tmp_path):
    assert sizes_of(make_job(tmp_path, num_ranks=2)) == {1: None, 2: None}
    assert sizes_of(make_job(tmp_path, num_ranks=1)) == {1: None}
    layout = {
        "data_parallel_replicate_size": 2, "data_parallel_shard_size": 2, "tensor_parallel_size": 2,
    }  # fmt: skip
    job = make_job(tmp_path, num_ranks="auto", parallel=layout)
    assert sizes_of(job) == {2: 2, 4: 4, 8: 8}
    jobs = possible_jobs(job, wanted=8)
    assert jobs[8] is job
    assert jobs[4].config.parallel.data_parallel_shard_size == 2
    assert jobs[4].config.parallel.data_parallel_replicate_size == 1
    assert {found.config.parallel.tensor_parallel_size for found in jobs.values()} == {2}
    assert {found.digest for found in jobs.values()} == {job.digest}  # checkpoints fit all


@pytest.mark.dist
@pytest.mark.chaos
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_2x2x2_run_that_loses_a_rank_then_all_then_its_launcher_ends_with_the_same_bits(
    tmp_path, monkeypatch
):
    settings = {
        "parallel": {
            "data_parallel_shard_size": 2, "tensor_parallel_size": 2, "pipeline_parallel_size": 2,
        },
        "max_steps": 60, "optimizer": "adamw", "learning_rate": 0.002,
    }  # fmt: skip
    whole, cut = (laid_out_job(tmp_path / name, **settings) for name in ("whole", "cut"))
    run_distributed(train_until, 8, whole, None)
    chance = random.Random(4)
    rank = chance.randrange(8)
    first, second, third = (chance.randint(*steps) for steps in ((4, 9), (13, 20), (24, 30)))
    launcher = start_training(tmp_path / "cut", json.dumps(settings), make="laid_out_job")
    try:
        wait_for_step(cut, first)
        ranks_of(launcher.pid)[rank].kill()
        wait_for(lambda: events_of(cut, "interruption"))
        wait_for_step(cut, second)
        for process in ranks_of(launcher.pid):
            process.kill()
        wait_for(lambda: len(events_of(cut, "interruption")) == 2)
        wait_for_step(cut, third)
        orphans = psutil.Process(launcher.pid).children(recursive=True)
    finally:
        launcher.kill()
        launcher.communicate()
    _, alive = psutil.wait_procs(orphans, timeout=60)
    assert len(orphans) >= 8
    assert alive == []
    monkeypatch.setattr(crew, "count_free_cores", lambda: 1)  # as each of the others has a thread
    run_training(cut)
    assert [event["what"] for event in events_of(cut, "interruption")] == [
        "killed", "killed", "launcher",
    ]  # fmt: skip
    curves = [
        [(line["step"], line["loss"], line["grad_norm"]) for line in read_metrics(job.metrics_file)]
        for job in (whole, cut)
    ]
    assert json.dumps(curves[0]) == json.dumps(curves[1])
    assert weights_digest(cut) == weights_digest(whole)


@pytest.mark.dist
@pytest.mark.chaos
def test_a_rank_that_is_held_up_again_and_again_is_named(tmp_path):
    settings = {"num_ranks": 2, "max_steps": 100_000}
    job = make_job(tmp_path, **settings)
    leader = start_training(tmp_path, json.dumps(settings))
    try:
        wait_for_step(job, 5)
        slow = ranks_of(leader.pid)[1]

        def hold_up():
            slow.suspend()
            time.sleep(0.06)
            slow.resume()
            return [event for event in events_of(job, "straggler") if event["rank"] == 1]

        [event, *_] = wait_for(hold_up)
        assert event["times"] > 1.3
        assert events_of(job, "interruption") == []  # slow is not frozen
    finally:
        leader.kill()
        leader.communicate()

"""A run on several machines: a lost one is noticed and done without, one that is back is used."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import psutil
import pytest
from tiny_training import make_job
from watched_training import events_of, ranks_of, start_training, wait_for, wait_for_step

from lodesmith.core.errors import EngineError, UserError
from lodesmith.train.ranks.hub import Hub
from lodesmith.train.ranks.launch import KEY_FILE
from lodesmith.train.ranks.member import join_run
from lodesmith.train.ranks.wire import Wire, read_key
from lodesmith.train.record.metrics import read_metrics

LEADER, FOLLOWER = "10.213.77.1", "10.213.77.2"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def start_member(address, job, *, prefix=()):
    command = [sys.executable, "-m", "lodesmith", "join", address, "--key-file"]
    return subprocess.Popen(
        [*prefix, *command, str(job.scratch / KEY_FILE)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def end(*processes):
    for process in processes:
        process.kill()
        process.communicate()


@pytest.mark.dist
@pytest.mark.chaos
@pytest.mark.timeout(600)
def test_a_layout_shrinks_with_a_lost_machine_grows_with_another_and_takes_a_spare_one(tmp_path):
    address = f"127.0.0.1:{free_port()}"
    settings = {
        "max_steps": 100_000, "checkpoint_every_steps": 50,
        "optimizer": "adamw", "learning_rate": 0.001,
    }  # fmt: skip
    several = {
        **settings,
        "num_ranks": "auto",
        "parallel": {"data_parallel_shard_size": 2},
        "nodes": {"listen": address, "num_nodes": 2},
    }
    job = make_job(tmp_path / "two", **several)
    leader = start_training(tmp_path / "two", json.dumps(several))
    members = [start_member(address, job)]
    try:
        wait_for_step(job, 20)
        end(members[0])  # its rank dies with it
        lost = wait_for(lambda: events_of(job, "interruption"))[0]
        assert lost["what"] in {"unreachable", "failed"}
        members.append(start_member(address, job))
        grown = wait_for(lambda: [e for e in events_of(job, "interruption") if e["num_ranks"] == 1])
        assert grown[0]["what"] == "resized"
        assert grown[0]["steps_repeated"] == 0
        members.append(start_member(address, job))  # a spare one
        wait_for(lambda: ranks_of(members[1].pid))
        wait_for(lambda: len(read_metrics(job.metrics_file)) > grown[0]["step"])
        end(members[1])
        wait_for(lambda: ranks_of(members[2].pid))  # takes its place
        leader.send_signal(signal.SIGTERM)
        _, errors = leader.communicate(timeout=240)
        assert leader.returncode == 0, errors.decode()
        assert members[2].wait(timeout=120) == 0  # it was told that the run is over
    finally:
        end(leader, *members)
    lines = read_metrics(job.metrics_file)
    assert [line["step"] for line in lines] == [*range(1, len(lines) + 1)]  # none lost or repeated
    assert len(lines) > grown[0]["step"]
    compared = min(lost["resumed_step"] + 30, grown[0]["step"])  # of which 30 after it shrank
    alone = make_job(tmp_path / "one", **settings)  # whole, in one rank
    reference = start_training(tmp_path / "one", json.dumps(settings))
    wait_for_step(alone, compared)
    end(reference)
    said, expected = (
        [line["loss"] for line in read_metrics(run.metrics_file)][:compared] for run in (job, alone)
    )
    assert said == pytest.approx(expected, rel=1e-3)  # rounding grows with the steps


@pytest.fixture
def cable(tmp_path):
    """Two network namespaces with a cable between them; yields a function that cuts it."""
    names = [f"lodesmith-{os.getpid()}-{side}" for side in "ab"]

    def ip(*arguments):
        subprocess.run(["ip", *arguments], check=True, capture_output=True)

    try:
        for name in names:
            ip("netns", "add", name)
        ip("link", "add", "cable", "netns", names[0], "type", "veth", "peer", "name", "cable",
           "netns", names[1])  # fmt: skip
        for name, address in zip(names, (LEADER, FOLLOWER), strict=True):
            ip("-n", name, "addr", "add", f"{address}/24", "dev", "cable")
            ip("-n", name, "link", "set", "cable", "up")
            ip("-n", name, "link", "set", "lo", "up")
    except (OSError, subprocess.CalledProcessError) as error:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)
        pytest.skip(f"network namespaces cannot be made here: {error}")
    yield names, lambda: ip("-n", names[1], "link", "set", "cable", "down")
    for name in names:
        subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
@pytest.mark.dist
@pytest.mark.chaos
def test_a_cut_cable_is_noticed_long_before_gloo_does_and_training_goes_on(tmp_path, cable):
    (here, there), cut = cable
    settings = {
        "max_steps": 100_000, "num_ranks": 2, "checkpoint_every_steps": 20,
        "nodes": {"listen": f"{LEADER}:29400", "num_nodes": 2},
    }  # fmt: skip
    job = make_job(tmp_path, **settings)
    leader = start_training(tmp_path, json.dumps(settings), prefix=("ip", "netns", "exec", here))
    member = start_member(f"{LEADER}:29400", job, prefix=("ip", "netns", "exec", there))
    try:
        wait_for_step(job, 30)
        orphans = ranks_of(member.pid)
        assert len(orphans) == 1
        cut()
        [event] = wait_for(lambda: events_of(job, "interruption"))
        assert (event["what"], event["rank"]) == ("unreachable", 1)
        assert event["seconds_to_notice"] <= 60  # idle: about 6; gloo waits 30 minutes
        assert event["resumed_step"] <= event["step"]
        # The side that was cut off does not go on by itself.
        _, alive = psutil.wait_procs(orphans, timeout=30)
        assert alive == []
        leader.send_signal(signal.SIGTERM)
        _, errors = leader.communicate(timeout=120)
        assert leader.returncode == 0, errors.decode()
    finally:
        end(leader, member)


def test_who_does_not_know_the_key_is_refused(tmp_path, capsys):
    port = free_port()
    with Hub(f"127.0.0.1:{port}", key_file=tmp_path / "key") as hub:
        assert (tmp_path / "key").stat().st_mode & 0o077 == 0
        wire = Wire(socket.create_connection(("127.0.0.1", port)))
        with pytest.raises(OSError, match=r"closed|know the run's key|reset"):
            wire.shake_hands(b"guessed", hello={"name": "x", "version": "x"})
        wire.close()
        (tmp_path / "other").write_text("another key")
        with pytest.raises(EngineError, match="cannot be joined"):
            join_run(f"127.0.0.1:{port}", key_file=tmp_path / "other", patience_seconds=0)
        with pytest.raises(EngineError, match=r"key .*missing cannot be read .*the leader writes"):
            join_run(f"127.0.0.1:{port}", key_file=tmp_path / "missing", patience_seconds=0)
        wait_for(lambda: "was refused" in capsys.readouterr().err)
        assert hub.members == []


def test_nodes_may_start_in_any_order(tmp_path, capsys):
    port = free_port()
    thread = threading.Thread(
        target=join_run, args=(f"127.0.0.1:{port}",), kwargs={"key_file": tmp_path / "key"}
    )
    thread.start()
    wait_for(lambda: "not yet: the run's key" in capsys.readouterr().err)
    with Hub(f"127.0.0.1:{port}", key_file=tmp_path / "key") as hub:
        wait_for(lambda: len(hub.members) == 1)
        time.sleep(0.1)
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_a_silent_peer_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr("lodesmith.train.ranks.wire.LOST_SECONDS", 3.0)
    port = free_port()
    with Hub(f"127.0.0.1:{port}", key_file=tmp_path / "key") as hub:
        wire = Wire(socket.create_connection(("127.0.0.1", port)))
        wire.shake_hands(read_key(tmp_path / "key"), hello=_hello())
        wait_for(lambda: len(hub.members) == 1)
        wait_for(lambda: hub.members == [])  # it never sent a line
        wire.close()


def _hello():
    from lodesmith.core.version import VERSION

    return {"name": "elsewhere", "version": VERSION}


def test_a_member_goes_home_when_the_run_is_over(tmp_path):
    port = free_port()
    hub = Hub(f"127.0.0.1:{port}", key_file=tmp_path / "key")
    with hub:
        thread = threading.Thread(
            target=join_run, args=(f"127.0.0.1:{port}",), kwargs={"key_file": tmp_path / "key"}
        )
        thread.start()
        wait_for(lambda: len(hub.members) == 1)
        time.sleep(0.1)
    thread.join(timeout=30)
    assert not thread.is_alive()


@pytest.mark.parametrize("address", ["10.0.0.1", "no-port:", "192.0.2.77:1"])
def test_an_address_that_is_not_ours_is_an_error(tmp_path, address):
    with pytest.raises((EngineError, UserError), match=r"HOST:PORT|cannot listen"):
        Hub(address, key_file=tmp_path / "key")

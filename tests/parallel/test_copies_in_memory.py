"""Second copies in memory: a lost rank, or a lost node, comes back without a look at the disk."""

import os
import shutil
import subprocess
import sys
import time

import pytest
import torch
from checkpoint_work import keep_in_memory
from distributed_runs import run_distributed
from hypothesis import given
from hypothesis import strategies as st
from layout_work import Case

from lodesmith.parallel.checkpoint import Checkpoints
from lodesmith.parallel.checkpoint.memory import partners
from lodesmith.parallel.memory_folder import open_memory_folder

pytestmark = pytest.mark.skipif(
    not hasattr(os, "posix_fallocate"), reason="needs memory that is reserved as a file"
)


def folder(path):
    path.mkdir()
    return path


def open_checkpoints(tmp_path, node, said=None):
    say = (lambda _: None) if said is None else said.append
    return Checkpoints(tmp_path / "disk", memory=node, say=say)


def save(checkpoints, step):
    checkpoints.save(step=step, tensors={"a": torch.full((3, 5), float(step))}, facts={"n": step})
    checkpoints.wait()


def load(checkpoints):
    tensors = {"a": torch.zeros(3, 5)}
    return checkpoints.load(tensors), tensors["a"]


@pytest.mark.dist
def test_a_lost_node_comes_back_from_its_partner_and_then_all_fit_on_one_node(tmp_path):
    disk = tmp_path / "disk"
    one, two, three = (folder(tmp_path / name) for name in ("one", "two", "three"))
    before = Case("fsdp2 x tp2", {"data_parallel_shard_size": 2, "tensor_parallel_size": 2})
    after = Case("tp2", {"tensor_parallel_size": 2})
    faults = run_distributed(keep_in_memory, 4, before, disk, [one, two], [1, 2, 3], [])
    shutil.rmtree(two)
    shutil.rmtree(disk)
    faults += run_distributed(keep_in_memory, 4, before, disk, [one, three], [4], [3, "memory"])
    shutil.rmtree(three)
    shutil.rmtree(disk)
    faults += run_distributed(keep_in_memory, 2, after, disk, [one], [5, 6], [4, "memory"])
    assert not [fault for some in faults for fault in some]
    assert {path.name for path in one.iterdir()} == {
        f"own-{rank:05d}-{turn}{end}" for rank in (0, 1) for turn in (0, 1) for end in ("", ".json")
    }


def test_a_rank_killed_while_it_copies_leaves_the_copy_before(tmp_path):
    node = folder(tmp_path / "node")
    checkpoints = open_checkpoints(tmp_path, node)
    for step in (1, 2):
        save(checkpoints, step)
    checkpoints._copies.next_staging().fill({"a": torch.full((3, 5), 9.0)})  # and then it dies
    shutil.rmtree(tmp_path / "disk")
    loaded, tensor = load(open_checkpoints(tmp_path, node))
    assert (loaded.step, loaded.source, loaded.facts) == (2, "memory", {"n": 2})
    assert bool((tensor == 2).all())


def test_the_disk_is_taken_if_it_has_a_later_step(tmp_path):
    node = folder(tmp_path / "node")
    save(open_checkpoints(tmp_path, node), 1)
    save(open_checkpoints(tmp_path, None), 2)
    loaded, tensor = load(open_checkpoints(tmp_path, node))
    assert (loaded.step, loaded.source) == (2, "disk")
    assert bool((tensor == 2).all())


def test_a_new_attempt_overwrites_no_copy_that_it_may_still_need(tmp_path):
    node = folder(tmp_path / "node")
    for attempt in range(4):
        checkpoints = open_checkpoints(tmp_path, node)
        loaded, tensor = load(checkpoints)
        assert (loaded.step if loaded else 0) == attempt
        assert bool((tensor == attempt).all())
        save(checkpoints, attempt + 1)
        checkpoints._copies.next_staging()  # killed at the start of the next save
        shutil.rmtree(tmp_path / "disk")


def test_a_copy_with_values_that_are_no_numbers_is_passed_over(tmp_path):
    node = folder(tmp_path / "node")
    checkpoints = open_checkpoints(tmp_path, node)
    save(checkpoints, 1)
    checkpoints.save(step=2, tensors={"a": torch.full((3, 5), float("nan"))}, facts={})
    checkpoints.wait()
    loaded, tensor = load(open_checkpoints(tmp_path, node))
    assert (loaded.step, loaded.source) == (1, "disk")
    assert (
        "copy of step 2 in memory is unfit: a has values that are not finite" in loaded.messages[0]
    )
    assert bool((tensor == 1).all())


def test_going_back_forgets_later_copies(tmp_path):
    node = folder(tmp_path / "node")
    checkpoints = open_checkpoints(tmp_path, node)
    for step in (1, 2):
        save(checkpoints, step)
    checkpoints.drop_after(1)
    loaded, _ = load(open_checkpoints(tmp_path, node))
    assert loaded.step == 1


def test_without_room_for_copies_that_is_said_and_the_disk_alone_is_used(tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", no_room)
    said = []
    node = folder(tmp_path / "node")
    monkeypatch.setattr("lodesmith.parallel.checkpoint.disk.LocalFiles.write", lambda *_: None)
    save(open_checkpoints(tmp_path, node, said), 1)
    assert "too little memory for second copies" in said[0]
    assert not list(node.glob("*.json"))


@given(st.lists(st.integers(1, 4), min_size=2, max_size=5))
def test_copies_go_to_another_node_and_each_rank_gets_one(sizes):
    folders = [node for node, size in enumerate(sizes) for _ in range(size)]
    pairs = [partners(folders, rank) for rank in range(len(folders))]
    assert sorted(target for target, _ in pairs) == list(range(len(folders)))
    assert all(pairs[target][1] == rank for rank, (target, _) in enumerate(pairs))
    if max(sizes) <= len(folders) / 2:
        assert all(folders[rank] != folders[target] for rank, (target, _) in enumerate(pairs))


def test_a_memory_folder_ends_with_its_owner_or_at_the_next_start_if_that_was_killed(tmp_path):
    with open_memory_folder(tmp_path) as mine:
        (mine / "own-00000-0").write_bytes(b"x")
        assert mine.stat().st_mode & 0o077 == 0
        code = (
            "import pathlib, time\n"
            "from lodesmith.parallel.memory_folder import open_memory_folder\n"
            f"with open_memory_folder(pathlib.Path({str(tmp_path)!r})) as folder:\n"
            "    (folder / 'own').write_bytes(b'x')\n"
            "    time.sleep(600)\n"
        )
        other = subprocess.Popen([sys.executable, "-c", code])
        while not list(tmp_path.glob("*/own")):
            time.sleep(0.05)
        with open_memory_folder(tmp_path):
            assert len(list(tmp_path.iterdir())) == 3
        other.kill()
        other.wait()
        with open_memory_folder(tmp_path) as last:
            assert set(tmp_path.iterdir()) == {mine, last}
    assert list(tmp_path.iterdir()) == []


def test_a_system_without_such_memory_gives_none(tmp_path):
    with open_memory_folder(tmp_path / "none") as folder:
        assert folder is None

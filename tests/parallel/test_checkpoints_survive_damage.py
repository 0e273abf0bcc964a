"""Checkpoints: what comes back is what went in, or the one before it, and that is said."""

import json
import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.core.errors import DamagedArtifactError, EngineError, UserError
from lodesmith.parallel.checkpoint import Checkpoints, Retention
from lodesmith.parallel.checkpoint.whole import StoredCheckpoint

TENSORS = {
    "weight.a": torch.arange(6.0).reshape(2, 3),
    "weight.b": torch.arange(20_000, dtype=torch.bfloat16),
    "mean": torch.tensor(1 / 7, dtype=torch.float64),
    "random": torch.arange(5, dtype=torch.uint8),
    "mask": torch.tensor([True, False, True]),
}


def state(step):
    return {
        name: tensor + step if tensor.is_floating_point() else tensor.clone()
        for name, tensor in TENSORS.items()
    }


def save(checkpoints, step):
    checkpoints.save(step=step, tensors=state(step), facts={"loss": step / 3})
    checkpoints.wait()


def load(folder, **wanted):
    tensors = {name: torch.zeros_like(tensor) for name, tensor in TENSORS.items()}
    return Checkpoints(folder).load(tensors, **wanted), tensors


def equal(tensors, step):
    return all(torch.equal(tensor, state(step)[name]) for name, tensor in tensors.items())


def steps_in(folder):
    return sorted(path.name for path in folder.glob("step-*"))


def test_what_was_saved_comes_back(tmp_path):
    save(Checkpoints(tmp_path), 5)
    loaded, tensors = load(tmp_path)
    assert (loaded.step, loaded.facts, loaded.messages) == (5, {"loss": 5 / 3}, [])
    assert equal(tensors, 5)


def test_no_checkpoint_is_none(tmp_path):
    assert load(tmp_path)[0] is None


def test_the_last_and_every_so_many_steps_are_kept(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=Retention(last=2, every_steps=4))
    for step in (2, 4, 6, 8, 10, 11):
        save(checkpoints, step)
    assert [int(name[5:]) for name in steps_in(tmp_path)] == [4, 8, 10, 11]


def test_the_state_may_change_as_soon_as_save_returns(tmp_path):
    checkpoints, tensors = Checkpoints(tmp_path), state(1)
    progress = {"loss": 1 / 3}
    checkpoints.save(step=1, tensors=tensors, facts=progress)
    for tensor in tensors.values():
        tensor.zero_()
    progress["loss"] = 9.0
    checkpoints.wait()
    loaded, restored = load(tmp_path)
    assert loaded.facts == {"loss": 1 / 3}
    assert equal(restored, 1)


def test_a_second_save_waits_for_the_first(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step=step, tensors=state(step), facts={})
    assert load(tmp_path)[0].step == 3


def test_every_file_is_safetensors_that_other_programs_read(tmp_path):
    from safetensors.torch import load_file

    save(Checkpoints(tmp_path), 5)
    (path,) = tmp_path.glob("step-*/part-*.safetensors")
    assert equal(load_file(path), 5)


def test_what_a_kill_left_half_written_is_no_checkpoint(tmp_path):
    save(Checkpoints(tmp_path), 1)
    half = tmp_path / "step-00000002"
    shutil.copytree(tmp_path / "step-00000001", half)
    (half / "committed.json").unlink()
    assert load(tmp_path)[0].step == 1
    save(Checkpoints(tmp_path), 3)
    assert steps_in(tmp_path) == ["step-00000001", "step-00000003"]


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from(["part-*", "manifest-*", "committed.json"]),
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    how=st.sampled_from(["flip", "cut", "lose"]),
)
def test_any_damage_to_the_last_brings_back_the_one_before(name, place, bit, how):
    folder = Path(tempfile.mkdtemp())
    try:
        checkpoints = Checkpoints(folder)
        save(checkpoints, 1)
        save(checkpoints, 2)
        (path,) = (folder / "step-00000002").glob(name)
        data = bytearray(path.read_bytes())
        offset = int(place * len(data))
        if how == "cut":
            del data[offset:]
        else:
            data[offset] ^= 1 << bit
        path.unlink()
        if how != "lose":
            path.write_bytes(data)
        loaded, tensors = load(folder)
        assert equal(tensors, loaded.step)
        assert loaded.facts == {"loss": loaded.step / 3}
        if loaded.step == 2:  # a header that nothing is read from, or a space between JSON values
            assert how == "flip"
            assert name == "committed.json" or (name == "part-*" and offset < 4096)
        elif (name, how) != ("committed.json", "lose"):  # that is one never committed
            assert "step-00000002 is damaged" in loaded.messages[0]
    finally:
        shutil.rmtree(folder)


def test_damage_to_all_is_told_apart_from_a_fresh_start_and_changes_nothing(tmp_path):
    save(Checkpoints(tmp_path), 3)
    next(tmp_path.glob("step-*/part-*")).unlink()
    loaded, tensors = load(tmp_path)
    assert (loaded.step, loaded.facts, len(loaded.messages)) == (0, {}, 1)
    assert not any(tensor.any() for tensor in tensors.values())


def test_a_damaged_checkpoint_is_replaced_by_a_whole_one_of_the_same_step(tmp_path):
    save(Checkpoints(tmp_path), 3)
    next(tmp_path.glob("step-*/part-*")).unlink()
    save(Checkpoints(tmp_path), 3)
    loaded, _ = load(tmp_path)
    assert (loaded.step, loaded.messages) == (3, [])


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_no_numbers_are_neither_committed_nor_loaded(tmp_path, monkeypatch, value):
    said = []
    checkpoints = Checkpoints(tmp_path, say=said.append)
    save(checkpoints, 1)
    bad = state(2)
    bad["weight.b"][7] = value
    checkpoints.save(step=2, tensors=bad, facts={})
    checkpoints.wait()
    assert said == ["step 2 is not saved: weight.b has values that are not finite"]
    assert steps_in(tmp_path) == ["step-00000001"]
    target = "lodesmith.parallel.checkpoint.part_file.Staging.find_not_finite"
    monkeypatch.setattr(target, lambda staging: None)
    checkpoints.save(step=2, tensors=bad, facts={})
    checkpoints.wait()
    loaded, tensors = load(tmp_path)
    assert "step-00000002 is damaged" in loaded.messages[0]
    assert "weight.b has values that are not finite" in loaded.messages[0]
    assert equal(tensors, 1)


def test_going_back_drops_what_came_after(tmp_path):
    checkpoints = Checkpoints(tmp_path, keep=Retention(last=9))
    for step in (1, 2, 3):
        save(checkpoints, step)
    checkpoints.drop_after(2)
    loaded, tensors = load(tmp_path)
    assert loaded.step == 2
    assert equal(tensors, 2)
    assert steps_in(tmp_path) == ["step-00000001", "step-00000002"]


def test_checkpoints_of_another_run_or_model_are_refused(tmp_path):
    save(Checkpoints(tmp_path), 1)
    with pytest.raises(UserError, match="run with other settings"):
        load(tmp_path, expect={"loss": 7})
    checkpoints = Checkpoints(tmp_path)
    with pytest.raises(UserError, match=r"another model: its weight.a is F32 of shape \(2, 3\)"):
        checkpoints.load({"weight.a": torch.zeros(3, 2)})
    with pytest.raises(UserError, match=r"another model: it has no weight.c"):
        checkpoints.load({"weight.c": torch.zeros(3, 2)})


def test_a_full_disk_is_said_and_stops_the_run_only_if_it_stays_full(tmp_path, monkeypatch):
    said = []
    checkpoints = Checkpoints(tmp_path, say=said.append)
    save(checkpoints, 1)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lodesmith.parallel.checkpoint.disk._write_all", full)
        save(checkpoints, 2)
        save(checkpoints, 3)
    assert len(said) == 2
    assert "no space left on the disk while saving the checkpoint of step 2" in said[0]
    assert steps_in(tmp_path) == ["step-00000001"]
    save(checkpoints, 4)
    assert load(tmp_path)[0].step == 4
    monkeypatch.setattr("lodesmith.parallel.checkpoint.disk._write_all", full)
    save(checkpoints, 5)
    save(checkpoints, 6)
    with pytest.raises(EngineError, match="3 saves in a row of this run failed, so it stops"):
        save(checkpoints, 7)
    assert load(tmp_path)[0].step == 4


def test_a_disk_that_is_full_from_the_start_stops_the_run_at_once(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lodesmith.parallel.checkpoint.disk._write_all", full)
    with pytest.raises(EngineError, match="no space left on the disk"):
        save(Checkpoints(tmp_path, say=lambda _: None), 1)


def test_of_two_runs_that_write_into_one_folder_the_older_stops(tmp_path):
    said = []
    older = Checkpoints(tmp_path, say=said.append)
    save(older, 1)
    newer = Checkpoints(tmp_path)
    save(newer, 2)
    save(older, 3)
    assert "another run has begun to write checkpoints" in said[0]
    assert load(tmp_path)[0].step == 2


def test_whole_tensors_come_out_without_ranks(tmp_path):
    save(Checkpoints(tmp_path), 5)
    weights = dict(StoredCheckpoint(tmp_path).tensors("weight."))
    assert weights.keys() == {"a", "b"}
    assert torch.equal(weights["a"], state(5)["weight.a"])
    (path,) = tmp_path.glob("step-*/part-*")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(DamagedArtifactError, match="not what was written"):
        dict(StoredCheckpoint(tmp_path).tensors(""))


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"files": [["../part", 10, None]]},
        {"tensors": {"a": ["F32", [2], [[0, 4096, [0], [99]]]]}},
        {"tensors": {"a": ["F32", [2], [[0, 1 << 60, [0], [2]]]]}},
        {"tensors": {"a": ["F32", [2], [[0, 4096, [0], [1]]]]}},
        {"tensors": {"a": ["F32", [2], [[-5, 4096, [0], [2]]]]}},
        {"tensors": {"a": ["NONE", [2], []]}},
        {"step": 8},
    ],
)
def test_a_wrong_manifest_is_damage_not_a_crash(tmp_path, change):
    import hashlib

    save(Checkpoints(tmp_path), 5)
    (path,) = tmp_path.glob("step-*/manifest-*")
    path.write_text(json.dumps({**json.loads(path.read_bytes()), **change}))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    (path.parent / "committed.json").write_text(
        json.dumps({"manifest": path.name, "sha256": digest})
    )
    assert "is damaged and passed over" in load(tmp_path)[0].messages[0]


@pytest.mark.parametrize("place", ["memory://bucket/run/checkpoints"])
def test_object_storage_holds_the_same(place):
    import fsspec

    fsspec.filesystem("memory").store.clear()
    checkpoints = Checkpoints(place)
    for step in (1, 2, 3):
        save(checkpoints, step)
    loaded, tensors = load(place)
    assert loaded.step == 3
    assert equal(tensors, 3)
    files = fsspec.filesystem("memory").find("/bucket")
    assert {name.split("/")[-2] for name in files if "step" in name} == {
        "step-00000002",
        "step-00000003",
    }
    (part,) = (name for name in files if "step-00000003/part" in name)
    fsspec.filesystem("memory").pipe_file(part, b"short")
    loaded, tensors = load(place)
    assert "step-00000003 is damaged" in loaded.messages[0]
    assert equal(tensors, 2)

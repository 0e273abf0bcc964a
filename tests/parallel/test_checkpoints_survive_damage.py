"""Checkpoints: what comes back is what went in, or the one before it."""

import shutil
import tempfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lodesmith.parallel.checkpoint import list_checkpoints, load_checkpoint, save_checkpoint


def save(folder, step):
    tensors = {"weight": torch.arange(6.0).reshape(2, 3) + step, "mean": torch.tensor(step / 7)}
    save_checkpoint(folder, step=step, tensors=tensors, facts={"loss": step / 3})


def test_what_was_saved_comes_back(tmp_path):
    save(tmp_path, 5)
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert (loaded.step, loaded.facts, loaded.damaged) == (5, {"loss": 5 / 3}, [])
    assert torch.equal(loaded.tensors["weight"], torch.arange(6.0).reshape(2, 3) + 5)
    assert torch.equal(loaded.tensors["mean"], torch.tensor(5 / 7))


def test_no_checkpoint_is_none(tmp_path):
    assert load_checkpoint(tmp_path) is None


def test_the_last_two_are_kept(tmp_path):
    for step in (1, 2, 10):
        save(tmp_path, step)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000002", "step-00000010"]


def test_what_a_kill_left_half_written_is_no_checkpoint(tmp_path):
    save(tmp_path, 1)
    half = tmp_path / "unfinished"
    half.mkdir()
    (half / "tensors.safetensors").write_bytes(b"half")
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded.step == 1
    save(tmp_path, 2)
    assert not half.exists()


@settings(deadline=None, max_examples=40)
@given(
    name=st.sampled_from(["tensors.safetensors", "facts.json", "checksums.json"]),
    place=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    cut=st.booleans(),
)
def test_any_damage_to_the_last_brings_back_the_one_before(name, place, bit, cut):
    folder = Path(tempfile.mkdtemp())
    try:
        save(folder, 1)
        save(folder, 2)
        path = folder / "step-00000002" / name
        data = bytearray(path.read_bytes())
        offset = int(place * len(data))
        if cut:
            del data[offset:]
        else:
            data[offset] ^= 1 << bit
        path.write_bytes(data)
        loaded = load_checkpoint(folder)
        assert loaded is not None
        if loaded.step == 2:  # only a space or line end between JSON values may go unnoticed
            assert name == "checksums.json"
            assert loaded.facts == {"loss": 2 / 3}
        else:
            assert (loaded.step, loaded.damaged) == (1, ["step-00000002"])
            assert torch.equal(loaded.tensors["weight"], torch.arange(6.0).reshape(2, 3) + 1)
    finally:
        shutil.rmtree(folder)


def test_damage_to_all_is_told_apart_from_a_fresh_start(tmp_path):
    save(tmp_path, 3)
    (tmp_path / "step-00000003" / "tensors.safetensors").unlink()
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert (loaded.step, loaded.tensors, loaded.damaged) == (0, {}, ["step-00000003"])


def test_a_damaged_checkpoint_is_replaced_by_a_whole_one_of_the_same_step(tmp_path):
    save(tmp_path, 3)
    (tmp_path / "step-00000003" / "facts.json").write_text("{")
    save(tmp_path, 3)
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert (loaded.step, loaded.damaged) == (3, [])


def test_a_failed_write_leaves_the_last_checkpoint(tmp_path, monkeypatch):
    save(tmp_path, 1)

    def full_disk(path, value):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lodesmith.parallel.checkpoint.write_json", full_disk)
    with pytest.raises(OSError, match="No space"):
        save(tmp_path, 2)
    loaded = load_checkpoint(tmp_path)
    assert loaded is not None
    assert loaded.step == 1

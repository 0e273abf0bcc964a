"""Checkpoints on a server that speaks S3: committed by a conditional put, read by ranges."""

import fsspec
import pytest
import torch
from s3_server import NEEDS_S3, local_s3

from lodesmith.parallel.boxes import Box
from lodesmith.parallel.checkpoint import Checkpoints
from lodesmith.parallel.checkpoint.part_file import Held
from lodesmith.parallel.checkpoint.reading import checked_windows, read_parts
from lodesmith.parallel.checkpoint.shelf import folder_of
from lodesmith.parallel.checkpoint.whole import StoredCheckpoint

pytestmark = NEEDS_S3

SHAPE = (6000, 1000)  # 24 MB: sent in parts


@pytest.fixture
def place(monkeypatch):
    with local_s3(monkeypatch) as bucket:
        yield f"{bucket}/run/checkpoints"


def save(checkpoints, step):
    tensors = {"a": torch.arange(6e6).view(SHAPE) + step, "b": torch.tensor(float(step))}
    checkpoints.save(step=step, tensors=tensors, facts={"step": step})
    checkpoints.wait()


def load(place):
    tensors = {"a": torch.zeros(SHAPE), "b": torch.zeros(())}
    return Checkpoints(place).load(tensors), tensors


def test_saved_kept_damaged_and_loaded(place):
    with Checkpoints(place) as checkpoints:
        for step in (1, 2, 3):
            save(checkpoints, step)
    loaded, tensors = load(place)
    assert (loaded.step, loaded.facts, loaded.messages) == (3, {"step": 3}, [])
    assert torch.equal(tensors["a"], torch.arange(6e6).view(SHAPE) + 3)
    system = fsspec.filesystem("s3")
    files = system.find("bucket/run")
    assert {name.split("/")[3] for name in files if "step-" in name} == {folder_of(2), folder_of(3)}
    (part,) = (name for name in files if f"{folder_of(3)}/part" in name)
    data = bytearray(system.cat_file(part))
    data[5_000_000] ^= 1
    system.pipe_file(part, bytes(data))
    loaded, tensors = load(place)
    assert f"{folder_of(3)} is damaged" in loaded.messages[0]
    assert float(tensors["b"]) == loaded.step == 2


def test_only_the_needed_ranges_are_asked_for(place, monkeypatch):
    save(Checkpoints(place), 1)
    stored = StoredCheckpoint(place)
    asked, shelf = [], stored._shelf
    ask = shelf.files._system.cat_ranges

    def cat_ranges(paths, starts, stops, **options):
        asked.extend(stop - start for start, stop in zip(starts, stops, strict=True))
        return ask(paths, starts, stops, **options)

    monkeypatch.setattr(shelf.files._system, "cat_ranges", cat_ranges)
    windows = checked_windows(folder_of(1), stored.manifest, shelf.files)
    part = Box((2000, 0), (100, 1000))
    found = read_parts([Held("a", "F32", SHAPE, part)], stored.manifest, windows)
    assert torch.equal(found["a"], (torch.arange(6e6).view(SHAPE) + 1)[part.slices])
    assert sum(asked) <= 400_000 + 2 * 65_536


def test_of_two_runs_in_one_place_the_older_stops(place):
    said = []
    older, newer = Checkpoints(place, say=said.append), Checkpoints(place)
    save(older, 1)
    save(newer, 2)
    save(older, 3)
    assert "another run has begun to write checkpoints" in said[0]
    assert load(place)[0].step == 2

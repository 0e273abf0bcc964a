"""What `lodesmith doctor --speed` measures, and what it says of it."""

import pytest
from tiny_training import SHAPE

from lodesmith.pipeline.doctor import examine_speed
from lodesmith.train import rehearsal
from lodesmith.train.config import TrainingConfig
from lodesmith.train.rehearsal import rehearse, ways_to_train


def test_every_way_is_a_setting_that_a_recipe_may_have():
    assert list(ways_to_train(1)) == ["parallel: {}"]
    for cores in (1, 2, 3, 6, 64):
        ways = ways_to_train(cores)
        for way in ways.values():
            assert way.num_ranks <= max(cores, 1)
            TrainingConfig.model_validate({"max_steps": 1, **way.settings})
    assert ways["parallel: {data_parallel_replicate_size: 16}"].num_ranks == 16


@pytest.mark.dist
def test_each_way_is_trained_in_and_nothing_is_left(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(rehearsal.tempfile, "tempdir", None)
    monkeypatch.setattr(rehearsal, "count_free_cores", lambda: 1)
    monkeypatch.setattr(rehearsal, "_STEPS", 3)
    monkeypatch.setattr(rehearsal, "_SHAPE", SHAPE)
    rates = rehearse()
    assert list(rates) == ["parallel: {}"]
    assert rates["parallel: {}"] > 0
    assert list(tmp_path.glob("lodesmith-*")) == []


def test_the_quickest_way_is_named_with_what_to_write(monkeypatch):
    rates = {"num_ranks: 2": 200.0, "parallel: {}": 100.0}
    monkeypatch.setattr(rehearsal, "rehearse", lambda: rates)
    assert "num_ranks: 2 is the quickest, which num_ranks: auto takes" in examine_speed()["says"]
    rates["parallel: {}"] = 300.0
    assert "so write pretrain.parallel: {} (auto keeps two ranks" in examine_speed()["says"]

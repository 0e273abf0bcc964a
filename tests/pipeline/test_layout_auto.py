"""`pretrain.parallel=auto`: the planner is asked, and the trainer gets sizes."""

import pytest
from tiny_life import write_life

from lodesmith.core.errors import UserError
from lodesmith.parallel.config import ParallelConfig
from lodesmith.pipeline import layouts, run
from lodesmith.pipeline.recipe import read_recipe


def settled(monkeypatch: pytest.MonkeyPatch, *, cores: int, overrides: list[str]):
    monkeypatch.setattr(layouts, "count_free_cores", lambda: cores)
    loaded = read_recipe("quickstart", ["pretrain.parallel=auto", *overrides])
    pretrain = run._resolve(loaded).recipe.pretrain
    assert pretrain is not None
    return pretrain.parallel


@pytest.mark.parametrize("cores", [1, 2])
def test_a_model_that_one_or_two_cores_hold_whole_keeps_its_bits(monkeypatch, cores: int):
    assert settled(monkeypatch, cores=cores, overrides=[]) is None


def test_four_cores_get_a_layout_with_sizes(monkeypatch):
    layout = settled(monkeypatch, cores=4, overrides=["pretrain.global_batch_size=16"])
    assert layout == ParallelConfig(data_parallel_replicate_size=4)


def test_sizes_that_are_given_stay(monkeypatch):
    given = ["pretrain.parallel={data_parallel_shard_size: 2}"]
    assert settled(monkeypatch, cores=4, overrides=given) == ParallelConfig(
        data_parallel_shard_size=2
    )


def test_a_batch_that_no_layout_suits_is_refused(monkeypatch):
    with pytest.raises(UserError, match="parallel: no layout of this model suits 1 rank "):
        settled(monkeypatch, cores=2, overrides=["pretrain.global_batch_size=6"])


def test_a_layout_that_does_not_fit_is_refused_before_any_data_is_made(tmp_path):
    recipe, workspace = write_life(tmp_path), tmp_path / "workspace"
    given = ["pretrain.parallel={tensor_parallel_size: 3}"]
    with pytest.raises(UserError, match=r"num_attention_heads \(2\) .* may be 2"):
        run.run(str(recipe), overrides=given, workspace=workspace)
    assert not list(workspace.rglob("receipt.json"))

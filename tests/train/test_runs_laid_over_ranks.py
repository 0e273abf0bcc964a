"""Runs whose model is laid over ranks: the weights of one process, whatever the layout."""

import json
from dataclasses import replace

import pytest
from distributed_runs import run_distributed
from hypothesis import given
from hypothesis import strategies as st
from layout_runs import disagree, relative_distance, train_until
from tiny_training import LAYERED, laid_out_job

from lodesmith.core.config import validate
from lodesmith.core.errors import UserError
from lodesmith.core.gpus import Gpu
from lodesmith.core.yaml_text import parse_yaml
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.parallel.config import ParallelConfig
from lodesmith.parallel.data_parallel import own_parts
from lodesmith.parallel.ranks import Ranks
from lodesmith.pipeline.recipe import Recipe
from lodesmith.train.ahead import memory, memory_check
from lodesmith.train.ahead.checks import check_job
from lodesmith.train.config import TrainingConfig, settle_layout
from lodesmith.train.objectives.objective import make_objective
from lodesmith.train.ranks.launch import run_training
from lodesmith.train.record.metrics import read_metrics

DP, SHARD, TP, PP = (
    "data_parallel_replicate_size",
    "data_parallel_shard_size",
    "tensor_parallel_size",
    "pipeline_parallel_size",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run in one process, its model whole."""
    job = laid_out_job(tmp_path_factory.mktemp("whole"), num_ranks=1)
    return job, run_training(job)


@pytest.mark.dist
@pytest.mark.slow
def test_eight_processes_end_with_the_weights_of_one(tmp_path, whole):
    one, facts = whole
    job = laid_out_job(tmp_path, parallel={SHARD: 2, TP: 2, PP: 2})
    eight = run_training(job)
    assert relative_distance(one.model_folder, job.model_folder) < 1e-5
    assert eight == {**facts, "first_loss": pytest.approx(facts["first_loss"], rel=1e-5),
                     "final_loss": pytest.approx(facts["final_loss"], rel=1e-5)}  # fmt: skip
    losses = [[record["loss"] for record in read_metrics(run.metrics_file)] for run in (one, job)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


@pytest.mark.dist
def test_a_run_begun_on_one_layout_ends_on_another(tmp_path, whole):
    one, _ = whole
    begun = laid_out_job(tmp_path, parallel={TP: 2})
    run_distributed(train_until, 2, begun, 6)
    ended = laid_out_job(tmp_path, parallel={SHARD: 2})
    assert run_distributed(train_until, 2, ended, None)[0] == 4  # where the checkpoint was
    assert relative_distance(one.model_folder, ended.model_folder) < 1e-5
    assert [record["step"] for record in read_metrics(ended.metrics_file)] == [*range(1, 13)]


@pytest.mark.dist
def test_ranks_of_other_settings_or_code_are_refused_before_step_0():
    for what in ("settings", "code version"):
        for said in run_distributed(disagree, 2, what):
            assert f"ranks disagree on {what}: rank" in said
    assert run_distributed(disagree, 2, "nothing") == ["", ""]


def test_a_layout_that_does_not_fit_is_refused_before_any_rank_starts(tmp_path):
    job = laid_out_job(tmp_path, parallel={TP: 3, PP: 8})
    with pytest.raises(UserError) as caught:
        run_training(job)
    assert "num_attention_heads (4) is not a multiple of tensor_parallel_size (3)" in str(caught)
    assert "8 pipeline stages cannot share 4 layers" in str(caught.value)
    assert not list(job.scratch.iterdir())


def test_too_little_memory_is_told_before_any_rank_starts(tmp_path, monkeypatch):
    job = laid_out_job(tmp_path, parallel={SHARD: 2})
    check_job(job, num_ranks=2)
    monkeypatch.setattr(memory_check, "free_bytes", lambda: 300 << 20)
    with pytest.raises(UserError, match=r"about 5\d\d MB of memory is needed for 2 ranks, but 315"):
        run_training(job)
    assert not list(job.scratch.iterdir())


def test_a_sharded_rank_needs_less_memory_than_a_whole_model():
    shape = LAYERED.model_copy(update={"hidden_size": 4096, "vocab_size": 100_000})
    needs = []
    for size in (None, 1, 2, 8):
        parallel = size and {SHARD: size}
        config = TrainingConfig(
            max_steps=1, global_batch_size=16, micro_batch_size=2, parallel=parallel
        )
        needs.append(memory.estimate_rank(shape, config).state)
    assert needs == sorted(needs, reverse=True)
    assert needs[3] == needs[1] / 8


def test_what_is_computed_again_and_a_gradient_less_need_less_memory():
    shape = LAYERED.model_copy(update={"hidden_size": 1024, "num_hidden_layers": 16})
    config = TrainingConfig(max_steps=1, global_batch_size=16, micro_batch_size=8)
    totals = [
        memory.estimate_rank(
            shape, config.model_copy(update={"activation_checkpointing": kind})
        ).total
        for kind in ("none", "selective", "full")
    ]
    assert totals == sorted(totals, reverse=True)
    one, two = (memory.estimate_rank(shape, config, num_ranks=ranks) for ranks in (1, 2))
    assert two.state < one.state
    assert two.checkpoint == one.checkpoint / 2  # each writes half
    spread = config.model_copy(update={"parallel": ParallelConfig(data_parallel_shard_size=2)})
    big = shape.model_copy(update={"vocab_size": 1_000_000, "hidden_size": 64})
    rank = memory.estimate_rank(big, spread.model_copy(update={"micro_batch_size": 1}))
    assert rank.model == 4 * big.num_parameters  # rank 0 collects it


def test_gradients_that_outlive_a_micro_batch_leave_holes_and_norms_are_not_shared():
    shape = LAYERED.model_copy(update={"hidden_size": 1024})
    config = TrainingConfig(max_steps=1, global_batch_size=16, micro_batch_size=8)

    def estimate(**layout):
        parallel = ParallelConfig(**layout)
        return memory.estimate_rank(shape, config.model_copy(update={"parallel": parallel}))

    one, several = estimate(data_parallel_shard_size=2), estimate()
    assert one.holes == 0
    assert several.holes == several.activations + 4 * shape.num_parameters
    assert estimate(pipeline_parallel_size=2).holes == 0  # whose micro-batches overlap anyway
    assert several.activations / 2 < estimate(tensor_parallel_size=2).activations


def test_an_adapter_needs_no_gradients_of_what_is_frozen_and_4_bits_hold_it_in_less():
    shape = LAYERED.model_copy(update={"hidden_size": 4096, "intermediate_size": 11_008})
    config = TrainingConfig(max_steps=1, global_batch_size=16, micro_batch_size=1)
    adapter = AdapterShape(16, 32.0, ("q_proj", "down_proj"))
    beside = memory.Beside(adapter=adapter)
    whole, thin, rounded = (
        memory.estimate_rank(shape, config, beside=each)
        for each in (None, beside, replace(beside, quantize_base="nf4"))
    )
    outputs, inputs = shape.matrix_shapes()["down_proj"]
    queries, _ = shape.matrix_shapes()["q_proj"]
    num_trained = shape.num_hidden_layers * 16 * (outputs + inputs + queries + 4096)
    assert adapter.num_parameters(shape) == num_trained
    assert thin.state == 4 * shape.num_parameters + 5 * 4 * num_trained  # two gradient buffers
    assert thin.checkpoint == 3 * 4 * num_trained
    assert thin.state < whole.state / 4
    assert rounded.state < thin.state / 4


def test_a_model_too_large_for_its_gpu_is_told_with_figures(tmp_path, monkeypatch):
    gpu = Gpu(name="T", compute_capability=(9, 0), free_bytes=1 << 30, total_bytes=2 << 30)
    monkeypatch.setattr(memory_check, "find_gpus", lambda: [gpu])
    shape, config = LAYERED, TrainingConfig(max_steps=1, device="cuda")
    with pytest.raises(UserError, match=r"a rank needs about 1\.\d+ GB of its GPU, but 1\.07 GB"):
        memory_check.check_memory("t", shape, config, 1)
    monkeypatch.setattr(memory_check, "find_gpus", lambda: [replace(gpu, free_bytes=4 << 30)])
    memory_check.check_memory("t", shape, config, 1)


def test_recipes_take_a_layout_and_name_its_faults():
    text = "pretrain: {max_steps: 4, parallel: {tensor_paralel_size: 2, pipeline_parallel_size: 0}}"
    with pytest.raises(UserError) as caught:
        validate(Recipe, parse_yaml(text, origin="r.yaml"), origin="r.yaml")
    said = str(caught.value)
    assert "did you mean tensor_parallel_size?" in said
    assert "pretrain.parallel.pipeline_parallel_size" in said
    with pytest.raises(UserError, match=r"num_ranks .2. is for a model that is not laid over"):
        validate(
            Recipe,
            parse_yaml("pretrain: {max_steps: 4, num_ranks: 2, parallel: {}}", origin="r.yaml"),
            origin="r.yaml",
        )


def test_a_layout_of_auto_is_settled_and_does_not_change_the_artifact():
    auto = TrainingConfig(max_steps=4, parallel="auto")
    assert settle_layout(auto).parallel is None
    laid = TrainingConfig(max_steps=4, parallel=ParallelConfig(tensor_parallel_size=2))
    assert settle_layout(laid) == laid
    assert auto.identity() == laid.identity() == TrainingConfig(max_steps=4).identity()
    assert TrainingConfig.model_validate(json.loads(laid.model_dump_json())) == laid


def test_an_unknown_objective_is_refused():
    with pytest.raises(UserError, match=r"no objective guess; known are .*next-token"):
        make_objective("guess", {})


@given(
    replicas=st.integers(1, 3),
    shards=st.integers(1, 4),
    rows_each=st.integers(1, 5),
)
def test_the_ranks_of_every_layout_read_each_sample_of_a_batch_once(replicas, shards, rows_each):
    size = replicas * shards * rows_each
    read = []
    for rank in range(replicas * shards):
        read += range(size)[slice(rank, None, replicas * shards)]
    assert sorted(read) == list(range(size))
    parts = [part for rank in (0, 1) for part in own_parts(Ranks(rank=rank, num_ranks=2))]
    assert parts == list(own_parts(Ranks(rank=0, num_ranks=1)))

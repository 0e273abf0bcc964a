"""A plan's layout in the trainer's own words, and what the trainer cannot run."""

from dataclasses import replace

import pytest
import yaml

from lodesmith.parallel.config import ParallelConfig
from lodesmith.pipeline.planning import plan
from lodesmith.plan.hardware.load import load_cluster
from lodesmith.plan.report.result import plan_data
from lodesmith.plan.report.text import plan_text
from lodesmith.plan.search.search import search_layouts
from lodesmith.plan.search.trainer import explain_untrainable, parallel_section, section_text
from lodesmith.plan.workload.layout import Layout, Training
from lodesmith.plan.workload.shape import ModelShape, gpt_shape
from lodesmith.train.config import TrainingConfig

SMALL = ModelShape(
    kind="qwen3", vocab_size=4096, hidden_size=192, intermediate_size=512, num_hidden_layers=4,
    num_attention_heads=3, num_key_value_heads=1, head_dim=64, max_position_embeddings=512,
    tie_word_embeddings=False,
)  # fmt: skip
TRAINING = Training(global_batch_size=8, sequence_length=256, precision="fp32")


def test_the_section_splits_data_ranks_into_copies_and_shards():
    layout = Layout(
        tensor_parallel_size=8, data_parallel_size=32, data_parallel_shard_size=4,
        sharded="everything", micro_batch_size=2,
    )  # fmt: skip
    assert parallel_section(layout) == {
        "data_parallel_replicate_size": 8, "data_parallel_shard_size": 4,
        "tensor_parallel_size": 8,
    }  # fmt: skip


@pytest.mark.parametrize("num_experts", [0, 8])
def test_every_layout_found_is_a_section_that_the_parallel_room_accepts(num_experts: int):
    cluster, device = load_cluster("h100-node")
    shape = replace(
        SMALL, num_experts=num_experts, num_experts_per_tok=2 if num_experts else 0,
        moe_intermediate_size=128 if num_experts else 0, num_attention_heads=8,
    )  # fmt: skip
    training = Training(global_batch_size=64, sequence_length=16384, precision="bf16")
    ranking = search_layouts(shape, training, cluster=cluster, device=device)
    assert len(ranking.candidates) > 100
    if num_experts:  # expert ranks are taken from the tensor ranks too
        assert any(
            layout.expert_parallel_size > layout.data_parallel_size * layout.context_parallel_size
            for layout in (candidate.layout for candidate in ranking.candidates)
        )
    for candidate in ranking.candidates:
        section = ParallelConfig.model_validate(parallel_section(candidate.layout))
        assert section.num_ranks == candidate.layout.num_devices
        assert section.data_parallel_size == candidate.layout.data_parallel_size


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"data_parallel_size": 2},
        {"data_parallel_size": 8, "sharded": "everything"},
        {"pipeline_parallel_size": 2, "virtual_pipeline_size": 2},
        {"context_parallel_size": 4},
    ],
)
def test_what_the_parallel_room_accepts_is_trainable(changes):
    assert explain_untrainable(SMALL, Layout(**changes), TRAINING) is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"tensor_parallel_size": 2}, "num_attention_heads (3) is not a multiple"),
        ({"pipeline_parallel_size": 8}, "8 pipeline stages cannot share 4 layers"),
        ({"expert_parallel_size": 2, "data_parallel_size": 2}, "the model has no experts"),
        ({"activation_checkpointing": "alternate"}, "no alternate"),
        ({"micro_batch_size": 16}, "global_batch_size (8) is not a multiple of 16"),
    ],
)
def test_what_the_trainer_cannot_run_is_named(changes, words: str):
    reason = explain_untrainable(SMALL, Layout(**changes), TRAINING)
    assert reason is not None
    assert words in reason


def test_shapes_and_formats_that_are_only_planned_are_named():
    gpt = gpt_shape(
        hidden_size=64, num_hidden_layers=2, num_attention_heads=2, vocab_size=128,
        max_position_embeddings=64,
    )  # fmt: skip
    assert "kind gpt" in str(explain_untrainable(gpt, Layout(), TRAINING))
    assert "fp8" in str(explain_untrainable(SMALL, Layout(), replace(TRAINING, precision="fp8")))


def test_a_shape_that_the_model_room_refuses_is_planned_and_named():
    odd = replace(SMALL, head_dim=5)
    reason = explain_untrainable(odd, Layout(), TRAINING)
    assert reason is not None
    assert "head_dim" in reason


def test_text_and_json_carry_the_section_and_the_best_that_can_be_trained():
    result = plan("quickstart")
    data = plan_data(result)
    assert data["parallel"] == parallel_section(result.layout)
    assert section_text(result.layout, result.training.precision) in plan_text(result)
    assert result.best_trainable is not None
    assert data["best_trainable"]["untrainable"] is None
    assert "cannot run it" in plan_text(plan("mt-nlg-530b"))


def test_the_section_says_what_memory_and_time_were_counted_with():
    layout = Layout(tensor_parallel_size=2, activation_checkpointing="selective")
    settings = yaml.safe_load(section_text(layout, "bf16"))["pretrain"]
    assert settings == {
        "micro_batch_size": 1, "activation_checkpointing": "selective", "param_dtype": "bf16",
        "parallel": {"tensor_parallel_size": 2},
    }  # fmt: skip
    TrainingConfig.model_validate(
        {name: settings[name] for name in ("micro_batch_size", "activation_checkpointing")}
        | {"max_steps": 1, "param_dtype": settings["param_dtype"]}
    )

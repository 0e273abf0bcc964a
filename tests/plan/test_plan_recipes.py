"""`lodesmith plan` on the recipes that ship, from the recipe to text and JSON."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lodesmith
from lodesmith.core.errors import UserError
from lodesmith.pipeline.planning import plan, plan_json, plan_text
from lodesmith.pipeline.recipe import shipped_recipes
from lodesmith.plan.hardware.load import load_cluster


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_shipped_recipe_can_be_laid_out(name: str):
    result = plan(name)
    assert result.memory.total <= result.device_memory_gb * 1e9
    assert 0.01 < result.run.mfu < 0.7
    assert json.loads(plan_json(result))["recipe"] == name
    assert plan_text(result).startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("name", "billions"),
    [("small", 0.317), ("7b", 6.7), ("mt-nlg-530b", 530), ("yuan-245b", 245.7),
     ("mind-200b", 207)],
)  # fmt: skip
def test_a_recipe_has_the_size_it_is_named_for(name: str, billions: float):
    assert plan(name).parameters.total / 1e9 == pytest.approx(billions, rel=0.01)


@pytest.mark.parametrize("name", ["small", "7b"])
def test_recipes_for_gpus_train_twenty_tokens_a_parameter(name: str):
    assert plan(name).run.tokens_per_parameter == pytest.approx(20, rel=0.1)


def test_yuan_reaches_its_published_efficiency_within_a_tenth():
    # 44.8 % of peak with recomputation counted, which is a third more than model FLOPs.
    assert plan("yuan-245b").run.mfu * 4 / 3 == pytest.approx(0.448, rel=0.1)


def test_another_cluster_gets_another_layout():
    here, there = plan("yuan-245b"), plan("yuan-245b", cluster="selene-280")
    assert here.layout_is_given
    assert not there.layout_is_given
    assert (here.num_devices, there.num_devices) == (2128, 2240)


def test_what_the_command_line_says_holds_on_another_cluster_too():
    moved = plan("yuan-245b", cluster="selene-280", overrides=["plan.num_nodes=140"])
    assert moved.num_devices == 140 * load_cluster("selene-280")[0].devices_per_node
    with pytest.raises(UserError, match=r"plan.precision: .*A100.* has no fp4"):
        plan("7b", cluster="a100", overrides=["plan.precision=fp4"])
    laid = plan("7b", cluster="a100", overrides=["plan.parallel.tensor_parallel_size=4"])
    assert laid.layout_is_given
    assert laid.layout.tensor_parallel_size == 4


@pytest.mark.parametrize(
    ("recipe", "setting", "words"),
    [
        ("7b", "parallel.virtual_pipeline_size=2", "pipeline_parallel_size 1; leave the first at"),
        (
            "7b",
            "parallel.expert_parallel_size=2",
            r"0 experts, 8 ranks of a stage, not 2; nearest: 1",
        ),
        ("mt-nlg-530b", "sequence_length=4096", r"\(4096\) is more than max_position_.* 2048"),
        ("mt-nlg-530b", "architecture.num_key_value_heads=48", r"\(48\) must divide .*32 or 64 do"),
        ("mt-nlg-530b", "architecture.num_experts=8", r"per_tok \(0\) must lie between 1 and .*8"),
        ("mt-nlg-530b", "parallel.micro_batch_size=7", r"nearest batches: 1904 or 1960"),
    ],
)
def test_what_cannot_be_names_the_field_the_value_and_what_could(recipe, setting, words):
    with pytest.raises(UserError, match=words):
        plan(recipe, overrides=[f"plan.{setting}"])


def test_ranks_that_share_a_sequence_must_divide_its_half():
    three = ["plan.num_nodes=3", "plan.parallel.context_parallel_size=3"]
    with pytest.raises(UserError, match=r"4096 tokens, context 3; nearest: 2 or 4"):
        plan("7b", overrides=three)


def test_key_heads_that_do_not_divide_the_query_heads_name_the_nearest():
    with pytest.raises(UserError, match=r"heads \(33\) must be a multiple .*nearest: 32 or 40"):
        plan("7b", overrides=["model.num_attention_heads=33"])


def test_overrides_reach_the_plan():
    assert plan("quickstart", overrides=["plan.tokens=1e6"]).run.tokens == 1e6
    nodes = plan("7b", overrides=["plan.num_nodes=4"])
    assert nodes.cluster == f"4 nodes, each as in {plan('7b').cluster}"
    assert (nodes.recipe, nodes.num_devices) == ("7b", 32)


def test_the_room_itself_can_be_called():
    assert lodesmith.plan("quickstart").recipe == "quickstart"


def test_the_same_recipe_gives_the_same_json():
    assert plan_json(plan("7b")) == plan_json(plan("7b"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plan: {}\n", "no batch to plan"),
        ("plan: {global_batch_size: 8, sequence_length: 64}\n", "no training length to plan"),
        ("plan: {global_batch_size: 8, sequence_length: 64, tokens: 1e6}\n", "no network to plan"),
        ("plan: {cluster: moon, global_batch_size: 8, sequence_length: 64, tokens: 1e6,\n"
         "  architecture: {vocab_size: 99, hidden_size: 64, num_hidden_layers: 2,\n"
         "  num_attention_heads: 2, max_position_embeddings: 64}}\n", "no cluster moon"),
        ("plan: {architecture: {vocab_size: 99, hidden_size: 64, num_hidden_layers: 2,\n"
         "  num_attention_heads: 3, max_position_embeddings: 64}}\n",
         r"heads \(3\) must divide hidden_size \(64\); 2 or 4 do"),
    ],
)  # fmt: skip
def test_a_recipe_that_says_too_little_is_refused(text: str, message: str, tmp_path):
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        plan(str(path))


ASKED = st.fixed_dictionaries({}, optional={
    "num_nodes": st.sampled_from([1, 2, 3, 7, 1000, 10**6]),
    "tokens": st.sampled_from([1, 1e15, 1e30]),
    "global_batch_size": st.sampled_from([1, 7, 1000003]),
    "sequence_length": st.sampled_from([1, 2, 3, 1000, 131072]),
    "precision": st.sampled_from(["bf16", "fp32", "fp8", "fp4"]),
    "attention": st.sampled_from(["flash", "unfused"]),
    "device": st.sampled_from(["cpu", "tpu-v4", "ascend-910b", "gb300"]),
    "parallel.tensor_parallel_size": st.sampled_from([1, 3, 8, 64]),
    "parallel.pipeline_parallel_size": st.sampled_from([1, 5, 32]),
    "parallel.context_parallel_size": st.sampled_from([1, 2, 3]),
    "parallel.virtual_pipeline_size": st.sampled_from([1, 2]),
    "inference.tensor_parallel_size": st.sampled_from([1, 2, 3]),
})  # fmt: skip


@given(
    recipe=st.sampled_from(["7b", "mt-nlg-530b", "quickstart", "mind-200b"]),
    cluster=st.sampled_from([None, "h100", "two-sites", "laptop"]),
    asked=ASKED,
)
def test_whatever_is_asked_of_a_plan_is_answered_in_numbers_or_refused(recipe, cluster, asked):
    settings = [f"plan.{name}={value}" for name, value in asked.items()]
    try:
        found = plan(recipe, cluster=cluster, overrides=settings)
    except UserError:
        return
    assert plan_text(found)
    assert not re.search(r"NaN|Infinity", plan_json(found))

"""The search leaves out nothing that fits, and says why the rest drops out."""

from dataclasses import replace

import pytest

from lodesmith.core.errors import UserError
from lodesmith.plan.config import GivenLayout, PlanConfig
from lodesmith.plan.hardware.load import load_cluster, shipped
from lodesmith.plan.planner import make_plan
from lodesmith.plan.report.result import plan_data
from lodesmith.plan.report.text import plan_text
from lodesmith.plan.search.search import search_layouts
from lodesmith.plan.workload.layout import Training
from lodesmith.plan.workload.shape import ModelShape, gpt_shape

SEVEN_B = ModelShape(
    kind="llama", vocab_size=32000, hidden_size=4096, intermediate_size=11008,
    num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=32, head_dim=128,
    max_position_embeddings=4096, tie_word_embeddings=False,
)  # fmt: skip
TRAINING = Training(global_batch_size=256, sequence_length=4096, precision="bf16")


def plan_seven_b(**settings):
    return make_plan(
        "seven", shape=SEVEN_B, config=PlanConfig(cluster="h100-node", **settings),
        global_batch_size=256, sequence_length=4096, tokens=1e12,
    )  # fmt: skip


def test_every_layout_tried_either_fits_or_is_counted_with_a_reason():
    cluster, device = load_cluster("h100-node")
    ranking = search_layouts(SEVEN_B, TRAINING, cluster=cluster, device=device)
    assert ranking.num_fitting + sum(ranking.dropped.values()) == ranking.num_tried
    assert "needs more than the 85.5 GB of a device" in ranking.dropped


def test_every_candidate_fills_the_cluster_and_fits():
    cluster, device = load_cluster("h100-node")
    ranking = search_layouts(SEVEN_B, TRAINING, cluster=cluster, device=device)
    assert {candidate.layout.num_devices for candidate in ranking.candidates} == {8}
    assert all(candidate.memory.total <= device.memory_gb * 1e9 for candidate in ranking.candidates)


def test_candidates_are_ranked_by_step_time():
    cluster, device = load_cluster("h100-node")
    ranking = search_layouts(SEVEN_B, TRAINING, cluster=cluster, device=device)
    times = [candidate.step.total for candidate in ranking.candidates]
    assert times == sorted(times)
    assert len(times) > 1


def test_seven_billion_on_one_node_is_sharded_over_the_data_ranks():
    plan = plan_seven_b()
    assert plan.layout.tensor_parallel_size == 1
    assert plan.layout.sharded != "nothing"
    assert 0.3 < plan.run.mfu < 0.6  # published 7 B runs on H100 reach 0.35 to 0.55


def test_a_model_that_fits_nowhere_is_refused_with_the_least_memory():
    shape = gpt_shape(
        hidden_size=20480, num_hidden_layers=105, num_attention_heads=128, vocab_size=51200,
        max_position_embeddings=2048,
    )  # fmt: skip
    with pytest.raises(
        UserError, match=r"no layout of 1 x .*smallest needs [\d,]+ GB.*another plan.num_nodes"
    ):
        make_plan(
            "huge", shape=shape, config=PlanConfig(cluster="h100"), global_batch_size=8,
            sequence_length=2048, tokens=1e9,
        )  # fmt: skip


def test_a_given_layout_is_kept_and_a_faster_one_named():
    slow = GivenLayout(tensor_parallel_size=8, activation_checkpointing="full")
    plan = plan_seven_b(parallel=slow)
    assert plan.layout_is_given
    assert plan.layout.tensor_parallel_size == 8
    assert any("not the fastest" in line for line in plan.advice)
    assert plan.alternatives[0].step_seconds < plan.step.total


def test_a_given_layout_that_cannot_be_is_refused():
    with pytest.raises(UserError, match=r"parallel: 3 ranks .* 8 devices .*_size to 2 or 4$"):
        plan_seven_b(parallel=GivenLayout(tensor_parallel_size=3))
    with pytest.raises(UserError, match=r"set tensor_parallel_size to 8 or 4$"):  # nearest first
        plan_seven_b(parallel=GivenLayout(tensor_parallel_size=7))
    with pytest.raises(UserError, match=r"pipeline_parallel_size to 8, or plan.num_nodes to 2$"):
        plan_seven_b(parallel=GivenLayout(pipeline_parallel_size=16))
    with pytest.raises(UserError, match="does not divide the layers"):
        make_plan(
            "seven", shape=replace(SEVEN_B, num_hidden_layers=31),
            config=PlanConfig(
                cluster="h100-node", parallel=GivenLayout(pipeline_parallel_size=2)
            ),
            global_batch_size=256, sequence_length=4096, tokens=1e12,
        )  # fmt: skip


def test_a_precision_that_the_device_lacks_is_refused():
    with pytest.raises(UserError, match="has no bf16; it has fp32"):
        make_plan(
            "seven", shape=SEVEN_B, config=PlanConfig(cluster="laptop", precision="bf16"),
            global_batch_size=8, sequence_length=128, tokens=1e6,
        )  # fmt: skip


def test_an_unknown_cluster_names_the_nearest():
    with pytest.raises(UserError, match="no cluster h10; did you mean h100"):
        load_cluster("h10")


def test_a_cluster_and_its_device_can_be_files(tmp_path):
    device = (
        "name: D\npeak_tflops: {bf16: 100}\nmatmul_efficiency: 0.5\nattention_efficiency: 0.5\n"
        "memory_gb: 10\nreserved_gb: 1\nmemory_gb_per_second: 500\nmemory_efficiency: 0.8\n"
        "link_gb_per_second: 50\nkernel_seconds: 1e-6\nwatts: 100\nfault_hours: 1000\n"
    )
    (tmp_path / "mine.yaml").write_text(device)
    (tmp_path / "rack.yaml").write_text(
        "name: R\ndevice: mine.yaml\ndevices_per_node: 2\nnum_nodes: 3\nnetwork_gb_per_second: 5\n"
        "storage_gb_per_second: 1\nhost_watts_per_device: 10\nprice_per_device_hour: 1\n"
    )
    cluster, loaded = load_cluster(str(tmp_path / "rack.yaml"))
    assert (cluster.num_devices, loaded.name) == (6, "D")


@pytest.mark.parametrize("name", shipped("clusters"))
def test_every_shipped_cluster_is_sound(name: str):
    cluster, device = load_cluster(name)
    assert cluster.num_devices >= 1
    assert device.reserved_gb < device.memory_gb


def test_every_constant_of_a_shipped_device_names_its_source():
    folder = load_cluster.__globals__["_FOLDER"] / "devices"
    for path in sorted(folder.glob("*.yaml")):
        for line in path.read_text("utf-8").splitlines():
            if line.startswith(("#", "name:", "peak_tflops:")):
                continue
            assert " # " in line, f"{path.name}: {line}"


def test_the_json_has_totals_that_equal_their_parts():
    data = plan_data(plan_seven_b())
    for part in ("memory", "step"):
        values = dict(data[part])
        total = values.pop("total")
        assert sum(values.values()) == pytest.approx(total)


def test_the_text_names_memory_time_and_advice():
    text = plan_text(plan_seven_b())
    for words in ("6.74 G parameters", "Memory of the fullest device", "One step", "change first"):
        assert words in text
    assert max(len(line) for line in text.splitlines()) < 200


def test_shards_within_a_node_are_searched_and_spare_a_slow_network():
    cluster, device = load_cluster("h100-node")
    slow = cluster.model_copy(update={"num_nodes": 16, "network_gb_per_second": 2})
    training = Training(global_batch_size=128, sequence_length=4096, precision="bf16")
    ranking = search_layouts(SEVEN_B, training, cluster=slow, device=device)
    plain = [
        candidate
        for candidate in ranking.candidates
        if (candidate.layout.tensor_parallel_size, candidate.layout.pipeline_parallel_size)
        == (1, 1)
        and candidate.layout.sharded == "everything"
    ]
    hybrid = [each for each in plain if each.layout.data_parallel_shard_size == 8]
    whole = [each for each in plain if each.layout.data_parallel_shard_size is None]
    assert hybrid[0].step.total < whole[0].step.total
    assert hybrid[0].memory.weights > whole[0].memory.weights


def test_a_sequence_of_odd_length_can_be_planned_where_no_ranks_split_it():
    odd = replace(TRAINING, sequence_length=4095)
    cluster, device = load_cluster("h100-node")
    ranking = search_layouts(SEVEN_B, odd, cluster=cluster, device=device)
    assert ranking.candidates
    assert all(each.layout.context_parallel_size == 1 for each in ranking.candidates)

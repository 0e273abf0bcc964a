"""What must hold of every plan: better machines are never slower, and parts add up."""

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.plan.hardware.cluster import Cluster
from lodesmith.plan.hardware.device import Device
from lodesmith.plan.hardware.load import load_cluster
from lodesmith.plan.search.rules import explain_invalid
from lodesmith.plan.search.search import search_layouts
from lodesmith.plan.step.memory import MemoryUse, estimate_memory
from lodesmith.plan.step.step_time import StepTime, estimate_step_time
from lodesmith.plan.workload.layout import Layout, Training
from lodesmith.plan.workload.shape import ModelShape

CLUSTER, DEVICE = load_cluster("h100-node")
CLUSTER = CLUSTER.model_copy(update={"num_nodes": 4})

shapes = st.builds(
    ModelShape, kind=st.sampled_from(["llama", "gpt"]), vocab_size=st.just(51200),
    hidden_size=st.sampled_from([1024, 4096, 8192]), intermediate_size=st.just(8192),
    num_hidden_layers=st.sampled_from([8, 16, 32]), num_attention_heads=st.just(32),
    num_key_value_heads=st.sampled_from([8, 32]), head_dim=st.sampled_from([64, 128]),
    max_position_embeddings=st.just(4096), tie_word_embeddings=st.booleans(),
    num_experts=st.sampled_from([0, 8]), num_experts_per_tok=st.just(2),
    moe_intermediate_size=st.just(2048),
)  # fmt: skip
layouts = st.builds(
    Layout, tensor_parallel_size=st.sampled_from([1, 2, 4, 8]),
    pipeline_parallel_size=st.sampled_from([1, 2, 4]),
    sharded=st.sampled_from(["nothing", "optimizer", "gradients", "everything"]),
    activation_checkpointing=st.sampled_from(["none", "selective", "alternate", "full"]),
    context_parallel_size=st.sampled_from([1, 2, 4]),
    micro_batch_size=st.sampled_from([1, 2, 4]), sequence_parallel=st.booleans(),
).map(lambda layout: replace(layout, data_parallel_size=max(1, 32 // (
    layout.tensor_parallel_size * layout.pipeline_parallel_size
    * layout.context_parallel_size))))  # fmt: skip
TRAINING = Training(global_batch_size=128, sequence_length=2048, precision="bf16")


def seconds(
    shape: ModelShape, layout: Layout, *, cluster: Cluster = CLUSTER, device: Device = DEVICE
) -> float:
    return estimate_step_time(shape, layout, TRAINING, cluster=cluster, device=device).total


def better(device: Device, field: str, factor: float) -> Device:
    if field == "peak_tflops":
        peaks = {name: peak * factor for name, peak in device.peak_tflops.items()}
        return device.model_copy(update={field: peaks})
    return device.model_copy(update={field: getattr(device, field) * factor})


@given(
    shape=shapes,
    layout=layouts,
    field=st.sampled_from(["peak_tflops", "memory_gb_per_second", "link_gb_per_second"]),
    factor=st.floats(1.0, 10.0),
)
def test_a_better_device_is_never_slower(shape, layout, field: str, factor: float):
    faster = seconds(shape, layout, device=better(DEVICE, field, factor))
    assert faster <= seconds(shape, layout) * (1 + 1e-9)


@given(shape=shapes, layout=layouts, factor=st.floats(1.0, 20.0))
def test_a_faster_network_is_never_slower(shape, layout, factor: float):
    wider = CLUSTER.model_copy(
        update={"network_gb_per_second": CLUSTER.network_gb_per_second * factor}
    )
    assert seconds(shape, layout, cluster=wider) <= seconds(shape, layout) * (1 + 1e-9)


@given(gigabytes=st.integers(24, 400), more=st.integers(1, 200))
def test_more_memory_never_finds_a_slower_layout(gigabytes: int, more: int):
    shape = ModelShape(
        kind="llama", vocab_size=32000, hidden_size=4096, intermediate_size=11008,
        num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=32, head_dim=128,
        max_position_embeddings=4096, tie_word_embeddings=False,
    )  # fmt: skip
    small, large = (
        search_layouts(
            shape, TRAINING, cluster=CLUSTER,
            device=DEVICE.model_copy(update={"memory_gb": float(size)}),
        ).candidates
        for size in (gigabytes, gigabytes + more)
    )  # fmt: skip
    assert large
    assert large[0].step.total <= min((each.step.total for each in small), default=math.inf)


@given(tensor=st.sampled_from([16, 32]), shape=shapes, factor=st.floats(1.0, 20.0))
def test_a_group_that_spans_nodes_is_no_slower_on_a_faster_network_or_link(tensor, shape, factor):
    layout = Layout(tensor_parallel_size=tensor, data_parallel_size=32 // tensor)
    wider = CLUSTER.model_copy(
        update={"network_gb_per_second": CLUSTER.network_gb_per_second * factor}
    )
    plain = seconds(shape, layout) * (1 + 1e-9)
    assert seconds(shape, layout, cluster=wider) <= plain
    assert seconds(shape, layout, device=better(DEVICE, "link_gb_per_second", factor)) <= plain


@given(shape=shapes, layout=layouts)
def test_causes_are_never_negative_and_add_up(shape, layout):
    step = estimate_step_time(shape, layout, TRAINING, cluster=CLUSTER, device=DEVICE)
    causes = [getattr(step, field.name) for field in fields(StepTime)]
    assert min(causes) >= -1e-12
    assert sum(causes) == pytest.approx(step.total)


@given(shape=shapes, layout=layouts, reserved=st.floats(0, 1e10))
def test_memory_is_additive(shape, layout, reserved: float):
    memory = estimate_memory(shape, layout, TRAINING, reserved_bytes=reserved)
    causes = [getattr(memory, field.name) for field in fields(MemoryUse)]
    assert min(causes) >= 0
    assert sum(causes) == pytest.approx(memory.total)
    without = estimate_memory(shape, layout, TRAINING, reserved_bytes=0)
    assert memory.total - without.total == pytest.approx(reserved, abs=1)


@given(shape=shapes, layout=layouts)
def test_recomputing_more_never_needs_more_memory(shape, layout):
    modes = ("none", "selective", "alternate", "full")
    need = [
        estimate_memory(
            shape, replace(layout, activation_checkpointing=mode), TRAINING, reserved_bytes=0
        ).activations
        for mode in modes
    ]
    # While a layer is unfolded again it is held whole, which one layer alone makes up for.
    one = need[0] / (shape.num_hidden_layers / layout.pipeline_parallel_size)
    assert need[0] >= need[1]
    assert need[3] <= need[0] + one * (1 + 1e-9)


@pytest.mark.parametrize("devices", [8, 16, 32, 64])
def test_more_devices_never_need_more_time_where_the_share_of_each_stays(devices: int):
    # The batch grows with the devices, and so does the text learnt in a second.
    shape = ModelShape(
        kind="llama", vocab_size=32000, hidden_size=4096, intermediate_size=11008,
        num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=32, head_dim=128,
        max_position_embeddings=4096, tie_word_embeddings=False,
    )  # fmt: skip

    def rate(nodes: int) -> float:
        training = replace(TRAINING, global_batch_size=32 * nodes)
        cluster = CLUSTER.model_copy(update={"num_nodes": nodes})
        best = search_layouts(shape, training, cluster=cluster, device=DEVICE).candidates[0]
        return training.tokens_per_step / best.step.total

    assert rate(devices // 8 * 2) > rate(devices // 8)


@given(tensor=st.sampled_from([3, 5, 6, 7]))
def test_heads_that_tensor_ranks_do_not_divide_are_told(tensor: int):
    shape = ModelShape(
        kind="llama", vocab_size=32000, hidden_size=4096, intermediate_size=11008,
        num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=32, head_dim=128,
        max_position_embeddings=4096, tie_word_embeddings=False,
    )  # fmt: skip
    layout = Layout(tensor_parallel_size=tensor)
    reason = explain_invalid(shape, layout, TRAINING, cluster=CLUSTER)
    assert reason is not None
    assert "32 query heads" in reason
    assert f"not {tensor}" in reason

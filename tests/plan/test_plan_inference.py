"""Serving: room, limits of prompts and answers, and a mix of requests."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.pipeline.planning import plan, plan_text
from lodesmith.plan.config import InferenceConfig, RequestConfig
from lodesmith.plan.hardware.load import load_cluster
from lodesmith.plan.whole_run.inference import InferenceEstimate, estimate_inference
from lodesmith.plan.workload.flops import count_parameters
from lodesmith.plan.workload.shape import ModelShape, gpt_shape

LLAMA_70B = ModelShape(
    kind="llama", vocab_size=128256, hidden_size=8192, intermediate_size=28672,
    num_hidden_layers=80, num_attention_heads=64, num_key_value_heads=8, head_dim=128,
    max_position_embeddings=8192, tie_word_embeddings=False,
)  # fmt: skip
requests = st.builds(
    RequestConfig, prompt_tokens=st.integers(1, 8000), answer_tokens=st.integers(1, 2000),
    weight=st.floats(0.1, 10),
)  # fmt: skip


def served(cluster: str = "h100-node", *, device=None, **settings) -> InferenceEstimate:
    place, shipped = load_cluster(cluster)
    found = estimate_inference(
        LLAMA_70B, InferenceConfig(**settings), cluster=place, device=device or shipped
    )
    assert found is not None
    return found


def test_a_token_of_llama_70b_keeps_320_kib():
    # 2 x 80 layers x 8 heads x 128 x 2 bytes: config.json of Llama-3-70B.
    assert served().cache_bytes_per_token == 2 * 80 * 8 * 128 * 2


def test_seventy_billion_in_bf16_take_two_h100_with_little_to_spare_and_in_fp8_one():
    # 141 GB of weights go into two devices of which 73 GB each are free, and leave 5 GB of cache.
    assert served().tensor_parallel_size == 2
    assert served().cache_tokens < 20_000
    assert served(precision="fp8").tensor_parallel_size == 1


def test_decoding_alone_reads_every_weight_once_a_token():
    one = served(max_num_seqs=1, requests=(RequestConfig(prompt_tokens=1, answer_tokens=16),))
    _, device = load_cluster("h100-node")
    peak = device.memory_gb_per_second * 1e9 * one.num_devices
    assert one.token_seconds > count_parameters(LLAMA_70B).total * 2 / peak
    assert one.bound == "memory: weights"


@given(st.lists(requests, min_size=1, max_size=4))
def test_no_rate_exceeds_what_each_limit_alone_would_allow(kinds: list[RequestConfig]):
    found = served(requests=tuple(kinds))
    assert found.tokens_per_second <= found.decode_tokens_per_second * (1 + 1e-9)
    read = found.requests_per_second * found.prompt_tokens
    assert read <= found.prompt_tokens_per_second * (1 + 1e-9)
    assert found.num_running >= 1


@given(st.lists(requests, min_size=1, max_size=3), st.floats(1.0, 4.0))
def test_more_memory_bandwidth_never_serves_less(kinds: list[RequestConfig], factor: float):
    _, device = load_cluster("h100-node")
    faster = device.model_copy(
        update={"memory_gb_per_second": device.memory_gb_per_second * factor}
    )
    mix = tuple(kinds)
    least = served(requests=mix).tokens_per_second * (1 - 1e-9)
    assert served(device=faster, requests=mix).tokens_per_second >= least


def test_long_prompts_with_short_answers_are_bound_by_compute():
    found = served(requests=(RequestConfig(prompt_tokens=8000, answer_tokens=8),))
    assert found.bound == "reading prompts (compute)"


def test_what_a_node_cannot_hold_is_spread_over_nodes_and_what_nothing_holds_is_not_served():
    huge = gpt_shape(
        hidden_size=20480, num_hidden_layers=105, num_attention_heads=128, vocab_size=51200,
        max_position_embeddings=2048,
    )  # fmt: skip
    cluster, device = load_cluster("selene-280")
    found = estimate_inference(huge, InferenceConfig(), cluster=cluster, device=device)
    assert found is not None
    assert (found.tensor_parallel_size, found.pipeline_parallel_size) == (8, 2)
    small, h100 = load_cluster("h100-node")
    assert estimate_inference(huge, InferenceConfig(), cluster=small, device=h100) is None


def test_a_recipe_that_serves_says_so_in_its_plan_and_others_when_asked():
    assert "Serving in fp32" in plan_text(plan("quickstart"))
    assert plan("mt-nlg-530b").inference is None
    asked = plan("mt-nlg-530b", overrides=["plan.inference.max_num_seqs=64"])
    assert asked.inference is not None
    assert asked.inference.num_running <= 64


def test_ranks_that_do_not_divide_the_heads_or_leave_the_node_are_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"3 must divide 64 query heads .* nearest: 2 or 4"):
        served(tensor_parallel_size=3)
    with pytest.raises(UserError, match=r"16 must .* within a node of 8 devices; nearest: 8"):
        served(tensor_parallel_size=16)


def test_heads_that_two_do_not_divide_are_served_on_one_device():
    odd = replace(LLAMA_70B, num_attention_heads=25, num_key_value_heads=5, num_hidden_layers=20)
    cluster, device = load_cluster("h100-node")
    found = estimate_inference(odd, InferenceConfig(), cluster=cluster, device=device)
    assert found is not None
    assert found.tensor_parallel_size == 1


def test_serving_that_was_asked_for_and_cannot_be_is_said():
    asked = plan("mt-nlg-530b", overrides=["plan.inference.max_num_seqs=64", "plan.num_nodes=35",
                                           "plan.architecture.num_hidden_layers=2100",
                                           "plan.parallel.pipeline_parallel_size=35"])  # fmt: skip
    assert asked.inference is None
    assert "280 devices together do not hold the model" in plan_text(asked)

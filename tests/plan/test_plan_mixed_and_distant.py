"""Several kinds of devices in one job, and sites joined by a slow line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.pipeline.planning import plan, plan_text
from lodesmith.plan.hardware.cluster import Sites
from lodesmith.plan.hardware.load import load_cluster, load_device
from lodesmith.plan.report.page import plan_page
from lodesmith.plan.whole_run.mixed import Part, estimate_mixed, join_parts
from lodesmith.plan.whole_run.sites import estimate_sites
from lodesmith.plan.workload.layout import Training
from lodesmith.plan.workload.shape import gpt_shape

parts = st.lists(
    st.builds(
        Part, device=st.just("d"), num_devices=st.integers(1, 5000),
        tokens_per_second=st.floats(1e3, 1e8),
    ),
    min_size=1, max_size=4,
)  # fmt: skip
lines = st.builds(
    Sites, num_sites=st.integers(2, 16), line_gb_per_second=st.floats(0.01, 100),
    round_trip_seconds=st.floats(0, 0.3), inner_steps=st.integers(1, 2000),
)  # fmt: skip


def test_a_thousand_old_and_a_thousand_new_are_worth_two_thousand_old_by_an_equal_split():
    old = Part(device="old", num_devices=1000, tokens_per_second=1e6)
    new = Part(device="new", num_devices=1000, tokens_per_second=3e6)
    both = join_parts([new, old])
    assert both.equal_in_slowest == pytest.approx(2000)
    assert both.proportional_in_slowest == pytest.approx(4000)
    assert both.best_alone == new
    assert "slower than leaving the rest out (33% lost)" in both.verdict


@given(parts)
def test_an_equal_split_never_beats_a_proportional_one(kinds: list[Part]):
    both = join_parts(kinds)
    assert both.equal_tokens_per_second <= both.proportional_tokens_per_second * (1 + 1e-9)
    assert both.equal_in_slowest == pytest.approx(sum(part.num_devices for part in kinds))
    assert both.proportional_tokens_per_second >= both.best_alone.tokens_per_second


def test_the_shipped_mixed_cluster_says_what_joining_is_worth():
    result = plan("7b", cluster="old-and-new", overrides=["plan.global_batch_size=2000"])
    assert result.mixed is not None
    assert result.mixed.equal_in_slowest == pytest.approx(2000)
    assert "in proportion to the rates" in plan_text(result)
    assert "Several kinds" in plan_page(result)
    assert result.num_devices == 1000


def test_parts_of_equal_devices_are_worth_their_number():
    cluster, device = load_cluster("h100-node")
    shape = gpt_shape(
        hidden_size=2048, num_hidden_layers=16, num_attention_heads=16, vocab_size=51200,
        max_position_embeddings=2048,
    )  # fmt: skip
    training = Training(global_batch_size=64, sequence_length=2048, precision="bf16")
    both = estimate_mixed(shape, training, [(cluster, device)] * 2)
    assert both.proportional_tokens_per_second == pytest.approx(both.equal_tokens_per_second)
    with pytest.raises(UserError, match="has no bf16"):
        estimate_mixed(shape, training, [(cluster, device), (cluster, load_device("cpu"))])


def test_a_kind_that_cannot_hold_the_model_is_named():
    cluster, device = load_cluster("h100")
    huge = gpt_shape(
        hidden_size=20480, num_hidden_layers=105, num_attention_heads=128, vocab_size=51200,
        max_position_embeddings=2048,
    )  # fmt: skip
    training = Training(global_batch_size=64, sequence_length=2048, precision="bf16")
    with pytest.raises(UserError, match="cannot hold a copy of this model"):
        estimate_mixed(huge, training, [(cluster, device)])


def estimate(sites: Sites, *, step: float = 10.0, parameters: float = 7e9):
    return estimate_sites(sites, step_seconds=step, num_parameters=parameters, dataset_bytes=560e9)


def test_moving_text_and_one_exchange_take_bytes_over_the_line():
    found = estimate(Sites(line_gb_per_second=1.25, round_trip_seconds=0.05))
    assert found.move_seconds == pytest.approx(560 / 1.25)
    # A ring of two carries the gradient of 7 B parameters in bf16 once: 14 GB.
    assert found.exchange_seconds == pytest.approx(14 / 1.25 + 0.05)


def test_over_a_slow_line_only_local_steps_are_worth_it():
    found = estimate(Sites(line_gb_per_second=0.125))
    assert found.synchronous_speedup < 1 < found.local_speedup
    assert "slower than one site: not worth it; every 500 steps" in found.verdict


def test_a_line_too_slow_for_what_was_tried_is_said():
    found = estimate(Sites(line_gb_per_second=0.001))
    assert found.needed_inner_steps > 500
    assert "more than were tried" in found.verdict


@given(sites=lines, step=st.floats(0.1, 100))
def test_local_steps_lie_between_synchronous_steps_and_all_sites_together(sites: Sites, step):
    found = estimate(sites, step=step)
    assert found.synchronous_speedup <= found.local_speedup * (1 + 1e-12)
    assert found.local_speedup <= sites.num_sites
    needed = sites.model_copy(update={"inner_steps": found.needed_inner_steps})
    again = estimate(needed, step=step)
    assert again.local_speedup >= 0.9 * sites.num_sites * (1 - 1e-9)


@given(sites=lines, factor=st.floats(1, 10))
def test_a_faster_line_never_slows_a_step(sites: Sites, factor: float):
    faster = sites.model_copy(update={"line_gb_per_second": sites.line_gb_per_second * factor})
    assert estimate(faster).synchronous_seconds <= estimate(sites).synchronous_seconds


def test_two_shipped_sites_are_judged_in_words():
    result = plan("7b", cluster="two-sites")
    assert result.sites is not None
    assert result.sites.dataset_bytes == pytest.approx(4 * result.run.tokens)
    assert result.sites.verdict in plan_text(result)

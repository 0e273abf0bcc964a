"""Days, saves, faults and loss of a whole run; a thousand times the compute."""

from dataclasses import replace
from math import sqrt
from pathlib import Path

import pytest
import yaml

import lodesmith
from lodesmith.core.errors import UserError
from lodesmith.plan.hardware.load import load_cluster
from lodesmith.plan.scale import scale_run, split_compute
from lodesmith.plan.whole_run.run import (
    count_checkpoint_bytes,
    count_seconds_between_faults,
    estimate_run,
)
from lodesmith.plan.workload.flops import count_parameters, count_token_flops
from lodesmith.plan.workload.layout import Training
from lodesmith.plan.workload.shape import gpt_shape

SHAPE = gpt_shape(
    hidden_size=12288, num_hidden_layers=96, num_attention_heads=96, vocab_size=51200,
    max_position_embeddings=2048,
)  # fmt: skip
TRAINING = Training(global_batch_size=1536, sequence_length=2048, precision="bf16")


def run_of(**changes):
    cluster, device = load_cluster("selene-280")
    arguments = {"step_seconds": 30.0, "tokens": 300e9, "cluster": cluster, "device": device}
    return estimate_run(SHAPE, TRAINING, **{**arguments, **changes})


def test_days_are_steps_times_seconds_and_what_is_lost():
    run = run_of()
    assert run.num_steps == 95368  # 300e9 / (1536 x 2048), rounded up
    assert run.days * 86400 * run.effective_fraction == pytest.approx(30 * 95368)


def test_energy_and_cost_follow_device_hours():
    run = run_of()
    assert run.device_hours == pytest.approx(run.days * 24 * 2240)
    assert run.cost_dollars == pytest.approx(1.5 * run.device_hours)
    assert run.energy_kwh == pytest.approx((400 + 412) * 1.2 * run.device_hours / 1000)


def test_saves_come_at_youngs_interval():
    run = run_of()
    between_faults = 50676 * 3600 / 2240
    expected = sqrt(2 * run.checkpoint_seconds * between_faults)
    assert run.checkpoint_interval_seconds == pytest.approx(expected, rel=0.01)


def test_two_hundred_billion_parameters_take_hours_or_minutes_by_the_storage():
    # 2.8 TB: three hours at 0.26 GB/s, 10 to 20 minutes at 4.7 to 2.3 GB/s.
    num_bytes = count_checkpoint_bytes(200e9, TRAINING)
    assert num_bytes == pytest.approx(2.8e12)
    minutes = [num_bytes / (rate * 1e9) / 60 for rate in (0.26, 2.3, 4.7)]
    assert minutes[0] > 2.9 * 60
    assert 19 < minutes[1] < 21
    assert 9 < minutes[2] < 11


def test_causes_of_a_fault_table_add_up():
    cluster, device = load_cluster("selene-280")
    table = {"GPU": 100_000.0, "network": 50_000.0, "software": 200_000.0}
    both = cluster.model_copy(update={"fault_hours_by_cause": table})
    seconds = count_seconds_between_faults(both, device)
    assert seconds == pytest.approx(3600 / 2240 / (1e-5 + 2e-5 + 5e-6))


def test_faults_counted_by_node_come_as_often_as_the_nodes_say():
    # Eight devices a node, each with an eighth of the node's faults, are the same machine.
    cluster, device = load_cluster("selene-280")
    by_node = cluster.model_copy(update={"fault_hours_per_node": 5000.0})
    by_device = device.model_copy(update={"fault_hours": 8 * 5000.0})
    assert count_seconds_between_faults(by_node, device) == pytest.approx(
        count_seconds_between_faults(cluster, by_device)
    )


def test_two_rates_of_faults_at_once_are_refused(tmp_path):
    text = yaml.safe_load(
        (Path(lodesmith.plan.__path__[0]) / "hardware/clusters/h100.yaml").read_text()
    )
    two = text | {"fault_hours_per_node": 5000, "fault_hours_by_cause": {"GPU": 9000}}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(two))
    with pytest.raises(UserError, match="fault_hours_by_cause or fault_hours_per_node, not both"):
        load_cluster(str(tmp_path / "c.yaml"))


def test_hardware_utilisation_counts_what_is_computed_again():
    plain, full = run_of(), run_of(recompute="full")
    assert plain.hfu == plain.mfu == full.mfu
    # Four passes in place of three, but for the output head: arXiv 2104.04473, equation 3.
    assert full.hfu / full.mfu == pytest.approx(4 / 3, rel=0.01)


def test_a_checkpoint_holds_fourteen_bytes_a_parameter():
    # 13.8 TB for one trillion parameters: arXiv 2104.04473, section 5.10.
    assert run_of().checkpoint_bytes == 14 * count_parameters(SHAPE).total


def test_llama_405b_faults_are_those_published():
    # 419 unexpected stops in 54 days on 16,384 GPUs: arXiv 2407.21783, section 3.3.4.
    _, device = load_cluster("h100")
    assert 16384 * 54 * 24 / device.fault_hours == pytest.approx(419, rel=0.01)


def test_storage_too_slow_to_keep_any_work_is_refused():
    cluster, device = load_cluster("selene-280")
    slow = cluster.model_copy(update={"storage_gb_per_second": 0.01})
    with pytest.raises(UserError, match="no work would be kept; use faster storage"):
        run_of(cluster=slow, device=device)


def test_a_run_names_the_loss_by_both_laws_and_none_below_their_range():
    run = run_of()
    assert list(run.losses_by_law) == ["Hoffmann 2022", "Besiroglu 2024"]
    assert run.expected_loss == run.losses_by_law["Hoffmann 2022"]
    short = run_of(tokens=1e7)
    assert (short.expected_loss, short.losses_by_law) == (None, {})


def test_compute_is_split_at_about_twenty_tokens_a_parameter():
    like = replace(SHAPE, kind="llama", vocab_size=32000, max_position_embeddings=2048)
    shape = split_compute(5.76e23, like=like, sequence_length=2048)
    # Chinchilla's own budget went into 70 B parameters: arXiv 2203.15556, table 4.
    assert count_parameters(shape).total == pytest.approx(70e9, rel=0.1)


def test_a_thousandfold_run_has_a_thousand_times_the_flops():
    small = replace(
        SHAPE, kind="qwen3", hidden_size=256, intermediate_size=704, num_hidden_layers=6,
        num_attention_heads=4, num_key_value_heads=2, head_dim=64, vocab_size=8192,
    )  # fmt: skip
    scaled = scale_run(
        small, tokens=5e6, tokens_per_second=8000, sequence_length=512, bytes_per_token=3.0
    )
    larger = split_compute(1000 * scaled.flops_now, like=small, sequence_length=512)
    flops = count_token_flops(larger, sequence_length=512).total * scaled.tokens
    assert flops == pytest.approx(1000 * scaled.flops_now)
    assert scaled.tokens / scaled.num_parameters == pytest.approx(20, rel=0.1)
    assert scaled.text_bytes == pytest.approx(3 * scaled.tokens)
    assert [place.name for place in scaled.places] == [
        "this machine", "one H100", "one node of 8 H100",
    ]  # fmt: skip
    assert scaled.places[0].seconds == pytest.approx(1000 * 5e6 / 8000)
    assert scaled.places[2].seconds < scaled.places[1].seconds < scaled.places[0].seconds

"""Matrix products in float8: which matrices, what it changes, and what is refused before a run.

No GPU is here: torchao rounds to float8 and multiplies in the wider format (`emulate`).
"""

import logging

import pytest
import torch
from distributed_runs import run_distributed
from layout_work import Case, compare_roughly, is_near, model_of

from lodesmith.parallel.float8 import use_float8

pytest.importorskip("torchao")

DENSE = {f"self_attn.{name}_proj" for name in "qkvo"} | {
    f"mlp.{name}_proj" for name in ("gate", "up", "down")
}
EXPERTS = {
    "experts": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
    }
}
TP, PP, SHARD = "tensor_parallel_size", "pipeline_parallel_size", "data_parallel_shard_size"


@pytest.fixture(autouse=True)
def quiet_torchao():
    """Torchao says on loading which of its CUDA libraries it has not loaded."""
    logging.getLogger("torchao").setLevel(logging.CRITICAL)


def converted(**model):
    return set(use_float8(model_of(Case("", {}, model)).model.layers[0], emulate=True))


def test_matrices_of_attention_and_feed_forward_are_converted_and_no_router_or_expert():
    assert converted() == DENSE
    attention = {name for name in DENSE if name.startswith("self_attn")}
    shared = {f"mlp.shared_expert.{name}_proj" for name in ("gate", "up", "down")}
    assert converted(**EXPERTS) == attention | shared


def test_matrices_whose_sides_the_hardware_cannot_take_stay_as_they_are():
    assert converted(intermediate_size=40) == {name for name in DENSE if "mlp" not in name}


def test_every_gradient_is_near_the_one_in_fp32_and_no_name_changes():
    plain, rounded = model_of(Case("", {})), model_of(Case("", {}))
    for layer in rounded.model.layers:
        use_float8(layer, emulate=True)
    ids = torch.randint(0, 48, (4, 16), generator=torch.Generator().manual_seed(0))
    for decoder in (plain, rounded):
        torch.nn.functional.cross_entropy(decoder(ids).flatten(0, 1), ids.flatten()).backward()
    assert dict(plain.named_parameters()).keys() == dict(rounded.named_parameters()).keys()
    for name, weight in plain.named_parameters():
        assert is_near(rounded.get_parameter(name).grad, weight.grad), name


@pytest.mark.dist
def test_layouts_in_float8_come_near_one_process_in_fp32():
    cases = [
        Case("fsdp2", {SHARD: 2}, float8=True),
        Case("tp2", {TP: 2}, float8=True),
        Case("pp2, recomputed", {PP: 2}, float8=True, recompute="full"),
        Case("tp2, compiled", {TP: 2}, float8=True, compiled=True),
    ]
    faults = [fault for answer in run_distributed(compare_roughly, 2, cases) for fault in answer]
    assert not faults, "\n".join(faults)

"""One result, whatever the layout: loss, every parameter's gradient, and the loss after steps.

Tolerance: 1e-5 relative in fp32; only the order of sums differs. Loss alone would not do: a
gradient can be lost while the loss is right. The expected values are plain autograd's on one
process, so nothing of `parallel` is in them.
"""

from dataclasses import replace

import pytest
from distributed_runs import run_distributed
from layout_work import Case, compare_layouts, compare_starts

NUM_STEPS = 2

DP, SHARD, TP, PP, CP, EP = (
    "data_parallel_replicate_size",
    "data_parallel_shard_size",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "context_parallel_size",
    "expert_parallel_size",
)
INTERLEAVED = {"virtual_pipeline_size": 2, "pipeline_schedule": "interleaved_1f1b"}
ZERO_BUBBLE = {"virtual_pipeline_size": 2, "pipeline_schedule": "interleaved_zero_bubble"}
TIED = {"tie_word_embeddings": True}
LLAMA = {"kind": "llama", "num_key_value_heads": 2}

EXPERTS = {
    "experts": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
        "router_bias_rate": 0.01,
        "router_z_loss": 0.01,
    }
}
PLAIN_EXPERTS = {"experts": {**EXPERTS["experts"], "shared_expert_intermediate_size": None}}

LAYOUTS = {
    2: [
        Case("fsdp2", {SHARD: 2}),
        Case("fsdp2, tied, two rows at once", {SHARD: 2}, TIED, micro_batch_size=2),
        Case("ddp2", {DP: 2}),
        Case("tp2", {TP: 2}),
        Case("tp2, tied", {TP: 2}, TIED),
        Case("tp2, llama, packed", {TP: 2}, LLAMA, packed=True),
        Case("pp2 1f1b", {PP: 2}),
        Case("pp2 interleaved", {PP: 2, **INTERLEAVED}),
        Case("pp2 zero bubble", {PP: 2, **ZERO_BUBBLE}),
        Case("cp2", {CP: 2}),
        Case("cp2, packed", {CP: 2}, packed=True),
        Case("fsdp2, experts not spread", {SHARD: 2}, EXPERTS),
        Case("ep2", {SHARD: 2, EP: 2}, EXPERTS),
        Case("tp2 x ep2, packed", {TP: 2, EP: 2}, EXPERTS, packed=True),
        Case("fsdp2, all recomputed, scaled", {SHARD: 2}, recompute="full", loss_scale=1024.0),
        Case("tp2, z-loss, some recomputed", {TP: 2}, recompute="selective", z_loss=0.1),
        Case("cp2, z-loss, tied", {CP: 2}, TIED, z_loss=0.1),
        Case("pp2, all recomputed", {PP: 2}, recompute="full", z_loss=0.1, loss_scale=64.0),
        Case(
            "ep2, all recomputed, scaled",
            {SHARD: 2, EP: 2},
            EXPERTS,
            recompute="full",
            loss_scale=64.0,
        ),
    ],
    4: [
        Case("tp4", {TP: 4}),
        Case("fsdp4", {SHARD: 4}),
        Case("hsdp 2x2", {DP: 2, SHARD: 2}),
        Case("fsdp2 x tp2", {SHARD: 2, TP: 2}),
        Case("ddp2 x tp2, tied", {DP: 2, TP: 2}, TIED),
        Case("pp2 x tp2, packed", {PP: 2, TP: 2}, packed=True),
        Case("pp4", {PP: 4}),
        Case("tp2 x cp2, packed, grouped", {TP: 2, CP: 2}, LLAMA, packed=True),
        Case("fsdp2 x cp2", {SHARD: 2, CP: 2}),
        Case("pp2 x cp2, packed", {PP: 2, CP: 2}, packed=True),
        Case("fsdp4 x ep2", {SHARD: 4, EP: 2}, PLAIN_EXPERTS),
        Case("hsdp 2x2 x ep2", {DP: 2, SHARD: 2, EP: 2}, EXPERTS, micro_batch_size=2),
        Case("pp2 x ep2, zero bubble", {PP: 2, SHARD: 2, EP: 2, **ZERO_BUBBLE}, EXPERTS),
        Case("cp2 x tp2 x ep4", {CP: 2, TP: 2, EP: 4}, EXPERTS, packed=True),
    ],
    8: [
        Case("pp2 x fsdp2 x tp2, 1f1b", {PP: 2, SHARD: 2, TP: 2}),
        Case("pp2 x fsdp2 x tp2, interleaved", {PP: 2, SHARD: 2, TP: 2, **INTERLEAVED}),
        Case("pp2 x fsdp2 x tp2, zero bubble", {PP: 2, SHARD: 2, TP: 2, **ZERO_BUBBLE}),
        Case("hsdp 2x2 x tp2", {DP: 2, SHARD: 2, TP: 2}),
        Case("fsdp2 x cp2 x tp2, packed", {SHARD: 2, CP: 2, TP: 2}, packed=True),
    ],
}

COMPILED = {
    2: [
        Case("fsdp2", {SHARD: 2}),
        Case("ddp2, tied", {DP: 2}, TIED),
        Case("tp2", {TP: 2}),
        Case("pp2 1f1b", {PP: 2}),
        Case("pp2 interleaved", {PP: 2, **INTERLEAVED}),
        Case("pp2 zero bubble", {PP: 2, **ZERO_BUBBLE}),
        Case("cp2, packed", {CP: 2}, packed=True),
        Case("ep2", {SHARD: 2, EP: 2}, EXPERTS),
    ],
    4: [
        Case("hsdp 2x2", {DP: 2, SHARD: 2}),
        Case("fsdp2 x tp2", {SHARD: 2, TP: 2}),
        Case("fsdp2 x tp2, recomputed", {SHARD: 2, TP: 2}, recompute="full"),
        Case("fsdp2 x tp2 x ep2", {SHARD: 2, TP: 2, EP: 2}, EXPERTS),
        Case("tp2 x cp2, packed, grouped", {TP: 2, CP: 2}, LLAMA, packed=True),
        Case("pp2 x tp2", {PP: 2, TP: 2}),
    ],
    8: [
        Case("hsdp 2x2 x tp2", {DP: 2, SHARD: 2, TP: 2}),
        Case("fsdp2 x cp2 x tp2, packed", {SHARD: 2, CP: 2, TP: 2}, packed=True),
    ],
}


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", list(LAYOUTS))
def test_every_layout_computes_what_one_process_computes(num_ranks):
    answers = run_distributed(compare_layouts, num_ranks, LAYOUTS[num_ranks], NUM_STEPS)
    faults = [fault for answer in answers for fault in answer]
    assert not faults, "\n".join(faults)


@pytest.mark.dist
def test_one_seed_starts_every_layout_from_the_same_weights():
    cases = [
        Case("fsdp2 x tp2, tied", {SHARD: 2, TP: 2}, TIED),
        Case("hsdp 2x2 x ep2", {DP: 2, SHARD: 2, EP: 2}, EXPERTS),
        Case("pp2 x tp2", {PP: 2, TP: 2}),
        Case("fsdp4 of 6 rows", {SHARD: 4}, {"hidden_size": 6, "head_dim": 2}),
    ]
    faults = [fault for answer in run_distributed(compare_starts, 4, cases) for fault in answer]
    assert not faults, "\n".join(faults)


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", list(COMPILED))
def test_compiled_layers_compute_the_same(num_ranks):
    cases = [replace(case, compiled=True) for case in COMPILED[num_ranks]]
    answers = run_distributed(compare_layouts, num_ranks, cases, NUM_STEPS)
    faults = [fault for answer in answers for fault in answer]
    assert not faults, "\n".join(faults)

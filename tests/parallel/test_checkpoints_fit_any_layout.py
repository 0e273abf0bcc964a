"""From any layout to any other, bit for bit; and all ranks agree on what is damaged."""

import pytest
import torch
from checkpoint_work import FACTS, fill_state, meet_damage, pass_along, plain_state, state_faults
from distributed_runs import run_distributed
from layout_work import Case

from lodesmith.parallel.checkpoint import Checkpoints
from lodesmith.parallel.checkpoint.whole import StoredCheckpoint

DP, SHARD, TP, PP, CP, EP = (
    "data_parallel_replicate_size",
    "data_parallel_shard_size",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "context_parallel_size",
    "expert_parallel_size",
)
INTERLEAVED = {"virtual_pipeline_size": 2, "pipeline_schedule": "interleaved_1f1b"}
EXPERTS = {
    "experts": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
        "router_bias_rate": 0.01,
    }
}

CASES = [
    Case("pp2 x fsdp2 x tp2", {PP: 2, SHARD: 2, TP: 2}, EXPERTS),
    Case("fsdp4 x tp2", {SHARD: 4, TP: 2}, EXPERTS),
    Case("hsdp 2x2 x tp2 x ep2", {DP: 2, SHARD: 2, TP: 2, EP: 2}, EXPERTS),
    Case("pp2 interleaved x cp2 x ddp2", {PP: 2, CP: 2, DP: 2, **INTERLEAVED}, EXPERTS),
    Case("pp2 x fsdp2 x tp2 again", {PP: 2, SHARD: 2, TP: 2}, EXPERTS),
]


def num_bytes(folder):
    return [path.stat().st_size for path in folder.glob("step-*/part-*")]


@pytest.mark.dist
@pytest.mark.slow
def test_state_goes_from_one_process_through_five_layouts_and_back_unchanged(tmp_path):
    folders = [tmp_path / str(number) for number in range(len(CASES) + 1)]
    state = plain_state(CASES[0])
    fill_state(state)
    with Checkpoints(folders[0]) as checkpoints:
        checkpoints.save(step=7, tensors=state, facts=FACTS)
    answers = run_distributed(pass_along, 8, CASES, folders)
    assert not [fault for faults in answers for fault in faults]
    total = sum(tensor.nbytes for tensor in state.values())
    for folder in folders:
        state = plain_state(CASES[0])
        loaded = Checkpoints(folder).load(state)
        assert loaded.facts == FACTS
        assert not state_faults(state, folder.name)
        for name, weight in StoredCheckpoint(folder).tensors("weight."):
            assert torch.equal(weight, state[f"weight.{name}"])
        sizes = num_bytes(folder)
        assert sum(sizes) < total + len(sizes) * 40_000  # headers: replicas are written once
    sizes = num_bytes(folders[-2])
    assert max(sizes) < 1.5 * sum(sizes) / 8


@pytest.mark.dist
def test_one_rank_with_a_full_disk_or_a_torn_file_is_enough_for_all_to_go_back(tmp_path):
    case = Case("fsdp2 x tp2", {SHARD: 2, TP: 2})
    answers = run_distributed(meet_damage, 4, case, tmp_path)
    assert not [fault for faults in answers for fault in faults]

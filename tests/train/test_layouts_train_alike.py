"""Whole steps under every layout: optimizers, clipping, schedules and formats of one process.

Gradients are compared one by one in tests/parallel; here the loss and the norm of the gradient of
each of 20 steps are, after which a wrong update of any weight would show.
"""

import importlib.util
import random
from dataclasses import replace

import pytest
import torch
from distributed_runs import run_distributed
from layout_runs import EXPERTS, losses_of, losses_of_ranks
from tiny_training import LAYERED, laid_out_job, make_job
from torch._dynamo.utils import counters

from lodesmith.parallel.ranks import Ranks
from lodesmith.train.job import PackedData
from lodesmith.train.objectives.loss_scale import LossScale
from lodesmith.train.samples.packed import pack_documents, write_packed

DP, SHARD, TP, PP, CP, EP = (
    "data_parallel_replicate_size",
    "data_parallel_shard_size",
    "tensor_parallel_size",
    "pipeline_parallel_size",
    "context_parallel_size",
    "expert_parallel_size",
)
_LAID_OUT = ("reduce_dtype", "compile")  # the one process does without them
MUON = {"optimizer": "muon", "learning_rate": 0.02, "max_grad_norm": 0.5, "z_loss": 1e-3}
ADAMW = {
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "weight_decay": 0.1,
    "schedule": "cosine",
    "max_grad_norm": 0.5,
}
STEPS = {"max_steps": 20, "warmup_steps": 3}

LAYOUTS = {
    2: [
        ({SHARD: 2}, MUON, {}),
        ({TP: 2}, MUON, {}),
        ({PP: 2}, ADAMW, {}),
        ({CP: 2}, MUON, {}),
        ({DP: 2}, MUON, {"activation_checkpointing": "full"}),
        ({SHARD: 2, EP: 2}, MUON, {"experts": EXPERTS}),
        ({TP: 2}, ADAMW, {"compile": "aot_eager"}),
    ],
    4: [
        ({DP: 2, SHARD: 2}, MUON, {}),
        ({SHARD: 2, TP: 2}, MUON, {"activation_checkpointing": "selective"}),
        ({PP: 2, TP: 2}, MUON, {}),
        ({SHARD: 2, TP: 2, EP: 2}, ADAMW, {"experts": EXPERTS}),
    ],
}
HALF = [
    ({SHARD: 2}, MUON, {"param_dtype": "bf16"}),
    ({TP: 2}, ADAMW, {"param_dtype": "bf16", "reduce_dtype": "bf16"}),
    ({PP: 2}, ADAMW, {"param_dtype": "bf16"}),
    ({SHARD: 2}, ADAMW, {"param_dtype": "fp16"}),
]
if importlib.util.find_spec("torchao") is not None:
    HALF.append(({TP: 2}, ADAMW, {"param_dtype": "bf16", "matmul_dtype": "float8"}))


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def alone(folder, optimizer, changes):
    kept = {name: value for name, value in changes.items() if name not in _LAID_OUT}
    job = laid_out_job(folder, **STEPS, **optimizer, **kept)
    return losses_of(job, Ranks(rank=0, num_ranks=1))


def compare(folder, num_ranks, cases, *, limit):
    jobs = [
        laid_out_job(folder, **STEPS, **optimizer, **changes, parallel=parallel)
        for parallel, optimizer, changes in cases
    ]
    answers = run_distributed(losses_of_ranks, num_ranks, jobs)
    for place, (parallel, optimizer, changes) in enumerate(cases):
        expected = alone(folder, optimizer, changes)
        for rank in range(num_ranks):
            for said, wanted in zip(answers[rank][place], expected, strict=True):
                assert said == pytest.approx(wanted, rel=limit), (parallel, changes, rank)


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize("num_ranks", list(LAYOUTS))
def test_twenty_steps_of_every_layout_are_those_of_one_process(tmp_path, num_ranks):
    compare(tmp_path, num_ranks, LAYOUTS[num_ranks], limit=1e-5)


@pytest.mark.dist
@pytest.mark.slow
def test_half_precision_layouts_stay_near_one_process(tmp_path):
    compare(tmp_path, 2, HALF, limit=0.05)  # 8 bits of mantissa, rounded at other places


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_recomputing_changes_no_bit_and_compiling_only_rounding(tmp_path):
    plain = alone(tmp_path, MUON, {})
    for recompute in ("selective", "full"):
        assert alone(tmp_path, MUON, {"activation_checkpointing": recompute}) == plain
    job = laid_out_job(tmp_path, **STEPS, **MUON, compile="aot_eager")
    compiled = losses_of(job, Ranks(rank=0, num_ranks=1))
    for said, wanted in zip(compiled, plain, strict=True):
        assert said == pytest.approx(wanted, rel=1e-5)


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")
def test_packed_documents_are_recomputed_to_the_same_bits_and_compiled_in_few_graphs(tmp_path):
    chance = random.Random(1)
    documents = [
        ([length * place % 39 for place in range(length)], [False] + [True] * (length - 1))
        for length in (chance.randint(2, 12) for _ in range(300))
    ]
    write_packed(tmp_path, pack_documents(documents, sequence_length=16, padding_id=39))

    def learn(name, **settings):
        job = make_job(tmp_path / name, **settings)
        job = replace(job, start=LAYERED, data=PackedData(tmp_path))
        return losses_of(job, Ranks(rank=0, num_ranks=1))

    plain = learn("plain")
    for recompute in ("selective", "full"):
        assert learn(recompute, activation_checkpointing=recompute) == plain
    torch._dynamo.reset()
    counters.clear()
    for said, wanted in zip(learn("compiled", compile="aot_eager"), plain, strict=True):
        assert said == pytest.approx(wanted, rel=1e-5)
    assert counters["stats"]["unique_graphs"] <= 12  # not one for each way to pack a batch


def test_fp16_learns_what_fp32_learns_though_its_scale_starts_too_high(tmp_path, monkeypatch):
    plain, _ = alone(tmp_path, ADAMW, {})
    monkeypatch.setattr(LossScale, "for_dtype", classmethod(lambda cls, _: cls(2.0**30)))
    half, norms = alone(tmp_path, ADAMW, {"param_dtype": "fp16"})
    overflowed = [norm for norm in norms if not norm < float("inf")]
    assert 0 < len(overflowed) < 15  # steps left out while the scale fell
    assert half[-1] < half[0]
    assert plain[-1] < half[-1] < plain[0] + 0.01

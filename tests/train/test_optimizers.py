"""AdamW against torch's own, Muon against its definition, and the learning-rate schedule."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import nn

from lodesmith.parallel.ranks import Ranks
from lodesmith.train.config import TrainingConfig
from lodesmith.train.optimizer.adamw import AdamW, Group
from lodesmith.train.optimizer.muon import Muon, orthogonalise, share_out
from lodesmith.train.optimizer.schedule import rate_fraction
from lodesmith.train.optimizer.shared_muon import SharedWork


def muon_of(weight):
    matrices = {"weight": weight}
    work = SharedWork(matrices, ranks=Ranks(rank=0, num_ranks=1))
    return Muon(matrices, momentum=0.95, work=work)


def test_adamw_moves_weights_as_torch_does():
    torch.manual_seed(0)
    ours, theirs = nn.Parameter(torch.randn(7, 5)), nn.Parameter(torch.zeros(7, 5))
    with torch.no_grad():
        theirs.copy_(ours)
    mine = AdamW([Group({"weight": ours}, 0.01, weight_decay=0.1)], beta1=0.9, beta2=0.95)
    reference = torch.optim.AdamW(
        [theirs], lr=0.01, betas=(0.9, 0.95), eps=1e-10, weight_decay=0.1, foreach=False
    )
    for step in range(5):
        ours.grad = torch.randn(7, 5)
        theirs.grad = ours.grad.clone()
        mine.step(step, fraction=1.0)
        reference.step()
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=0)


@pytest.mark.parametrize("shape", [(24, 24), (12, 40), (40, 12)])
def test_orthogonalised_matrices_keep_directions_and_lose_scale(shape):
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    left, singular, right = torch.linalg.svd(orthogonalise(matrix), full_matrices=False)
    assert singular.min() > 0.3  # the published coefficients trade exactness for speed
    assert singular.max() < 1.3
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    assert ((left @ right) - (u @ v)).abs().max() < 0.02


def test_muon_takes_a_step_of_the_learning_rate_in_every_direction():
    weight = nn.Parameter(torch.zeros(16, 8))
    muon = muon_of(weight)
    weight.grad = torch.randn(16, 8, generator=torch.Generator().manual_seed(1))
    muon.step(0, rate=0.1, weight_decay=0.0)
    expected = -0.1 * 2**0.5 * orthogonalise(weight.grad)
    torch.testing.assert_close(weight.detach(), expected, atol=1e-5, rtol=0)


def test_muon_goes_on_from_its_state():
    def run(steps, *, cut_at):
        weight = nn.Parameter(torch.ones(6, 6))
        muon = muon_of(weight)
        for step in range(steps):
            if step == cut_at:
                state = {name: tensor.clone() for name, tensor in muon.state().items()}
                muon = muon_of(weight)
                for name, tensor in muon.state().items():
                    tensor.copy_(state[name])
            weight.grad = torch.randn(6, 6, generator=torch.Generator().manual_seed(step))
            muon.step(step, rate=0.1, weight_decay=0.1)
        return weight.detach()

    assert torch.equal(run(6, cut_at=None), run(6, cut_at=3))


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 60)), min_size=1, max_size=20))
def test_each_matrix_has_one_owner_and_no_rank_has_most_of_the_work(shapes):
    matrices = {f"m{i}": nn.Parameter(torch.empty(shape)) for i, shape in enumerate(shapes)}
    owners = share_out(matrices, num_ranks=2)
    assert owners.keys() == matrices.keys()

    def cost(weight):
        return min(weight.shape) ** 2 * (2 * max(weight.shape) + min(weight.shape))

    loads = [0, 0]
    for name, weight in matrices.items():
        loads[owners[name]] += cost(weight)
    largest = max(cost(weight) for weight in matrices.values())
    assert abs(loads[0] - loads[1]) <= largest


@given(
    schedule=st.sampled_from(["cosine", "warmup-stable-decay"]),
    max_steps=st.integers(1, 300),
    warmup_steps=st.integers(0, 50),
    decay_fraction=st.floats(0.05, 1.0),
    lowest=st.floats(0.0, 0.01),
)
def test_rates_rise_then_never_rise_again(
    schedule, max_steps, warmup_steps, decay_fraction, lowest
):
    config = TrainingConfig(
        max_steps=max_steps,
        warmup_steps=warmup_steps,
        schedule=schedule,
        decay_fraction=decay_fraction,
        learning_rate=0.01,
        min_learning_rate=lowest,
    )
    rates = [rate_fraction(config, step) for step in range(max_steps)]
    assert all(0 < rate <= 1 + 1e-12 for rate in rates)
    after = rates[warmup_steps:]
    assert all(earlier >= later - 1e-12 for earlier, later in itertools.pairwise(after))


def test_faults_between_settings_are_found_before_training():
    with pytest.raises(ValidationError, match="multiple of twice micro_batch_size"):
        TrainingConfig(max_steps=1, global_batch_size=12, micro_batch_size=4)
    with pytest.raises(ValidationError, match="operations that compile joins"):
        TrainingConfig(max_steps=1, compile="inductor", activation_checkpointing="selective")
    with pytest.raises(ValidationError, match="bf16 wants parallel"):
        TrainingConfig(max_steps=1, reduce_dtype="bf16")
    with pytest.raises(ValidationError, match="is above learning_rate"):
        TrainingConfig(max_steps=1, learning_rate=0.01, min_learning_rate=0.1)


def test_ranks_and_checkpoints_do_not_change_an_artifacts_identity():
    plain = TrainingConfig(max_steps=9)
    assert (
        plain.identity()
        == TrainingConfig(max_steps=9, num_ranks=2, checkpoint_every_steps=3).identity()
    )
    assert plain.identity() != TrainingConfig(max_steps=9, seed=2).identity()

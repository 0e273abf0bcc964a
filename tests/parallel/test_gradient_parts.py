"""Flat gradient buffers: the parts of one rank add up to the gradient of the whole batch."""

import pytest
import torch
from torch import nn

from lodesmith.parallel.data_parallel import NUM_PARTS, GradientBuffer, own_parts
from lodesmith.parallel.ranks import Ranks


def make_model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2))


def test_parts_add_up_to_the_mean_gradient_of_the_whole_batch():
    model, inputs = make_model(), torch.randn(8, 3)
    buffer = GradientBuffer(model.parameters(), ranks=Ranks(rank=0, num_ranks=1))
    for part in range(NUM_PARTS):
        with buffer.collect(part) as tail:
            loss = model(inputs[part * 4 : part * 4 + 4]).square().sum()
            loss.backward()
            tail.add_(torch.tensor([loss.item(), 4.0]))
    mean_loss, count = buffer.reduce()
    collected = [weight.grad.clone() for weight in model.parameters()]

    reference = make_model()
    expected = reference(inputs).square().sum() / 8
    expected.backward()
    assert count == 8
    assert mean_loss == pytest.approx(expected.item(), rel=1e-6)
    for got, weight in zip(collected, reference.parameters(), strict=True):
        torch.testing.assert_close(got, weight.grad)


def test_a_second_step_starts_from_zero():
    model = make_model()
    buffer = GradientBuffer(model.parameters(), ranks=Ranks(rank=0, num_ranks=1))
    results = []
    for _ in range(2):
        for part in range(NUM_PARTS):
            with buffer.collect(part) as tail:
                model(torch.ones(1, 3)).sum().backward()
                tail[1] += 1
        buffer.reduce()
        results.append(buffer.gradients.clone())
    assert torch.equal(*results)
    assert results[0].abs().sum() > 0


def test_two_ranks_share_the_parts_that_one_rank_has_alone():
    one = own_parts(Ranks(rank=0, num_ranks=1))
    two = [own_parts(Ranks(rank=rank, num_ranks=2)) for rank in (0, 1)]
    assert [*one] == [*two[0], *two[1]]


def test_three_ranks_are_refused():
    with pytest.raises(ValueError, match="3 ranks cannot share 2 parts"):
        own_parts(Ranks(rank=0, num_ranks=3))

"""Objectives over whole answers give on packed rows what the papers' formulas say."""

import math

import pytest
import torch

from lodesmith.train.objectives.batch import Batch
from lodesmith.train.objectives.objective import make_objective

SEGMENTS = torch.tensor([[1, 1, 2, 2, 2, 0], [1, 2, 2, 3, 4, 4]])
LOSSES = torch.tensor([[0.5, 1.0, 0.25, 0.25, 2.0, 0.0], [0.1, 0.2, 0.3, 0.7, 0.9, 0.4]])
MASK = SEGMENTS > 0


def batch(**extra):
    zeros = torch.zeros_like(SEGMENTS)
    return Batch(zeros, zeros, MASK, SEGMENTS, {name: torch.tensor(v) for name, v in extra.items()})


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


REFERENCE = [[[-1.0, -2.0], [0.0, 0.0]], [[-0.3, -0.4], [-0.5, -1.5]]]
PAIRS = [  # gains of the first and of the second answer over the reference
    (-1.5 + 1.0, -2.5 + 2.0), (-0.1 + 0.3, -0.5 + 0.4), (-0.7 + 0.5, -1.3 + 1.5),
]  # fmt: skip


def test_pairs_are_compared_by_their_gains_over_the_reference():
    objective = make_objective("pair-preference", {"beta": 0.3})
    rows = batch(reference=REFERENCE, weight=[[1.0, 0.0], [1.0, 1.0]])
    expected = sum(-math.log(sigmoid(0.3 * (good - bad))) for good, bad in PAIRS)
    assert objective.count(rows) == 3
    assert objective.summed_loss(LOSSES, rows).item() == pytest.approx(expected, rel=1e-6)


def test_rated_answers_are_compared_with_what_other_answers_gain():
    objective = make_objective("rated-answers", {"beta": 0.3})
    rows = batch(reference=REFERENCE, label=[[1.0, 0.0], [-1.0, 1.0]])
    usual = max(0.0, sum(other for _, other in PAIRS) / 3)
    signs = (1, -1, 1)
    expected = sum(1 - sigmoid(0.3 * sign * (gain - usual))
                   for sign, (gain, _) in zip(signs, PAIRS, strict=True))  # fmt: skip
    assert objective.count(rows) == 3
    assert objective.summed_loss(LOSSES, rows).item() == pytest.approx(expected, rel=1e-6)


def test_tokens_are_clipped_each_by_its_answers_advantage():
    objective = make_objective("clipped-tokens", {"clip": 0.2})
    old = -LOSSES - torch.tensor([0.0, 0.5, 0.1, -0.5, 0.0, 0.0])
    advantage = [[1.0, -2.0, 0.0, 0.0], [0.5, 0.0, 1.0, -1.0]]
    rows = batch(old=old.tolist(), advantage=advantage)
    expected = 0.0
    for row in range(2):
        for place in range(6):
            segment = int(SEGMENTS[row, place])
            if segment:
                ratio = math.exp(float(-LOSSES[row, place] - old[row, place]))
                gain = advantage[row][segment - 1]
                expected -= min(ratio * gain, min(max(ratio, 0.8), 1.2) * gain)
    assert objective.count(rows) == 11
    assert objective.summed_loss(LOSSES, rows).item() == pytest.approx(expected, rel=1e-5)


def test_answers_are_clipped_as_a_whole():
    objective = make_objective("clipped-answers", {"clip": 0.2})
    old = (-LOSSES - 0.1).tolist()
    advantage = [[1.0, -2.0, 0.0, 0.0], [0.5, 0.0, 1.0, -1.0]]
    there = [[1.0, 1.0, 0.0, 0.0], [1.0] * 4]
    rows = batch(old=old, advantage=advantage, is_answer=there)
    expected = 0.0
    for row in range(2):
        for segment in range(1, 5):
            length = int((SEGMENTS[row] == segment).sum())
            gain = advantage[row][segment - 1]
            ratio = math.exp(0.1 * length)
            expected -= min(ratio * gain, min(max(ratio, 0.8), 1.2) * gain) if length else 0.0
    assert objective.count(rows) == 6
    assert objective.summed_loss(LOSSES, rows).item() == pytest.approx(expected, rel=1e-5)


def test_on_the_policy_itself_the_gradient_is_that_of_reinforce():
    objective = make_objective("clipped-answers", {"clip": 0.2})
    losses = LOSSES.clone().requires_grad_()
    advantage = [[1.0, -2.0, 0.0, 0.0], [0.5, 0.0, 1.0, -1.0]]
    rows = batch(old=(-LOSSES).tolist(), advantage=advantage,
                 is_answer=[[1.0, 1.0, 0.0, 0.0], [1.0] * 4])  # fmt: skip
    objective.summed_loss(losses, rows).backward()
    expected = torch.tensor(
        [[float(advantage[row][s - 1]) if s else 0.0 for s in SEGMENTS[row].tolist()]
         for row in range(2)]
    )  # fmt: skip
    torch.testing.assert_close(losses.grad, expected)

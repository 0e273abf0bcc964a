"""The kernel of the loss: the loss and gradient of exact arithmetic, whatever the threads."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.model.cross_entropy import NO_LABEL, by_torch, cross_entropy


def random_rows(*, rows, columns, spread, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(rows, columns, generator=generator) * spread
    labels = torch.randint(0, columns, (rows,), generator=generator)
    labels[torch.rand(rows, generator=generator) < 0.2] = NO_LABEL
    weights = torch.randn(2, rows, generator=generator)
    return logits, labels, weights


def exact(logits, labels, weights):
    """Return losses, normalisers and the gradient of their weighted sum, in float64."""
    logits = logits.double().requires_grad_()
    losses = torch.nn.functional.cross_entropy(
        logits, labels, reduction="none", ignore_index=NO_LABEL
    )
    normalisers = logits.logsumexp(1) * (labels != NO_LABEL)
    (losses @ weights[0].double() + normalisers @ weights[1].double()).backward()
    return losses.detach(), normalisers.detach(), logits.grad


@given(
    rows=st.integers(1, 5),
    columns=st.one_of(st.integers(1, 70), st.sampled_from([2047, 2048, 2049, 4099])),
    spread=st.sampled_from([0.0, 0.1, 3.0, 40.0]),
    seed=st.integers(0, 99),
)
def test_losses_and_gradients_are_those_of_exact_arithmetic(rows, columns, spread, seed):
    logits, labels, weights = random_rows(rows=rows, columns=columns, spread=spread, seed=seed)
    wanted_losses, wanted_normalisers, wanted = exact(logits, labels, weights)
    logits.requires_grad_()
    losses, normalisers = cross_entropy(logits * 1, labels)
    (losses @ weights[0] + normalisers @ weights[1]).backward()
    torch.testing.assert_close(losses, wanted_losses.float(), rtol=1e-6, atol=3e-7)
    torch.testing.assert_close(normalisers, wanted_normalisers.float(), rtol=1e-6, atol=3e-7)
    torch.testing.assert_close(logits.grad, wanted.float(), rtol=2e-5, atol=1e-6)


def test_the_gradient_takes_the_place_of_the_logits():
    logits, labels, _ = random_rows(rows=4, columns=40, spread=1.0, seed=1)
    scores = logits.requires_grad_() * 1
    places = []
    scores.register_hook(lambda gradient: places.append(gradient.data_ptr()))
    cross_entropy(scores, labels)[0].sum().backward()
    assert places == [scores.data_ptr()]


def test_a_second_backward_pass_is_refused():
    logits, labels, _ = random_rows(rows=4, columns=40, spread=1.0, seed=1)
    loss = cross_entropy(logits.requires_grad_() * 1, labels)[0].sum()
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="stands where its logits were"):
        loss.backward()


def test_threads_change_no_bit():
    rows, columns = 37, 40_000
    threads = torch.get_num_threads()
    found = []
    try:
        for number in (1, 2, 5):
            torch.set_num_threads(number)
            logits, labels, weights = random_rows(rows=rows, columns=columns, spread=2.0, seed=3)
            logits.requires_grad_()
            losses, normalisers = cross_entropy(logits * 1, labels)
            (losses @ weights[0]).backward()
            found.append((losses.detach(), normalisers.detach(), logits.grad))
    finally:
        torch.set_num_threads(threads)
    for other in found[1:]:
        for one, same in zip(found[0], other, strict=True):
            assert torch.equal(one, same)


@pytest.mark.parametrize("place", [0, 17, 44])
@pytest.mark.parametrize("odd", [float("nan"), float("inf")])
def test_what_is_no_number_stays_seen(place, odd):
    logits, labels, _ = random_rows(rows=3, columns=45, spread=1.0, seed=5)
    labels[1] = 3
    logits[1, place] = odd
    logits.requires_grad_()
    losses, normalisers = cross_entropy(logits * 1, labels)
    losses.sum().backward()
    assert losses[1].isnan()
    assert normalisers[1].isnan()
    assert logits.grad[1].isnan().all()
    assert losses[[0, 2]].isfinite().all()
    assert logits.grad[[0, 2]].isfinite().all()


def test_a_score_of_minus_infinity_is_never_chosen():
    logits = torch.tensor([[1.0, -torch.inf, 2.0]])
    losses, normalisers = cross_entropy(logits, torch.tensor([2]))
    torch.testing.assert_close(normalisers, torch.tensor([1.0, 2.0]).logsumexp(0)[None])
    torch.testing.assert_close(losses, normalisers - 2)


@pytest.mark.parametrize("label", [-1, 40, 1 << 40])
def test_a_label_beyond_the_vocabulary_is_refused(label):
    logits, labels, _ = random_rows(rows=4, columns=40, spread=1.0, seed=1)
    labels[2] = label
    with pytest.raises(IndexError, match=rf"label {label} is not of a vocabulary of 40"):
        cross_entropy(logits, labels)


def test_other_devices_compute_the_same():
    logits, labels, weights = random_rows(rows=6, columns=40, spread=3.0, seed=7)
    for wanted, got in zip(cross_entropy(logits, labels), by_torch(logits, labels), strict=True):
        torch.testing.assert_close(got, wanted)
    by_torch(logits.requires_grad_(), labels)[0].dot(weights[0]).backward()
    same = logits.detach().requires_grad_()
    cross_entropy(same * 1, labels)[0].dot(weights[0]).backward()
    torch.testing.assert_close(same.grad, logits.grad)


def test_without_labels_nothing_is_lost():
    losses, normalisers = cross_entropy(torch.randn(0, 5), torch.empty(0, dtype=torch.int64))
    assert losses.shape == normalisers.shape == (0,)

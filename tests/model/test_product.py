"""Products by oneDNN are those of torch, with their gradients, and are asked for where they pay."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional

from lodesmith.model import product as products
from lodesmith.model.product import Linear, add_product, multiply, prefers_onednn, product

needs_onednn = pytest.mark.skipif(
    not torch.backends.mkldnn.is_available(), reason="this torch is built without oneDNN"
)
AMD, INTEL = "vendor_id\t: AuthenticAMD\n", "vendor_id\t: GenuineIntel\n"


@pytest.fixture(params=[False, True], ids=["torch", "onednn"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    if request.param and not torch.backends.mkldnn.is_available():
        pytest.skip("this torch is built without oneDNN")
    monkeypatch.setattr(products, "PREFERS_ONEDNN", request.param)
    return bool(request.param)


def numbers(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("leading", "inputs", "outputs"),
    [((3, 7), 16, 24), ((40,), 8, 200), ((2, 2, 5), 33, 1), ((64,), 48, 48)],
)
def test_a_product_and_its_gradients_are_those_of_double_precision(
    library: bool, leading: tuple[int, ...], inputs: int, outputs: int
) -> None:
    x = numbers(*leading, inputs, seed=1).requires_grad_()
    weight = numbers(outputs, inputs, seed=2).requires_grad_()
    pull = numbers(*leading, outputs, seed=3)
    out = product(x, weight)
    given = torch.autograd.grad(out, (x, weight), pull)
    wide = [one.detach().double().requires_grad_() for one in (x, weight)]
    expected_out = functional.linear(*wide)
    expected = torch.autograd.grad(expected_out, wide, pull.double())
    for one, wanted in zip((out, *given), (expected_out, *expected), strict=True):
        assert one.shape == wanted.shape
        assert one.is_contiguous()
        assert (one - wanted).norm() < 1e-6 * wanted.norm()


def test_what_is_frozen_gets_no_gradient_and_hands_on_that_of_its_input(library: bool) -> None:
    linear = Linear(12, 20).requires_grad_(False)
    x = numbers(5, 12, seed=1).requires_grad_()
    linear(x).sum().backward()
    assert linear.weight.grad is None
    assert torch.allclose(x.grad, linear.weight.sum(0).expand(5, 12), atol=1e-5)
    ids = numbers(5, 12, seed=2)  # nothing before it is learnt: no gradient is computed for it
    out = product(ids, numbers(20, 12, seed=3).requires_grad_())
    out.sum().backward()
    assert ids.grad is None


def test_gradients_add_up_over_the_uses_of_a_weight(library: bool) -> None:
    weight = numbers(6, 6, seed=1).requires_grad_()
    x = numbers(4, 6, seed=2)
    product(product(x, weight), weight).sum().backward()
    ones = torch.ones(4, 6)
    expected = (ones @ weight).T @ x + ones.T @ (x @ weight.T)
    assert torch.allclose(weight.grad, expected, atol=1e-4)


def test_products_for_an_optimizer(library: bool) -> None:
    left, right, added = numbers(9, 5, seed=1), numbers(7, 5, seed=2), numbers(9, 7, seed=3)
    assert torch.allclose(multiply(left, right), left @ right.T, atol=1e-5)
    result = add_product(added, left, right, beta=0.5, alpha=-2.0)
    assert torch.allclose(result, 0.5 * added - 2 * left @ right.T, atol=1e-5)
    assert torch.equal(added, numbers(9, 7, seed=3))


def test_other_number_formats_are_torchs_own_affair(library: bool) -> None:
    x, weight = numbers(4, 8, seed=1), numbers(6, 8, seed=2).requires_grad_()
    assert product(x.double(), weight.double()).dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert product(x, weight).dtype == torch.bfloat16


@needs_onednn
def test_a_compiler_sees_one_operator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "PREFERS_ONEDNN", True)
    linear = Linear(12, 20)
    x = numbers(2, 5, 12, seed=1)
    compiled = torch.compile(linear.forward, backend="aot_eager", fullgraph=True)
    compiled(x).square().sum().backward()
    seen = linear.weight.grad.clone()
    linear.weight.grad = None
    linear(x).square().sum().backward()
    assert torch.equal(seen, linear.weight.grad)
    torch.library.opcheck(
        torch.ops.lodesmith.multiply.default,
        (x[0], linear.weight.detach()),
        test_utils="test_faketensor",
    )


@needs_onednn
def test_the_same_product_gives_the_same_bits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "PREFERS_ONEDNN", True)
    x, weight = numbers(64, 96, seed=1), numbers(160, 96, seed=2)
    first = product(x, weight)
    assert all(torch.equal(product(x.clone(), weight.clone()), first) for _ in range(5))


@pytest.mark.parametrize(
    ("capability", "maker", "prefers"),
    [("AVX512", AMD, True), ("AVX512", INTEL, False), ("AVX2", AMD, False)],
)
def test_onednn_is_preferred_where_mkl_leaves_wide_registers_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capability: str, maker: str, prefers: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    cpus = tmp_path / "cpuinfo"
    cpus.write_text(maker)
    assert prefers_onednn(cpus=cpus) == prefers
    assert not prefers_onednn(cpus=tmp_path / "none")

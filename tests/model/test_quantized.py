"""Matrices in 4 bits: how far rounding moves them, that products are theirs, what is kept."""

import subprocess
import sys

import pytest
import torch
from tests.support.tiny_model import write_model
from torch import nn

from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.checkpoint import load_decoder, save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.lora import LoraLinear, add_adapter
from lodesmith.model.quantized import QuantizedLinear, load_quantized_decoder

pytest.importorskip("bitsandbytes")

IDS = torch.arange(24).reshape(2, 12)
SHAPE = AdapterShape(4, 8.0, ("q_proj", "down_proj"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("quantized") / "base")


def quantized(model):
    return load_quantized_decoder(model, dtype=torch.float32, device="cpu")


def a_matrix(rows=96, columns=256):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(1)) * 0.02


def test_rounding_moves_normal_weights_by_a_tenth():
    weight = a_matrix()
    moved = QuantizedLinear(weight).whole(torch.float32) - weight
    assert 0.05 < float(moved.norm() / weight.norm()) < 0.12  # 16 values for all of them


def test_products_forward_and_backward_are_those_of_the_rounded_matrix():
    linear = QuantizedLinear(a_matrix())
    x = torch.randn(3, 5, 256, requires_grad=True)
    again = x.detach().clone().requires_grad_()
    weight = torch.randn(3, 5, 96)
    (linear(x) * weight).sum().backward()
    (again @ linear.whole(torch.float32).T * weight).sum().backward()
    torch.testing.assert_close(x.grad, again.grad)
    assert not list(linear.parameters())


def test_neither_at_rest_nor_for_the_way_back_is_the_matrix_whole():
    linear = QuantizedLinear(a_matrix(512, 1024))
    state = linear._state
    held = [linear._packed, state.absmax, state.state2.absmax, state.state2.code]
    assert sum(part.nbytes for part in held) < 512 * 1024 * 0.53
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda one: kept.append(one) or one, lambda x: x):
        linear(torch.randn(2, 1024, requires_grad=True))
    assert kept == []


def test_under_bf16_products_are_of_bf16():
    linear = QuantizedLinear(a_matrix())
    x = torch.randn(4, 256, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        out = linear(x)
    assert out.dtype == torch.bfloat16
    out.float().sum().backward()
    assert x.grad.dtype == torch.float32


def test_of_a_decoder_the_matrices_of_its_layers_are_rounded_and_nothing_else(model):
    decoder, plain = quantized(model), load_decoder(model)
    for name, part in plain.named_modules():
        is_matrix = isinstance(part, nn.Linear) and name.startswith("model.layers.")
        assert isinstance(decoder.get_submodule(name), QuantizedLinear) == is_matrix
    left = dict(decoder.named_parameters())
    assert left.keys() == {name for name in dict(plain.named_parameters()) if "_proj" not in name}
    assert all(torch.equal(weight, plain.get_parameter(name)) for name, weight in left.items())


def test_a_router_stays_whole(tmp_path):
    shape = DecoderConfig(
        kind="qwen3", vocab_size=64, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=32,
        experts={"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16},
    )  # fmt: skip
    save_decoder(tmp_path, Decoder.fresh(shape, seed=1), eos_ids=[0])
    decoder = quantized(tmp_path)
    assert isinstance(decoder.get_submodule("model.layers.0.mlp.gate"), nn.Linear)
    assert isinstance(decoder.get_submodule("model.layers.0.self_attn.q_proj"), QuantizedLinear)
    assert torch.isfinite(decoder(IDS)).all()


def test_an_adapter_learns_as_beside_the_rounded_weights_in_full(model):
    decoder = quantized(model)
    plain = load_decoder(model)
    for name, part in decoder.named_modules():
        if isinstance(part, QuantizedLinear):
            plain.get_submodule(name).weight.data = part.whole(torch.float32)
    gradients = []
    for one in (decoder, plain):
        add_adapter(one, SHAPE, seed=1)
        for part in one.modules():
            if isinstance(part, LoraLinear):
                nn.init.constant_(part.lora_B, 0.01)
        one(IDS).float().logsumexp(-1).sum().backward()
        trained = {name: weight for name, weight in one.named_parameters() if weight.requires_grad}
        gradients.append({name: weight.grad for name, weight in trained.items()})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], rtol=1e-5, atol=1e-6)


def test_nothing_is_fetched_when_the_library_is_first_used(tmp_path):
    # On a CPU with bf16 products it asks the package `kernels`, if it is there, for one of a hub.
    asked = tmp_path / "asked"
    (tmp_path / "kernels.py").write_text(
        f"def get_kernel(*names, **settings):\n    open({str(asked)!r}, 'w').close()\n"
    )
    code = (
        "import sys, torch; sys.path.insert(0, sys.argv[1]); "
        "from lodesmith.model.quantized import QuantizedLinear; "
        "QuantizedLinear(torch.ones(64, 64)); import kernels; print(kernels.__file__)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert run.stdout.strip() == str(tmp_path / "kernels.py")  # it can be imported afterwards
    assert not asked.exists()
    assert run.stderr == ""

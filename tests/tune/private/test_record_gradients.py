"""Gradients of each record are those of the record alone, cut and added up."""

import pytest
import torch

from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.lora import LoraLinear, add_adapter, product, take_adapter
from lodesmith.tune.private.record_gradients import clip_and_sum, watch_records
from lodesmith.tune.private.training import record_losses, sum_gradients

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
SHAPE = AdapterShape(3, 6.0, tuple(TARGETS))
RECORDS = [
    ([1, 2, 3, 4, 5, 6], [False, False, True, True, True, True]),
    ([7, 8, 9], [False, True, True]),
    ([3, 3, 4, 9, 9, 1, 2, 5], [False] * 4 + [True] * 4),
]


@pytest.fixture(params=[True, False], ids=["tied", "untied"])
def decoder(request):
    config = DecoderConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=32, vocab_size=20,
        tie_word_embeddings=request.param,
    )  # fmt: skip
    model = Decoder.fresh(config, seed=0)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.2)
    return model


def watched(decoder):
    add_adapter(decoder, SHAPE, seed=2)
    generator = torch.Generator().manual_seed(3)
    products = watch_records(decoder)
    with torch.no_grad():
        for one in products:
            one.weights[1].normal_(0.0, 0.3, generator=generator)
    return products


def plain_gradients(decoder, products, record):
    weights = [weight for one in products for weight in one.weights]
    adapters = [module for module in decoder.modules() if isinstance(module, LoraLinear)]
    for adapter in adapters:
        adapter.product = product
    gradients = torch.autograd.grad(record_losses(decoder, [record]).sum(), weights)
    for adapter, one in zip(adapters, products, strict=True):
        adapter.product = one
    return gradients


@pytest.mark.parametrize("max_norm", [1e9, 0.05])
@pytest.mark.parametrize("micro_batch_size", [1, 2, 3])
def test_the_sum_is_that_of_records_taken_one_by_one(decoder, max_norm, micro_batch_size):
    products = watched(decoder)
    assert len(products) == 2 * len(TARGETS)
    expected = None
    for record in RECORDS:
        gradients = plain_gradients(decoder, products, record)
        norm = torch.sqrt(sum(gradient.square().sum() for gradient in gradients))
        cut = [gradient * min(1.0, max_norm / float(norm)) for gradient in gradients]
        expected = cut if expected is None else [a + b for a, b in zip(expected, cut, strict=True)]
    found = sum_gradients(
        decoder, products, RECORDS, max_norm=max_norm, micro_batch_size=micro_batch_size
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5 * float(other.abs().max()))


def test_no_record_moves_the_sum_further_than_the_norm_it_is_cut_to(decoder):
    products = watched(decoder)
    sums = [
        sum_gradients(decoder, products, records, max_norm=0.1, micro_batch_size=2)
        for records in (RECORDS, RECORDS[:-1])
    ]
    apart = torch.sqrt(sum((one - other).square().sum() for one, other in zip(*sums, strict=True)))
    assert float(apart) <= 0.1 + 1e-5


def test_watched_adapters_say_the_same_and_are_taken_off_as_any_other(decoder):
    ids = torch.tensor([[1, 5, 9, 3]])
    add_adapter(decoder, SHAPE, seed=2)
    with torch.no_grad():
        for module in decoder.modules():
            if isinstance(module, LoraLinear):
                module.lora_B.fill_(0.1)
        plain = decoder(ids)
        products = watch_records(decoder)
        assert torch.equal(decoder(ids), plain)
        taken = take_adapter(decoder, SHAPE)
        torch.testing.assert_close(decoder(ids), plain, rtol=1e-4, atol=1e-5)
    assert len(taken.weights) == len(products) == 2 * len(TARGETS)
    assert not any("lora" in name for name, _ in decoder.named_parameters())


def test_only_adapters_learn(decoder):
    add_adapter(decoder, AdapterShape(1, 1.0, ("q_proj",)), seed=0)
    products = watch_records(decoder)
    learning = [name for name, weight in decoder.named_parameters() if weight.requires_grad]
    assert len(learning) == 2 * len(products) == 4
    record_losses(decoder, RECORDS).sum().backward()
    assert len(clip_and_sum(products, max_norm=1.0)) == 4
    assert all(one.gradients is None for one in products)


def test_a_batch_of_no_record_still_gets_its_noise(decoder):
    products = watched(decoder)
    sums = sum_gradients(decoder, products, [], max_norm=1.0, micro_batch_size=2)
    assert [gradient.shape for gradient in sums] == [w.shape for p in products for w in p.weights]
    assert not any(gradient.any() for gradient in sums)

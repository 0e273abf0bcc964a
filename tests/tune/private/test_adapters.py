"""Gradients of each record are those of the record alone, cut and added up."""

import pytest
import torch

from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.tune.private.adapters import attach, clip_and_sum, merge
from lodesmith.tune.private.training import record_losses, sum_gradients

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
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


def adapters_of(decoder):
    adapters = attach(decoder, targets=TARGETS, rank=3, alpha=6.0, seed=2)
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for adapter in adapters:
            adapter.b.normal_(0.0, 0.3, generator=generator)
    return adapters


def plain_gradients(decoder, adapters, record):
    weights = [weight for adapter in adapters for weight in (adapter.a, adapter.b)]
    for adapter in adapters:
        adapter.by_record = False
    gradients = torch.autograd.grad(record_losses(decoder, [record]).sum(), weights)
    for adapter in adapters:
        adapter.by_record = True
    return gradients


@pytest.mark.parametrize("max_norm", [1e9, 0.05])
@pytest.mark.parametrize("micro_batch_size", [1, 2, 3])
def test_the_sum_is_that_of_records_taken_one_by_one(decoder, max_norm, micro_batch_size):
    adapters = adapters_of(decoder)
    assert len(adapters) == 2 * len(TARGETS)
    expected = None
    for record in RECORDS:
        gradients = plain_gradients(decoder, adapters, record)
        norm = torch.sqrt(sum(gradient.square().sum() for gradient in gradients))
        cut = [gradient * min(1.0, max_norm / float(norm)) for gradient in gradients]
        expected = cut if expected is None else [a + b for a, b in zip(expected, cut, strict=True)]
    found = sum_gradients(
        decoder, adapters, RECORDS, max_norm=max_norm, micro_batch_size=micro_batch_size
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def test_no_record_moves_the_sum_further_than_the_norm_it_is_cut_to(decoder):
    adapters = adapters_of(decoder)
    sums = [
        sum_gradients(decoder, adapters, records, max_norm=0.1, micro_batch_size=2)
        for records in (RECORDS, RECORDS[:-1])
    ]
    apart = torch.sqrt(sum((one - other).square().sum() for one, other in zip(*sums, strict=True)))
    assert float(apart) <= 0.1 + 1e-5


def test_fresh_adapters_change_nothing_and_merged_ones_are_the_model(decoder):
    ids = torch.tensor([[1, 5, 9, 3]])
    with torch.no_grad():
        before = decoder(ids)
        adapters = attach(decoder, targets=TARGETS, rank=3, alpha=6.0, seed=2)
        torch.testing.assert_close(decoder(ids), before)
        for adapter in adapters:
            adapter.b.fill_(0.1)
        with_adapters = decoder(ids)
        names = {name for name, _ in decoder.named_parameters()}
        merge(decoder)
        torch.testing.assert_close(decoder(ids), with_adapters, rtol=1e-4, atol=1e-5)
    assert any(name.endswith(".a") for name in names)
    assert not any(name.endswith((".a", ".b")) for name, _ in decoder.named_parameters())


def test_only_adapters_learn(decoder):
    adapters = attach(decoder, targets=["q_proj"], rank=1, alpha=1.0, seed=0)
    learning = [name for name, weight in decoder.named_parameters() if weight.requires_grad]
    assert len(learning) == 2 * len(adapters) == 4
    record_losses(decoder, RECORDS).sum().backward()
    assert len(clip_and_sum(adapters, max_norm=1.0)) == 4
    assert all(adapter.record_gradients is None for adapter in adapters)

"""The loss: only labels that count, and packed documents never see each other."""

import torch
from torch.nn import functional

from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.train.objectives.loss import summed_loss
from lodesmith.train.samples.loader import Batch


def random_decoder():
    config = DecoderConfig(
        vocab_size=30,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        head_dim=8,
    )
    decoder = Decoder.fresh(config, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.2)
    return decoder


def test_masked_labels_add_nothing():
    decoder = random_decoder()
    ids = torch.randint(0, 30, (2, 7), generator=torch.Generator().manual_seed(3))
    mask = torch.tensor([[1, 0, 1, 1, 0, 0], [0, 0, 0, 0, 1, 0]], dtype=torch.bool)
    batch = Batch(input_ids=ids[:, :-1], labels=ids[:, 1:], loss_mask=mask)
    loss, count = summed_loss(decoder, batch)
    each = functional.cross_entropy(
        decoder(batch.input_ids).transpose(1, 2), batch.labels, reduction="none"
    )
    assert count == 4
    torch.testing.assert_close(loss, each[mask].sum())


def test_without_a_mask_every_label_counts():
    decoder = random_decoder()
    ids = torch.randint(0, 30, (2, 7), generator=torch.Generator().manual_seed(3))
    loss, count = summed_loss(decoder, Batch(input_ids=ids[:, :-1], labels=ids[:, 1:]))
    assert count == 12
    every = torch.ones(2, 6, dtype=torch.bool)
    masked, _ = summed_loss(decoder, Batch(ids[:, :-1], ids[:, 1:], loss_mask=every))
    torch.testing.assert_close(loss, masked)


def test_a_packed_row_has_the_loss_of_its_documents_alone():
    decoder = random_decoder()
    first, second = torch.tensor([[5, 6, 7, 8]]), torch.tensor([[9, 3, 2, 1, 4]])
    row = torch.cat([first, second], dim=1)
    segments = torch.tensor([[1, 1, 1, 1, 2, 2, 2, 2]])
    mask = torch.tensor([[1, 1, 1, 0, 1, 1, 1, 1]], dtype=torch.bool)
    packed, _ = summed_loss(
        decoder, Batch(row[:, :-1], row[:, 1:], loss_mask=mask, segment_ids=segments)
    )
    alone = sum(summed_loss(decoder, Batch(ids[:, :-1], ids[:, 1:]))[0] for ids in (first, second))
    torch.testing.assert_close(packed, alone)
    open_row, _ = summed_loss(decoder, Batch(row[:, :-1], row[:, 1:], loss_mask=mask))
    assert not torch.allclose(open_row, alone), "the test must be able to fail"

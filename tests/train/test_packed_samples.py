"""Packing: no token is lost, none is learnt that should not be, and files give them back."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import scaled_dot_product_attention

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.train.objectives.segments import attend_within_segments
from lodesmith.train.samples.packed import PackedSamples, open_packed, pack_documents, write_packed

PADDING = 99
documents = st.lists(
    st.lists(st.tuples(st.integers(0, 50), st.booleans()), min_size=2, max_size=9),
    min_size=1,
    max_size=30,
)


@settings(deadline=None)
@given(documents)
def test_every_document_is_whole_in_one_segment(pairs):
    given_documents = [tuple(zip(*pair, strict=True)) for pair in pairs]
    packed = pack_documents(given_documents, sequence_length=9, padding_id=PADDING)
    found = []
    for ids, mask, segments in zip(
        packed.input_ids, packed.loss_mask, packed.segment_ids, strict=True
    ):
        assert not mask[0]
        assert not mask[segments == 0].any()
        assert (ids[segments == 0] == PADDING).all()
        for segment in range(1, segments.max() + 1):
            inside = segments == segment
            found.append((tuple(ids[inside]), tuple(mask[inside])))
    expected = [(tuple(ids), (False, *mask[1:])) for ids, mask in given_documents]
    assert sorted(found) == sorted(expected)


EXPERTS = {"num_experts": 2, "num_experts_per_tok": 1, "moe_intermediate_size": 8}


def test_documents_share_rows():
    packed = pack_documents([([1, 2, 3], [False, True, True])] * 4, sequence_length=6, padding_id=0)
    assert packed.input_ids.tolist() == [[1, 2, 3, 1, 2, 3, 0], [1, 2, 3, 1, 2, 3, 0]]
    assert packed.segment_ids[0].tolist() == [1, 1, 1, 2, 2, 2, 0]


def test_files_give_the_samples_back(tmp_path):
    packed = pack_documents([([1, 2, 3], [False, True, True])], sequence_length=4, padding_id=0)
    write_packed(tmp_path, packed)
    loaded = open_packed(tmp_path)
    for name in ("input_ids", "loss_mask", "segment_ids"):
        assert np.array_equal(getattr(loaded, name), getattr(packed, name)), name


def test_a_document_longer_than_a_row_is_refused():
    with pytest.raises(UserError, match="sample 1 has 6 tokens"):
        pack_documents(
            [([1, 2], [True] * 2), ([1] * 6, [True] * 6)], sequence_length=4, padding_id=0
        )


def test_samples_without_anything_to_learn_are_refused(tmp_path):
    empty = PackedSamples(np.ones((1, 3)), np.zeros((1, 3), bool), np.ones((1, 3)))
    with pytest.raises(UserError, match="no token of the packed samples"):
        write_packed(tmp_path, empty)


def test_torn_files_are_damage(tmp_path):
    write_packed(
        tmp_path, pack_documents([([1, 2], [False, True])], sequence_length=4, padding_id=0)
    )
    path = tmp_path / "loss_mask.npy"
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(DamagedArtifactError, match="no whole packed samples"):
        open_packed(tmp_path)


def test_rows_of_many_short_documents_are_full():
    generator = np.random.default_rng(1)
    lengths = generator.integers(5, 120, 2000)
    given_documents = [([1] * length, [True] * length) for length in lengths]
    packed = pack_documents(given_documents, sequence_length=255, padding_id=0)
    assert (packed.segment_ids > 0).mean() >= 0.98


def test_packed_logits_equal_those_of_documents_alone():
    decoder = write_decoder()
    given_documents = [([number, 5, 6, 7 + number][: 2 + number % 3], [True] * (2 + number % 3))
                       for number in range(9)]  # fmt: skip
    packed = pack_documents(given_documents, sequence_length=9, padding_id=0)
    ids = torch.from_numpy(packed.input_ids.astype(np.int64))
    segments = torch.from_numpy(packed.segment_ids)
    with torch.no_grad():
        together = decoder.logits(decoder.hidden(ids, attend=attend_within_segments(segments)))
        mixed = decoder(ids)
        for row, owners in zip(range(len(ids)), segments, strict=True):
            for segment in range(1, int(owners.max()) + 1):
                inside = owners == segment
                alone = decoder(ids[row][inside][None])[0]
                torch.testing.assert_close(together[row][inside], alone, atol=1e-5, rtol=0)
    assert not torch.allclose(together, mixed, atol=1e-2), "the test must be able to fail"


def write_decoder(experts=None):
    config = DecoderConfig(
        vocab_size=30, hidden_size=16, intermediate_size=24, num_hidden_layers=2,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, experts=experts,
    )  # fmt: skip
    decoder = Decoder.fresh(config, seed=1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.3)
    return decoder


@pytest.mark.parametrize("lengths", [[9, 3, 2], [14], [5, 5, 2, 1, 1], [1] * 14])
def test_documents_by_themselves_are_attended_to_as_under_a_mask(lengths):
    generator = torch.Generator().manual_seed(0)
    segments = torch.repeat_interleave(torch.arange(len(lengths)), torch.tensor(lengths))
    segments = torch.stack((segments, torch.ones_like(segments)))  # and a row of one document
    inputs = [torch.randn(2, heads, 14, 8, generator=generator) for heads in (4, 2, 2)]
    same = segments[:, :, None] == segments[:, None, :]
    mask = (same & torch.ones(14, 14, dtype=torch.bool).tril())[:, None]
    found = []
    for attend in (
        attend_within_segments(segments),
        lambda _, q, k, v: scaled_dot_product_attention(q, k, v, attn_mask=mask, enable_gqa=True),
    ):
        asked = [tensor.clone().requires_grad_() for tensor in inputs]
        out = attend(0, *asked)
        out.square().sum().backward()
        found.append([out, *(tensor.grad for tensor in asked)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("experts", [None, EXPERTS])
def test_states_at_some_places_are_those_of_the_whole(experts):
    decoder = write_decoder(experts)
    ids = torch.randint(0, 30, (2, 6), generator=torch.Generator().manual_seed(1))
    places = torch.tensor([0, 5, 6, 10])
    with torch.no_grad():
        whole = decoder.hidden(ids).flatten(0, 1)[places]
        torch.testing.assert_close(decoder.hidden_at(places, ids), whole, atol=1e-6, rtol=1e-6)

"""The decoder alone: its size, its start, and the hole an engine puts its cache into."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lodesmith.model.config import DecoderConfig, ModelConfig
from lodesmith.model.decoder import Decoder, causal_attention, fresh_weights
from lodesmith.model.hugging_face import from_hugging_face, to_hugging_face


def shape(**changes):
    fields = {
        "vocab_size": 50,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 8,
    }
    return DecoderConfig(**{**fields, **changes})


@settings(deadline=None, max_examples=25)
@given(
    kind=st.sampled_from(["llama", "qwen3"]),
    tied=st.booleans(),
    layers=st.integers(1, 3),
    key_value_heads=st.sampled_from([1, 2, 4]),
    head_dim=st.sampled_from([2, 6, 8]),
)
def test_the_config_counts_the_weights_and_survives_config_json(
    kind, tied, layers, key_value_heads, head_dim
):
    config = shape(
        kind=kind,
        tie_word_embeddings=tied,
        num_hidden_layers=layers,
        num_key_value_heads=key_value_heads,
        head_dim=head_dim,
    )
    with torch.device("meta"):
        decoder = Decoder(config)
    assert config.num_parameters == sum(weight.numel() for weight in decoder.parameters())
    assert from_hugging_face(to_hugging_face(config, eos_ids=[1])) == config


def test_one_seed_gives_one_start():
    first, second, other = (Decoder.fresh(shape(), seed=seed) for seed in (1, 1, 2))
    for name, weight in first.named_parameters():
        assert torch.equal(weight, second.get_parameter(name)), name
    embedding = "model.embed_tokens.weight"
    assert not torch.equal(first.get_parameter(embedding), other.get_parameter(embedding))


def test_fresh_weights_one_at_a_time_are_those_of_a_fresh_decoder():
    whole = dict(Decoder.fresh(shape(), seed=1).named_parameters())
    for name, weight in fresh_weights(shape(), seed=1):
        assert torch.equal(whole.pop(name), weight), name
    assert not whole


def test_heads_that_cannot_be_grouped_are_refused():
    with pytest.raises(ValidationError, match="must be a multiple"):
        shape(num_key_value_heads=3)
    with pytest.raises(ValidationError, match="head_dim must be even"):
        shape(head_dim=7)
    with pytest.raises(ValidationError, match="hidden_size"):
        ModelConfig(kind="llama")


def test_later_tokens_never_change_earlier_logits():
    decoder = Decoder.fresh(shape(), seed=1)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
        ids = torch.arange(12)[None]
        changed = ids.clone()
        changed[0, 8:] = 0
        torch.testing.assert_close(decoder(ids)[:, :8], decoder(changed)[:, :8])
        assert not torch.allclose(decoder(ids)[:, 8:], decoder(changed)[:, 8:])


def test_an_engine_can_keep_keys_and_values_itself():
    """Token by token through an injected cache gives what one pass over all tokens gives."""
    decoder = Decoder.fresh(shape(), seed=1)
    kept: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def attend(layer, q, k, v):
        if layer in kept:
            k, v = (torch.cat([old, new], 2) for old, new in zip(kept[layer], (k, v), strict=True))
        kept[layer] = k, v
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, enable_gqa=True)

    ids = torch.randint(0, 50, (2, 7), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        for weight in decoder.parameters():
            weight.add_(torch.randn_like(weight), alpha=0.1)
        whole = decoder(ids)
        steps = [
            decoder(
                ids[:, place : place + 1],
                position_ids_BT=torch.tensor([[place]]).expand(2, 1),
                attend=attend,
            )
            for place in range(7)
        ]
    torch.testing.assert_close(torch.cat(steps, 1), whole, atol=1e-5, rtol=0)
    assert set(kept) == {0, 1}


def test_training_still_works_after_a_first_call_in_inference_mode():
    config = shape(rope_theta=777.0)  # a config that no other test has cached
    decoder = Decoder.fresh(config, seed=1)
    ids = torch.arange(6)[None]
    with torch.inference_mode():
        decoder(ids)
    decoder(ids).sum().backward()
    assert decoder.model.embed_tokens.weight.grad is not None


def test_attention_reads_only_the_past():
    q = k = v = torch.eye(4)[None, None]
    out = causal_attention(0, q, k, v)
    assert torch.equal(out[0, 0].triu(1), torch.zeros(4, 4))

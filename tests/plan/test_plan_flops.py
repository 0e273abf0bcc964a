"""Counts of parameters and FLOPs against published figures."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lodesmith.core.errors import UserError
from lodesmith.model.config import DecoderConfig, ModelConfig
from lodesmith.plan.workload.flops import count_parameters, count_token_flops, count_training_flops
from lodesmith.plan.workload.shape import ModelShape, gpt_shape, shape_of

GPT3 = gpt_shape(
    hidden_size=12288, num_hidden_layers=96, num_attention_heads=96, vocab_size=50257,
    max_position_embeddings=2048,
)  # fmt: skip
MT_NLG = gpt_shape(
    hidden_size=20480, num_hidden_layers=105, num_attention_heads=128, vocab_size=51200,
    max_position_embeddings=2048,
)  # fmt: skip
YUAN = gpt_shape(
    hidden_size=16384, num_hidden_layers=76, num_attention_heads=128, vocab_size=53248,
    max_position_embeddings=2048,
)  # fmt: skip
PANGU = gpt_shape(
    hidden_size=16384, num_hidden_layers=64, num_attention_heads=128, vocab_size=40960,
    max_position_embeddings=1024,
)  # fmt: skip


@pytest.mark.parametrize(
    ("shape", "billions"),
    [(GPT3, 175), (MT_NLG, 529.6), (YUAN, 245.7), (PANGU, 207.0)],
    ids=["GPT-3 2005.14165", "MT-NLG 2201.11990", "Yuan 2110.04725", "PanGu 2104.12369"],
)
def test_parameters_equal_the_published_number_within_half_a_percent(
    shape: ModelShape, billions: float
):
    assert count_parameters(shape).total / 1e9 == pytest.approx(billions, rel=0.005)


def test_gpt3_training_takes_the_published_flops():
    # Brown et al., table D.1: 3.14e23; its 174.6 B parameters leave the embedding out.
    parameters = count_parameters(GPT3)
    flops = count_training_flops(parameters.total, tokens=300e9)
    assert flops == pytest.approx(3.145e23, rel=0.005)


def test_llama_7b_has_its_published_parameters():
    shape = ModelShape(
        kind="llama", vocab_size=32000, hidden_size=4096, intermediate_size=11008,
        num_hidden_layers=32, num_attention_heads=32, num_key_value_heads=32, head_dim=128,
        max_position_embeddings=4096, tie_word_embeddings=False,
    )  # fmt: skip
    assert count_parameters(shape).total == 6_738_415_616  # as transformers counts Llama-2-7B


@given(
    kind=st.sampled_from(["llama", "qwen3"]),
    layers=st.integers(1, 8),
    groups=st.integers(1, 4),
    heads=st.integers(1, 4),
    tied=st.booleans(),
)
def test_a_trainable_shape_counts_as_the_model_room_counts_it(
    kind: str, layers: int, groups: int, heads: int, tied: bool
):
    model = ModelConfig.model_validate(
        {"kind": kind, "hidden_size": 48, "intermediate_size": 112, "num_hidden_layers": layers,
         "num_attention_heads": heads * groups, "num_key_value_heads": heads, "head_dim": 16,
         "tie_word_embeddings": tied}
    )  # fmt: skip
    decoder = DecoderConfig.from_model(model, vocab_size=1000)
    assert count_parameters(shape_of(model, vocab_size=1000)).total == decoder.num_parameters


@given(
    experts=st.integers(2, 6),
    width=st.sampled_from([16, 48]),
    shared=st.sampled_from([None, 32]),
)
def test_a_mixture_counts_as_the_model_room_counts_it(experts: int, width: int, shared: int | None):
    mixture = {
        "num_experts": experts, "num_experts_per_tok": 2, "moe_intermediate_size": width,
        "shared_expert_intermediate_size": shared,
    }  # fmt: skip
    model = ModelConfig.model_validate(
        {"kind": "qwen3", "hidden_size": 48, "intermediate_size": 112, "num_hidden_layers": 2,
         "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
         "experts": mixture}
    )  # fmt: skip
    decoder = DecoderConfig.from_model(model, vocab_size=1000)
    counted = count_parameters(shape_of(model, vocab_size=1000))
    assert counted.total == decoder.num_parameters
    assert counted.active < counted.total or experts == 2


def test_matrix_flops_are_six_per_weight_and_attention_is_causal():
    flops = count_token_flops(MT_NLG, sequence_length=2048)
    assert flops.matrices == 6 * 12 * 20480**2 * 105
    assert flops.attention == 6 * 2048 * 20480 * 105  # half of the full 12 s h a layer
    assert flops.output_head == 6 * 20480 * 51200


@given(st.integers(1, 10))
def test_flops_grow_linearly_with_layers(times: int):
    base = replace(MT_NLG, num_hidden_layers=2)
    deeper = replace(MT_NLG, num_hidden_layers=2 * times)
    base_flops, flops = (count_token_flops(s, sequence_length=512) for s in (base, deeper))
    assert flops.total - flops.output_head == times * (base_flops.total - base_flops.output_head)


def test_heads_that_do_not_divide_are_refused():
    with pytest.raises(UserError, match="multiple of num_key_value_heads"):
        replace(MT_NLG, num_key_value_heads=3)

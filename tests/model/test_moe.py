"""Mixture of experts: equal to transformers' Qwen3-MoE both ways, and its load evens out."""

import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.model.checkpoint import load_decoder, save_decoder
from lodesmith.model.config import DecoderConfig, ExpertsConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.export import export_model
from lodesmith.model.hugging_face import from_hugging_face, to_hugging_face
from lodesmith.model.moe import MixtureOfExperts

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # transformers' own imports warn; ours must not
    from transformers import AutoModelForCausalLM, Qwen3MoeConfig, Qwen3MoeForCausalLM

SHAPE = {
    "vocab_size": 96,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
}
EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 24}


def random_decoder(**experts):
    config = DecoderConfig(**SHAPE, experts=ExpertsConfig(**{**EXPERTS, **experts}))
    decoder = Decoder.fresh(config, seed=3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.1)
    return decoder.eval()


def random_ids():
    return torch.randint(0, 96, (2, 40), generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("normalised", [True, False])
def test_transformers_loads_our_mixture_and_gives_the_same_logits(tmp_path, normalised):
    ours = random_decoder(norm_topk_prob=normalised)
    save_decoder(tmp_path, ours, eos_ids=[7])
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert isinstance(theirs, Qwen3MoeForCausalLM)
    with torch.no_grad():
        torch.testing.assert_close(
            ours(random_ids()), theirs(random_ids()).logits, atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("tied", [True, False])
def test_we_load_a_mixture_of_transformers_and_give_the_same_logits(tmp_path, normalised, tied):
    torch.manual_seed(1)
    config = Qwen3MoeConfig(
        **SHAPE,
        **EXPERTS,
        norm_topk_prob=normalised,
        tie_word_embeddings=tied,
        initializer_range=0.2,
    )
    theirs = Qwen3MoeForCausalLM(config).eval()
    theirs.save_pretrained(tmp_path, max_shard_size="20KB")
    ours = load_decoder(tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            ours(random_ids()), theirs(random_ids()).logits, atol=1e-5, rtol=0
        )


def test_a_mixture_of_our_own_survives_its_folder_but_is_not_exported(tmp_path):
    ours = random_decoder(shared_expert_intermediate_size=16, router_bias_rate=0.01)
    save_decoder(tmp_path / "model", ours, eos_ids=[])
    again = load_decoder(tmp_path / "model").eval()
    assert again.config == ours.config
    with torch.no_grad():
        assert torch.equal(ours(random_ids()), again(random_ids()))
    with pytest.raises(UserError, match="no other library would compute it"):
        export_model(tmp_path / "model", tmp_path / "out")


def test_a_mixture_without_one_of_its_experts_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    save_decoder(tmp_path, random_decoder(), eos_ids=[])
    weights = load_file(tmp_path / "model.safetensors")
    weights = {
        name: weight.clone() for name, weight in weights.items() if ".experts.3.up" not in name
    }
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(DamagedArtifactError, match="it lacks 2 weights"):
        load_decoder(tmp_path)


@settings(max_examples=15)
@given(
    num_experts=st.integers(1, 5),
    shared=st.sampled_from([None, 8]),
    rate=st.sampled_from([None, 0.01]),
)
def test_the_config_counts_the_weights_of_experts(num_experts, shared, rate):
    experts = ExpertsConfig(
        num_experts=num_experts,
        num_experts_per_tok=1,
        moe_intermediate_size=8,
        shared_expert_intermediate_size=shared,
        router_bias_rate=rate,
    )
    config = DecoderConfig(**SHAPE, experts=experts)
    with torch.device("meta"):
        decoder = Decoder(config)
    assert config.num_parameters == sum(weight.numel() for weight in decoder.parameters())
    assert from_hugging_face(to_hugging_face(config)) == config


def test_choosing_more_experts_than_there_are_is_refused():
    with pytest.raises(ValidationError, match=r"num_experts_per_tok \(3\) is more than"):
        ExpertsConfig(num_experts=2, num_experts_per_tok=3, moe_intermediate_size=8)
    with pytest.raises(ValidationError, match="experts want kind qwen3"):
        DecoderConfig(**SHAPE, kind="llama", experts=ExpertsConfig(**EXPERTS))


def test_balancing_evens_out_the_experts_load_and_leaves_the_weights_alone():
    torch.manual_seed(1)
    experts = ExpertsConfig(**EXPERTS, router_bias_rate=0.01)
    mixture = MixtureOfExperts(16, experts)
    with torch.no_grad():
        mixture.gate.weight.normal_(std=0.2)
        for weight in mixture.experts.parameters():
            weight.normal_()
    x = torch.randn(1, 600, 16) + 0.5  # not centred: some experts are liked by all

    def load():
        mixture(x)
        return mixture.load_E

    first = load()
    gate = mixture.gate.weight.clone()
    for _ in range(100):
        mixture.balance(load())
    mixture.load_E = None
    last = load()
    assert first.max() > 1.5 * first.float().mean()
    assert last.max() < 1.15 * last.float().mean()
    assert torch.equal(gate, mixture.gate.weight)


def test_the_z_loss_adds_its_gradient_and_changes_no_output():
    torch.manual_seed(1)
    plain = MixtureOfExperts(16, ExpertsConfig(**EXPERTS))
    pulled = MixtureOfExperts(16, ExpertsConfig(**EXPERTS, router_z_loss=0.1))
    with torch.no_grad():
        for weight in plain.parameters():
            weight.normal_(std=0.3)
    pulled.load_state_dict(plain.state_dict())
    x = torch.randn(1, 20, 16)
    assert torch.equal(plain(x), pulled(x))
    z_loss = 0.1 * plain.gate(x).logsumexp(-1).square().sum()
    (plain(x).square().sum() + z_loss).backward()
    pulled(x).square().sum().backward()
    torch.testing.assert_close(
        pulled.gate.weight.grad, plain.gate.weight.grad, atol=1e-4, rtol=1e-5
    )

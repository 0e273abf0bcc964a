"""Golden tests: our decoder and transformers' compute the same model, in both directions.

Tolerance: 1e-5 on logits of order 1, float32 on both sides; only the order of sums differs.
"""

import warnings

import pytest
import torch

from lodesmith.model.checkpoint import load_decoder, save_decoder
from lodesmith.model.config import DecoderConfig, ExpertsConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.export import export_model
from lodesmith.train.objectives.segments import attend_within_segments

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # transformers' own imports warn; ours must not
    from transformers import (
        AutoModelForCausalLM,
        LlamaConfig,
        LlamaForCausalLM,
        Qwen3Config,
        Qwen3ForCausalLM,
    )

SHAPE = {
    "vocab_size": 96,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "head_dim": 16,
    "max_position_embeddings": 128,
    "rms_norm_eps": 1e-5,
}
EXPERTS = ExpertsConfig(num_experts=6, num_experts_per_tok=2, moe_intermediate_size=24)
LLAMA3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 10_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}


def random_decoder(**shape):
    decoder = Decoder.fresh(DecoderConfig(**{**SHAPE, "num_key_value_heads": 2, **shape}), seed=3)
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():  # the zeros and ones of a fresh start would hide swapped weights
        for weight in decoder.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.1)
    return decoder.eval()


def random_ids(num_rows=2, num_tokens=40):
    generator = torch.Generator().manual_seed(5)
    return torch.randint(0, SHAPE["vocab_size"], (num_rows, num_tokens), generator=generator)


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("num_key_value_heads", [1, 2, 4])
def test_transformers_loads_what_we_save_and_gives_the_same_logits(
    tmp_path, kind, tied, num_key_value_heads
):
    ours = random_decoder(
        kind=kind, tie_word_embeddings=tied, num_key_value_heads=num_key_value_heads
    )
    save_decoder(tmp_path, ours, eos_ids=[7])
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert theirs.dtype == torch.float32
    with torch.no_grad():
        torch.testing.assert_close(
            ours(random_ids()), theirs(random_ids()).logits, atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("rope", [None, LLAMA3_ROPE])
def test_we_load_a_llama_of_transformers_and_give_the_same_logits(tmp_path, tied, rope):
    torch.manual_seed(1)
    config = LlamaConfig(
        **SHAPE,
        num_key_value_heads=2,
        tie_word_embeddings=tied,
        rope_parameters=rope or {"rope_type": "default", "rope_theta": 500.0},
        initializer_range=0.2,
    )
    check_loading(LlamaForCausalLM(config), tmp_path)


@pytest.mark.parametrize("tied", [True, False])
def test_we_load_a_qwen3_of_transformers_and_give_the_same_logits(tmp_path, tied):
    torch.manual_seed(1)
    config = Qwen3Config(
        **SHAPE, num_key_value_heads=2, tie_word_embeddings=tied, initializer_range=0.2
    )
    check_loading(Qwen3ForCausalLM(config), tmp_path)


def check_loading(theirs, folder):
    theirs.eval().save_pretrained(folder, max_shard_size="20KB")
    assert (folder / "model.safetensors.index.json").exists(), "the test wants several shards"
    ours = load_decoder(folder).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            ours(random_ids()), theirs(random_ids()).logits, atol=1e-5, rtol=0
        )


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_greedy_continuations_are_equal(tmp_path, kind):
    ours = random_decoder(kind=kind)
    save_decoder(tmp_path, ours, eos_ids=[])
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    ids = random_ids(num_rows=1, num_tokens=8)
    expected = theirs.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=24,
        min_new_tokens=24,
        do_sample=False,
        pad_token_id=0,
    )
    with torch.no_grad():
        for _ in range(24):
            ids = torch.cat([ids, ours(ids)[:, -1:].argmax(-1)], dim=1)
    assert ids.tolist() == expected.tolist()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_weights_are_converted_and_kept_on_export(tmp_path, dtype):
    ours = random_decoder().to(dtype)
    save_decoder(tmp_path / "half", ours, eos_ids=[1, 2])
    export_model(tmp_path / "half", tmp_path / "out")
    loaded = load_decoder(tmp_path / "out")
    assert loaded.output_weight.dtype == torch.float32
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype=torch.float32).eval()
    with torch.no_grad():
        torch.testing.assert_close(
            loaded(random_ids()), theirs(random_ids()).logits, atol=1e-5, rtol=0
        )
    stored = AutoModelForCausalLM.from_pretrained(tmp_path / "out", dtype="auto")
    assert stored.dtype == dtype
    assert stored.generation_config.eos_token_id == [1, 2]


def test_position_ids_mean_the_same_as_in_transformers(tmp_path):
    ours = random_decoder()
    save_decoder(tmp_path, ours, eos_ids=[7])
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    ids, positions = random_ids(num_rows=1, num_tokens=9), torch.arange(5, 14)[None]
    with torch.no_grad():
        torch.testing.assert_close(
            ours(ids, position_ids_BT=positions),
            theirs(ids, position_ids=positions).logits,
            atol=1e-5,
            rtol=0,
        )


@pytest.mark.parametrize("model", [{"kind": "llama"}, {"kind": "qwen3"}, {"experts": EXPERTS}])
def test_a_document_in_a_packed_row_gets_the_logits_that_transformers_gives_it_alone(
    tmp_path, model
):
    ours, ids = random_decoder(**model), random_ids(num_rows=1)
    save_decoder(tmp_path, ours, eos_ids=[7])
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    lengths = [9, 1, 17, 13]
    segments = torch.repeat_interleave(torch.arange(4), torch.tensor(lengths))[None]
    with torch.no_grad():
        packed = ours(ids, attend=attend_within_segments(segments))
        alone = [theirs(document).logits for document in ids.split(lengths, dim=1)]
    torch.testing.assert_close(packed, torch.cat(alone, dim=1), atol=1e-5, rtol=0)

"""Adapters: merged and beside the weights they compute the same, here and in PEFT."""

import json

import pytest
import torch
from tests.support.tiny_model import write_model

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.model.adapter_shape import AdapterShape
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.kinship import describe_base, write_base
from lodesmith.model.lora import (
    LoraLinear,
    add_adapter,
    load_adapter,
    merge_adapter,
    save_adapter,
    stack_adapters,
    take_adapter,
)
from lodesmith.model.merged import merge_folder

SHAPE = AdapterShape(4, 8.0, ("q_proj", "v_proj", "down_proj"))

BESIDE_PEFT = pytest.mark.filterwarnings(
    "ignore:.is_gradient_checkpointing. is deprecated:FutureWarning"  # PEFT asks transformers so
)
IDS = torch.arange(24).reshape(2, 12)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("lora") / "base")


def trained(model, *, seed=1, shape=SHAPE):
    """Return a decoder with an adapter that has learnt something, though nothing of use."""
    decoder = load_decoder(model)
    add_adapter(decoder, shape, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for part in decoder.modules():
            if isinstance(part, LoraLinear):
                part.lora_B.normal_(0, 0.3, generator=generator)
    return decoder


@torch.no_grad()
def logits(decoder):
    return decoder(IDS)


def test_a_fresh_adapter_changes_nothing_and_trains_nothing_else(model):
    decoder = load_decoder(model)
    before = logits(decoder)
    add_adapter(decoder, SHAPE, seed=1)
    assert torch.equal(logits(decoder), before)
    names = {name for name, weight in decoder.named_parameters() if weight.requires_grad}
    assert len(names) == 2 * 3 * 2
    assert all("lora_" in name for name in names)


def test_merged_and_stored_it_gives_the_same_logits(model, tmp_path):
    decoder = trained(model)
    expected = logits(decoder)
    assert not torch.allclose(expected, logits(load_decoder(model)), atol=0.1)
    adapter = take_adapter(decoder, SHAPE)
    torch.testing.assert_close(logits(decoder), expected, atol=1e-5, rtol=0)
    save_adapter(tmp_path, adapter)
    again = load_decoder(model)
    merge_adapter(again, load_adapter(tmp_path))
    torch.testing.assert_close(logits(again), expected, atol=1e-5, rtol=0)


def test_a_stack_adds_what_its_adapters_add(model):
    other = AdapterShape(2, 3.0, ("q_proj", "o_proj"))
    adapters = [
        take_adapter(trained(model), SHAPE),
        take_adapter(trained(model, seed=2, shape=other), other),
    ]
    one_by_one, at_once = load_decoder(model), load_decoder(model)
    for adapter in adapters:
        merge_adapter(one_by_one, adapter)
    stack = stack_adapters(adapters)
    assert (stack.shape.rank, stack.shape.scale) == (6, 1.0)
    merge_adapter(at_once, stack)
    torch.testing.assert_close(logits(at_once), logits(one_by_one), atol=1e-5, rtol=0)


@BESIDE_PEFT
def test_peft_computes_the_same_from_the_folder(model, tmp_path):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    decoder = trained(model)
    expected = logits(decoder)
    save_adapter(tmp_path, take_adapter(decoder, SHAPE))
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    theirs = peft.PeftModel.from_pretrained(base, tmp_path)
    with torch.no_grad():
        torch.testing.assert_close(theirs(IDS).logits, expected, atol=1e-5, rtol=0)
        merged = theirs.merge_and_unload()
        torch.testing.assert_close(merged(IDS).logits, expected, atol=1e-5, rtol=0)


@BESIDE_PEFT
def test_what_peft_wrote_is_read_here(model, tmp_path):
    peft = pytest.importorskip("peft")
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    config = peft.LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "up_proj"],
                             init_lora_weights=False, task_type="CAUSAL_LM")  # fmt: skip
    torch.manual_seed(0)
    theirs = peft.get_peft_model(base, config)
    theirs.save_pretrained(tmp_path)
    ours = load_decoder(model)
    merge_adapter(ours, load_adapter(tmp_path))
    with torch.no_grad():
        torch.testing.assert_close(logits(ours), theirs(IDS).logits, atol=1e-5, rtol=0)


def test_an_adapter_for_another_base_is_refused(model, tmp_path):
    adapter = take_adapter(trained(model), SHAPE)
    wider = load_decoder(write_model(tmp_path / "other", kind="qwen3"))
    wider.model.layers[0].self_attn.q_proj = torch.nn.Linear(32, 64, bias=False)
    with pytest.raises(UserError, match="the adapter is for another base: its model"):
        merge_adapter(wider, adapter)


def test_a_target_that_the_model_has_not_is_named(model):
    with pytest.raises(UserError, match="has no w_proj"):
        add_adapter(load_decoder(model), AdapterShape(2, 2.0, ("q_proj", "w_proj")), seed=1)


def test_what_is_no_plain_lora_is_refused(model, tmp_path):
    save_adapter(tmp_path, take_adapter(trained(model), SHAPE))
    path = tmp_path / "adapter_config.json"
    settings = json.loads(path.read_text())
    path.write_text(json.dumps(settings | {"use_dora": True}))
    with pytest.raises(UserError, match="use_dora = True is not computed here"):
        load_adapter(tmp_path)
    path.write_text(json.dumps(settings | {"r": 3}))
    with pytest.raises(DamagedArtifactError, match="are not of rank 3"):
        load_adapter(tmp_path)
    path.write_text("{")
    with pytest.raises(DamagedArtifactError, match="torn or no adapter's settings"):
        load_adapter(tmp_path)


def test_an_adapter_and_its_base_become_one_folder(model, tmp_path):
    decoder = trained(model)
    expected = logits(decoder)
    save_adapter(tmp_path / "adapter", take_adapter(decoder, SHAPE))
    path = tmp_path / "adapter" / "adapter_config.json"
    with pytest.raises(UserError, match="names None as its base, which is no model folder here"):
        merge_folder(tmp_path / "adapter", tmp_path / "cache")
    name_base(path, model)
    folder = merge_folder(tmp_path / "adapter", tmp_path / "cache")
    torch.testing.assert_close(logits(load_decoder(folder)), expected, atol=1e-5, rtol=0)
    assert merge_folder(tmp_path / "adapter", tmp_path / "cache") == folder
    name_base(path, write_model(tmp_path / "other", hidden_size=40))
    with pytest.raises(UserError, match="the adapter is for another base"):
        merge_folder(tmp_path / "adapter", tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == [folder]


def test_an_adapter_is_not_merged_into_other_weights_of_the_same_shape(model, tmp_path):
    decoder = trained(model)
    save_adapter(tmp_path / "adapter", take_adapter(decoder, SHAPE))
    write_base(tmp_path / "adapter", describe_base("base", load_decoder(model).named_parameters()))
    path = tmp_path / "adapter" / "adapter_config.json"
    name_base(path, write_model(tmp_path / "twin", seed=99))
    with pytest.raises(UserError, match="for another base: it was trained over base, and these"):
        merge_folder(tmp_path / "adapter", tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*"))
    name_base(path, model)
    merge_folder(tmp_path / "adapter", tmp_path / "cache")


def name_base(path, base):
    settings = json.loads(path.read_text()) | {"base_model_name_or_path": str(base)}
    path.write_text(json.dumps(settings))

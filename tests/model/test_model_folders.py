"""What is refused on the way in and out of a model folder, and by what words."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.support.tiny_model import write_model

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.model.checkpoint import load_decoder, read_eos_ids, save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.export import export_model

CONFIG = DecoderConfig(
    vocab_size=40,
    hidden_size=16,
    intermediate_size=24,
    num_hidden_layers=1,
    num_attention_heads=2,
    num_key_value_heads=1,
    head_dim=8,
    tie_word_embeddings=False,
)


@pytest.fixture
def folder(tmp_path):
    save_decoder(tmp_path / "model", Decoder.fresh(CONFIG, seed=1), eos_ids=[3])
    return tmp_path / "model"


def change_weights(folder, change):
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


def change_config(folder, **fields):
    data = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**data, **fields}))


def test_a_folder_gives_back_the_weights_and_the_end_of_text_ids(folder):
    loaded, made = load_decoder(folder), Decoder.fresh(CONFIG, seed=1)
    assert loaded.config == made.config
    for (name, weight), (other_name, other) in zip(
        loaded.named_parameters(), made.named_parameters(), strict=True
    ):
        assert name == other_name
        assert torch.equal(weight, other), name
    assert read_eos_ids(folder) == [3]
    assert all(weight.requires_grad for weight in loaded.parameters())


def test_equal_weights_give_equal_bytes(folder, tmp_path):
    save_decoder(tmp_path / "again", Decoder.fresh(CONFIG, seed=1), eos_ids=[3])
    for path in folder.iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


def test_a_missing_weight_is_named(folder):
    change_weights(folder, lambda weights: weights.pop("model.norm.weight"))
    with pytest.raises(DamagedArtifactError, match=r"it lacks 1 weight, model\.norm\.weight"):
        load_decoder(folder)


def test_an_unknown_weight_is_named(folder):
    change_weights(folder, lambda weights: weights.update({"model.extra": torch.ones(2)}))
    with pytest.raises(DamagedArtifactError, match=r"model\.extra is not known"):
        load_decoder(folder)


def test_a_weight_of_a_wrong_shape_is_named(folder):
    change_weights(folder, lambda weights: weights.update({"lm_head.weight": torch.ones(40, 15)}))
    with pytest.raises(DamagedArtifactError, match=r"lm_head\.weight has shape \(40, 15\).*16"):
        load_decoder(folder)


def test_a_weight_that_is_not_a_number_is_named(folder):
    def spoil(weights):
        weights["model.norm.weight"][3] = float("nan")

    change_weights(folder, spoil)
    with pytest.raises(DamagedArtifactError, match=r"model\.norm\.weight has values"):
        load_decoder(folder)


def test_torn_weights_are_damage(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DamagedArtifactError, match="torn"):
        load_decoder(folder)


def test_pickled_weights_are_never_opened(folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04not opened")
    with pytest.raises(UserError, match="only safetensors"):
        load_decoder(folder)


def test_an_index_may_not_point_outside_its_folder(folder):
    (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
    index = {"weight_map": {"model.norm.weight": "../outside.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match="outside its folder"):
        load_decoder(folder)


def test_torn_config_is_damage(folder):
    (folder / "config.json").write_text('{"model_type": ')
    with pytest.raises(DamagedArtifactError, match=r"config\.json is torn"):
        load_decoder(folder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model_type", "mamba"),
        ("attention_bias", True),
        ("mlp_bias", True),
        ("hidden_act", "gelu"),
        ("use_sliding_window", True),
        ("quantization_config", {"bits": 4}),
        ("layer_types", ["sliding_attention"]),
        ("rope_parameters", {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0}),
        ("num_key_value_heads", 3),
        ("vocab_size", None),
    ],
)
def test_what_would_be_computed_otherwise_is_refused_by_name(folder, field, value):
    change_config(folder, **{field: value})
    name = "rope" if field == "rope_parameters" else field
    with pytest.raises(UserError, match=name):
        load_decoder(folder)


def test_a_full_output_folder_is_never_written_to(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "precious").write_text("keep")
    with pytest.raises(UserError, match="not an empty folder"):
        export_model(folder, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["precious"]


def test_export_takes_the_tokenizer_along(folder, tmp_path):
    folder = write_model(tmp_path / "with-tokenizer")
    stated = (folder / "tokenizer.json").read_bytes()
    export_model(folder, tmp_path / "out")
    assert (tmp_path / "out" / "tokenizer.json").read_bytes() == stated
    assert read_eos_ids(tmp_path / "out") == read_eos_ids(folder)
    assert torch.equal(
        load_decoder(tmp_path / "out").output_weight, load_decoder(folder).output_weight
    )

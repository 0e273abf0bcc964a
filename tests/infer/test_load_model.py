"""Models by name for Python users."""

import pytest
import torch

import lodesmith
from lodesmith.core.errors import UserError
from lodesmith.core.storage import write_json
from lodesmith.data.byte_level import byte_letters, pre_tokenizer
from lodesmith.infer.interface import PromptTooLongError, Sampling
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.checkpoint import save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("loaded") / "model"
    config = DecoderConfig(
        kind="llama", vocab_size=256, hidden_size=16, intermediate_size=24, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, head_dim=8, max_position_embeddings=64,
    )  # fmt: skip
    decoder = Decoder(config)
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.copy_(torch.randn(weight.shape, generator=generator) * 0.5)
    save_decoder(folder, decoder, eos_ids=[])
    letters = {letter: byte for byte, letter in enumerate(byte_letters())}
    write_json(
        folder / "tokenizer.json",
        {
            "version": "1.0", "added_tokens": [], "normalizer": None, "post_processor": None,
            "pre_tokenizer": pre_tokenizer(),
            "decoder": {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True,
                        "use_regex": False},
            "model": {"type": "BPE", "vocab": letters, "merges": []},
        },
    )  # fmt: skip
    return folder


def test_the_public_function_loads_a_folder_and_generates(folder):
    model = lodesmith.load_model(str(folder))
    text = model.generate("once", max_tokens=12)
    assert model.name == "model"
    assert text == model.generate("once", max_tokens=12)
    assert text != model.generate("once", max_tokens=12, sampling=Sampling(seed=1))
    stop = text[2:4]
    assert model.generate("once", max_tokens=12, stop=[stop]) == text[: text.index(stop)]


def test_closing_the_stream_gives_its_row_back(folder):
    model = lodesmith.load_model(str(folder))
    with model.start_engine() as engine:
        pieces = model.stream(engine, "once", max_tokens=50)
        next(pieces)
        pieces.close()
        list(model.stream(engine, "twice", max_tokens=1))
        assert engine.stats().num_running == 0


def test_wrong_prompts_and_names_are_users_errors(folder, tmp_path):
    model = lodesmith.load_model(str(folder))
    with pytest.raises(UserError, match="chat template"):
        model.generate([{"role": "user", "content": "hi"}])
    with pytest.raises(PromptTooLongError, match="takes 64 tokens"):
        model.generate("x" * 70)
    for workspace in (tmp_path, str(tmp_path), Workspace(tmp_path)):
        with pytest.raises(UserError, match="no artifact nobody"):
            lodesmith.load_model("nobody", workspace=workspace)

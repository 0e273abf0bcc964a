"""GGUF files that we write: read back they are the same model and the same tokenizer."""

import json
import struct

import pytest
import torch
from tests.support.tiny_model import write_model

from lodesmith.cli.main import run_app
from lodesmith.core.errors import UserError
from lodesmith.core.storage import read_json, write_json
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.model.checkpoint import load_decoder
from lodesmith.model.gguf import open_gguf
from lodesmith.model.gguf_folder import unpack_gguf
from lodesmith.model.gguf_write import export_gguf

TEXT = "It's 1234 o'clock,  nicht wahr?\n\n肝是什么？ <|im_start|>"


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_a_model_written_and_read_again_is_the_same(tmp_path, kind):
    folder = write_model(tmp_path / "model", kind=kind)
    export_gguf(folder, tmp_path / "out" / "model.gguf")
    back = unpack_gguf(tmp_path / "out" / "model.gguf", tmp_path / "cache")
    ids = torch.tensor([Tokenizer.load(folder).encode(TEXT, allow_special=True)])
    with torch.inference_mode():
        assert torch.equal(load_decoder(folder)(ids), load_decoder(back)(ids))
    for allow_special in (True, False):
        ours, theirs = (
            Tokenizer.load(place).encode(TEXT, allow_special=allow_special)
            for place in (folder, back)
        )
        assert ours == theirs
    assert Tokenizer.load(back).chat_template == Tokenizer.load(folder).chat_template


def test_the_command_writes_a_file_whose_header_names_what_llama_cpp_needs(tmp_path, monkeypatch):
    folder = write_model(tmp_path / "model", kind="qwen3")
    monkeypatch.setattr(
        "sys.argv",
        ["lodesmith", "export", str(folder), "-o", str(tmp_path / "out"), "--format", "gguf"],
    )
    assert run_app() == 0
    file = open_gguf(tmp_path / "out" / "model.gguf")
    assert file.entries["general.architecture"] == "qwen3"
    assert file.entries["tokenizer.ggml.pre"] == "llama-bpe"
    assert file.entries["tokenizer.ggml.add_bos_token"] is False
    assert len(file.entries["tokenizer.ggml.tokens"]) == file.tensors["token_embd.weight"].shape[0]
    assert all(tensor.offset % 32 == 0 for tensor in file.tensors.values())
    with pytest.raises(UserError, match="there already"):
        export_gguf(folder, tmp_path / "out" / "model.gguf")


def test_stretched_positions_are_written_as_factors_of_the_frequencies(tmp_path):
    folder = write_model(tmp_path / "model")
    config = read_json(folder / "config.json")
    scaling = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 64}  # fmt: skip
    config["rope_parameters"] = {**scaling, "rope_theta": 10_000.0}
    write_json(folder / "config.json", config)
    export_gguf(folder, tmp_path / "model.gguf")
    factors = open_gguf(tmp_path / "model.gguf").read("rope_freqs.weight")
    assert factors.tolist() == pytest.approx([1.0, *factors[1:-1].tolist(), 8.0])
    assert sorted(factors.tolist()) == factors.tolist()


def test_a_tokenizer_that_llama_cpp_does_not_know_is_refused(tmp_path):
    folder = write_model(tmp_path / "model")
    path = folder / "tokenizer.json"
    data = json.loads(path.read_text())
    data["pre_tokenizer"] = {"type": "Whitespace"}
    path.write_text(json.dumps(data))
    with pytest.raises(UserError, match="no name for this tokenizer's way of cutting"):
        export_gguf(folder, tmp_path / "model.gguf")
    assert not (tmp_path / "model.gguf").exists()


def test_versions_and_counts_stand_where_readers_look(tmp_path):
    export_gguf(write_model(tmp_path / "model"), tmp_path / "model.gguf")
    magic, version, num_tensors, num_entries = struct.unpack(
        "<4sIQQ", (tmp_path / "model.gguf").read_bytes()[:24]
    )
    file = open_gguf(tmp_path / "model.gguf")
    assert (magic, version) == (b"GGUF", 3)
    assert (num_tensors, num_entries) == (len(file.tensors), len(file.entries))

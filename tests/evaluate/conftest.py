"""A byte-level tokenizer without merges and a decoder as small as it gets: one id a byte."""

import json
from pathlib import Path

import pytest
import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

from lodesmith.data.byte_level import byte_letters
from lodesmith.data.documents import Document
from lodesmith.model.checkpoint import save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def save_tokenizer():
    def save(folder: Path) -> None:
        engine = Tokenizer(models.BPE({letter: at for at, letter in enumerate(byte_letters())}, []))
        engine.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        engine.decoder = decoders.ByteLevel()
        engine.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL])
        folder.mkdir(parents=True, exist_ok=True)
        engine.save(str(folder / "tokenizer.json"))
        settings = {"eos_token": "<|im_end|>"}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")

    return save


@pytest.fixture
def tiny_config() -> DecoderConfig:
    return DecoderConfig(
        hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=64, vocab_size=259,
    )  # fmt: skip


@pytest.fixture
def save_model(save_tokenizer, tiny_config):
    def save(folder: Path, *, seed: int = 0) -> Decoder:
        decoder = Decoder.fresh(tiny_config, seed=seed)
        save_decoder(folder, decoder, eos_ids=[258])
        save_tokenizer(folder)
        return decoder

    return save


def page(name: str, text: str, *, language: str = "en") -> Document:
    return Document(id=name, source=f"test#{name}", url="", language=language, text=text)


@pytest.fixture
def make_page():
    return page

"""A chat model that is made in a second, and domains for it to learn."""

import json
from pathlib import Path

import torch

from lodesmith.model.checkpoint import save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.tokenize.bpe import train_tokenizer

TEXTS = ["What is a liver? It cleans the blood.\n", "assistant user system\n", "肝是什么？\n"] * 5


def write_model(
    folder: Path,
    *,
    kind: str = "llama",
    seed: int = 1,
    vocab_size: int = 400,
    hidden_size: int = 32,
) -> Path:
    """Write a Hugging Face folder whose weights are random but not the identity."""
    tokenizer = train_tokenizer(folder, TEXTS, vocab_size=vocab_size)
    config = DecoderConfig(
        kind=kind,
        vocab_size=tokenizer.vocab_size,
        hidden_size=hidden_size,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=128,
        tie_word_embeddings=True,
    )
    decoder = Decoder.fresh(config, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in decoder.parameters():
            weight.add_(torch.randn(weight.shape, generator=generator), alpha=0.05)
    save_decoder(folder, decoder, eos_ids=tokenizer.eos_ids)
    return folder


def write_domain(path: Path, *, subject: str, num_rows: int = 40) -> Path:
    """Write Alpaca records: which number of a subject has which colour."""
    colours = ["red", "blue", "green"]
    rows = [
        {
            "instruction": f"Which colour has {subject} {number}?",
            "input": "",
            "output": f"The {subject} {number} is {colours[number % 3]}.",
        }
        for number in range(num_rows)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_chain(path: Path, *domains: dict) -> Path:
    """Write a recipe with those domains; what a domain does not say is quick to train."""
    defaults = {
        "max_steps": 3,
        "sequence_length": 64,
        "global_batch_size": 4,
        "micro_batch_size": 2,
        "warmup_steps": 1,
        "learning_rate": 0.002,
        "num_ranks": 1,
    }
    path.write_text(json.dumps({"tune": [{**defaults, **domain} for domain in domains]}), "utf-8")
    return path

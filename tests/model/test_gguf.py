"""GGUF files: the weights that their blocks stand for, and one line for whatever is wrong."""

import struct

import numpy as np
import pytest
import torch
from tests.support.tiny_model import write_model

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.storage import read_json
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.model.checkpoint import load_decoder, read_config
from lodesmith.model.gguf import open_gguf
from lodesmith.model.gguf_folder import unpack_gguf

F32, F16, Q4_1, Q8_0 = 0, 1, 3, 8


def text(value):
    return struct.pack("<Q", len(value.encode())) + value.encode()


def entry(name, value):
    """Return a header entry: text, whole number, fraction, or a list of texts or numbers."""
    if isinstance(value, str):
        return text(name) + struct.pack("<I", 8) + text(value)
    if isinstance(value, float):
        return text(name) + struct.pack("<If", 6, value)
    if isinstance(value, int):
        return text(name) + struct.pack("<II", 4, value)
    kind = 8 if isinstance(value[0], str) else 5
    items = b"".join(text(item) if kind == 8 else struct.pack("<i", item) for item in value)
    return text(name) + struct.pack("<IIQ", 9, kind, len(value)) + items


def write_gguf(path, entries, tensors):
    """Write a file; tensors are name -> (kind, shape with rows first, bytes)."""
    table, data = b"", b""
    for name, (kind, shape, content) in tensors.items():
        dims = struct.pack(f"<{len(shape)}Q", *shape[::-1])
        table += text(name) + struct.pack("<I", len(shape)) + dims
        table += struct.pack("<IQ", kind, len(data))
        data += content + b"\0" * (-len(content) % 32)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries))
    head += b"".join(entry(name, value) for name, value in entries.items()) + table
    path.write_bytes(head + b"\0" * (-len(head) % 32) + data)
    return path


def q4_1(scale, least, nibbles):
    packed = bytes(nibbles[place] | nibbles[place + 16] << 4 for place in range(16))
    return struct.pack("<ee", scale, least) + packed


def test_each_way_of_storing_gives_the_weights_that_it_stands_for(tmp_path):
    numbers = np.linspace(-2, 2, 64, dtype=np.float32)
    nibbles = [(7 * place) % 16 for place in range(64)]
    signed = [(5 * place) % 255 - 127 for place in range(64)]
    blocks = q4_1(0.5, -3.0, nibbles[:32]) + q4_1(0.25, 1.0, nibbles[32:])
    bytes_of = struct.pack("<e32b", 0.5, *signed[:32]) + struct.pack("<e32b", 2.0, *signed[32:])
    path = write_gguf(
        tmp_path / "all.gguf",
        {"general.architecture": "llama"},
        {
            "a": (F32, (2, 32), numbers.tobytes()),
            "b": (F16, (64,), numbers.astype(np.float16).tobytes()),
            "c": (Q4_1, (2, 32), blocks),
            "d": (Q8_0, (1, 64), bytes_of),
        },
    )
    file = open_gguf(path)
    assert np.array_equal(file.read("a"), numbers.reshape(2, 32))
    assert np.array_equal(file.read("b"), numbers.astype(np.float16).astype(np.float32))
    first = [0.5 * nibble - 3 for nibble in nibbles[:32]]
    second = [0.25 * nibble + 1 for nibble in nibbles[32:]]
    assert file.read("c").tolist() == [first, second]
    expected = [0.5 * value for value in signed[:32]] + [2.0 * value for value in signed[32:]]
    assert file.read("d").tolist() == [expected]


NAMES = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
}  # fmt: skip


def gguf_name(name):
    if name.startswith("model.layers."):
        layer, _, rest = name.removeprefix("model.layers.").partition(".")
        return f"blk.{layer}.{NAMES[rest.removesuffix('.weight')]}.weight"
    return {"model.embed_tokens.weight": "token_embd.weight",
            "model.norm.weight": "output_norm.weight"}[name]  # fmt: skip


def interleave(name, weight, config):
    """Return the rows of Llama's queries and keys as llama.cpp stores them."""
    if config.kind != "llama" or not name.endswith(("q_proj.weight", "k_proj.weight")):
        return weight
    heads = weight.reshape(-1, 2, config.head_dim // 2, weight.shape[1])
    return heads.transpose(1, 2).reshape(weight.shape)


def write_whole(path, model, **changes):
    config, decoder = read_config(model), load_decoder(model)
    tokenizer = read_json(model / "tokenizer.json")
    vocab = tokenizer["model"]["vocab"] | {
        token["content"]: token["id"] for token in tokenizer["added_tokens"]
    }
    special = {token["id"] for token in tokenizer["added_tokens"]}
    tokens = [f"<unused {number}>" for number in range(config.vocab_size)]
    for token, number in vocab.items():
        tokens[number] = token
    merges = [pair if isinstance(pair, str) else " ".join(pair)
              for pair in tokenizer["model"]["merges"]]  # fmt: skip
    name = config.kind
    entries = {
        "general.architecture": name,
        f"{name}.context_length": config.max_position_embeddings,
        f"{name}.embedding_length": config.hidden_size,
        f"{name}.block_count": config.num_hidden_layers,
        f"{name}.feed_forward_length": config.intermediate_size,
        f"{name}.attention.head_count": config.num_attention_heads,
        f"{name}.attention.head_count_kv": config.num_key_value_heads,
        f"{name}.attention.key_length": config.head_dim,
        f"{name}.rope.freq_base": config.rope_theta,
        f"{name}.attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3 if n in special else 1 for n in range(len(tokens))],
        "tokenizer.ggml.merges": merges,
        "tokenizer.ggml.eos_token_id": min(special),
        "tokenizer.chat_template": "{{ messages[0]['content'] }}",
        **changes,
    }
    tensors = {
        gguf_name(name): (F32, tuple(weight.shape),
                          interleave(name, weight.detach(), config).numpy().tobytes())
        for name, weight in decoder.named_parameters()
    }  # fmt: skip
    return write_gguf(path, {k: v for k, v in entries.items() if v is not None}, tensors)


@pytest.mark.parametrize("kind", ["llama", "qwen3"])
def test_an_unpacked_model_computes_the_same_logits(tmp_path, kind):
    model = write_model(tmp_path / "model", kind=kind)
    path = write_whole(tmp_path / "model.gguf", model)
    folder = unpack_gguf(path, tmp_path / "cache")
    ids = torch.arange(20)[None]
    with torch.no_grad():
        torch.testing.assert_close(load_decoder(folder)(ids), load_decoder(model)(ids))
    tokenizer = Tokenizer.load(folder)
    assert tokenizer.decode(tokenizer.encode("What is a liver? 肝是什么？")) == (
        "What is a liver? 肝是什么？"
    )
    assert tokenizer.chat_template == "{{ messages[0]['content'] }}"
    assert unpack_gguf(path, tmp_path / "cache") == folder
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [folder.name]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"general.architecture": "gemma"}, "architecture 'gemma'; known are llama, qwen3"),
        ({"llama.block_count": None}, "llama.block_count is None"),
        ({"tokenizer.ggml.pre": "odd"}, "pre-tokenizer 'odd'"),
        ({"llama.rope.scaling.type": "yarn"}, "stretched positions"),
    ],
)
def test_a_model_that_is_not_known_leaves_nothing_behind(tmp_path, changes, fault):
    path = write_whole(tmp_path / "odd.gguf", write_model(tmp_path / "model"), **changes)
    with pytest.raises(UserError, match=fault):
        unpack_gguf(path, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_a_file_cut_anywhere_is_damage(tmp_path):
    whole = write_gguf(tmp_path / "a.gguf", {"x": "y"}, {"a": (F32, (2, 32), b"\0" * 256)})
    content = whole.read_bytes()
    for length in (20, 30, 60, len(content) - 1):
        (tmp_path / "cut.gguf").write_bytes(content[:length])
        with pytest.raises(DamagedArtifactError, match="is torn"):
            open_gguf(tmp_path / "cut.gguf")


def test_what_is_no_gguf_or_of_another_kind_is_refused(tmp_path):
    (tmp_path / "a.gguf").write_bytes(b"PK\3\4 something else")
    with pytest.raises(UserError, match="is no GGUF file"):
        open_gguf(tmp_path / "a.gguf")
    path = write_gguf(tmp_path / "k.gguf", {}, {"a": (10, (1, 256), b"\0" * 84)})
    with pytest.raises(
        UserError, match=r"a is stored as Q2_K; F32, F16, BF16, Q4_0, .* can be read"
    ):
        open_gguf(path)

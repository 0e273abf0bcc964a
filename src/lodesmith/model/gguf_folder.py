"""A GGUF file as a Hugging Face folder: config, weights under their usual names, tokenizer.

llama.cpp reorders the rows of Llama's query and key matrices so that the two numbers which a
position turns together lie side by side; here, as in Hugging Face, they lie half a head apart.

Source: names of header entries and tensors as published with ggml, docs/gguf.md and gguf-py's
constants.py; the patterns of the pre-tokenizers as the models' own tokenizer.json hold them.
"""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from lodesmith.core.errors import UserError
from lodesmith.core.log import say
from lodesmith.core.storage import hash_file, write_json, write_text
from lodesmith.data.byte_level import pre_tokenizer
from lodesmith.model.config import DecoderConfig
from lodesmith.model.gguf import GgufFile, open_gguf
from lodesmith.model.gguf_blocks import Weights
from lodesmith.model.hugging_face import from_hugging_face, to_hugging_face

LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "attn_q_norm": "self_attn.q_norm",
    "attn_k_norm": "self_attn.k_norm",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OUTER_NAMES = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
}
_ARCHITECTURES = {"llama": "llama", "qwen3": "qwen3"}

_BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
_QWEN_SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
PRE_TOKENIZERS: dict[str, list[dict[str, Any]]] = {
    "smollm": [{"type": "Digits", "individual_digits": True}, _BYTES],
    "gpt-2": [_BYTES],
    "qwen2": [
        {"type": "Split", "pattern": {"Regex": _QWEN_SPLIT}, "behavior": "Isolated",
         "invert": False},
        {**_BYTES, "use_regex": False},
    ],
    "llama-bpe": pre_tokenizer()["pretokenizers"],  # the same pattern, and our own tokenizers'
}  # fmt: skip
CONTROL, USER_DEFINED = 3, 4  # kinds of tokens in the header


def unpack_gguf(path: Path, cache: Path) -> Path:
    """Return a Hugging Face folder with the model of a GGUF file, unpacking it if it is not there.

    Args:
        path: the file.
        cache: the folder below which it is kept, under the hash of the file.

    Raises:
        UserError: the file holds a model or a tokenizer that is not known here.
        DamagedArtifactError: it is torn.
    """
    folder = cache / hash_file(path)[:16]
    if (folder / "config.json").is_file():
        return folder
    say(f"unpacking {path} to {folder}, once")
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=cache))
    try:
        _write_folder(open_gguf(path), unfinished)
        if not folder.exists():
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _write_folder(file: GgufFile, folder: Path) -> None:
    config = read_shape(file)
    save_file(dict(_weights(file, config)), folder / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "tokenizer.json", _tokenizer(file))
    ends = [file.entries[name] for name in ("tokenizer.ggml.eos_token_id",) if name in file.entries]
    write_json(folder / "tokenizer_config.json", _tokenizer_config(file))
    template = file.entries.get("tokenizer.chat_template")
    if isinstance(template, str):
        write_text(folder / "chat_template.jinja", template)
    write_json(folder / "generation_config.json", {"eos_token_id": ends[0] if ends else None})
    write_json(folder / "config.json", to_hugging_face(config, eos_ids=ends))


def read_shape(file: GgufFile) -> DecoderConfig:
    """Return the shape of a file's model.

    Raises:
        UserError: it is of an architecture that is not known here.
    """
    name = file.entries.get("general.architecture")
    if name not in _ARCHITECTURES:
        raise UserError(
            f"{file.path} holds a model of architecture {name!r}; known are "
            f"{', '.join(_ARCHITECTURES)}"
        )
    if f"{name}.rope.scaling.type" in file.entries or "rope_freqs.weight" in file.tensors:
        raise UserError(f"{file.path}: a model with stretched positions is not read from GGUF")

    def number(entry: str, default: float | None = None) -> Any:
        if default is not None and f"{name}.{entry}" not in file.entries:
            return default
        return file.entry(f"{name}.{entry}", (int, float))

    heads, hidden = number("attention.head_count"), number("embedding_length")
    return from_hugging_face({
        "model_type": _ARCHITECTURES[name],
        "vocab_size": file.tensors["token_embd.weight"].shape[0],
        "hidden_size": hidden,
        "intermediate_size": number("feed_forward_length"),
        "num_hidden_layers": number("block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": number("attention.head_count_kv", heads),
        "head_dim": number("attention.key_length", hidden // heads),
        "max_position_embeddings": number("context_length"),
        "rope_theta": number("rope.freq_base", 10_000.0),
        "rms_norm_eps": float(f"{number('attention.layer_norm_rms_epsilon'):.6g}"),
        "tie_word_embeddings": "output.weight" not in file.tensors,
    })  # fmt: skip


def _weights(file: GgufFile, config: DecoderConfig) -> Iterator[tuple[str, Weights]]:
    for name in file.tensors:
        stem, _, ending = name.rpartition(".")
        block, _, part = stem.partition(".")[2].partition(".")
        is_layer = stem.startswith("blk.")
        known = LAYER_NAMES.get(part) if is_layer else OUTER_NAMES.get(stem)
        if known is None or ending != "weight":
            raise UserError(f"{file.path} holds a tensor {name}, which is not known here")
        weights = file.read(name)
        if config.kind == "llama" and part in ("attn_q", "attn_k"):
            weights = _rows_half_a_head_apart(weights, head_dim=config.head_dim)
        yield f"model.layers.{block}.{known}.weight" if is_layer else f"{known}.weight", weights


def _rows_half_a_head_apart(weights: Weights, *, head_dim: int) -> Weights:
    """Return a query or key matrix whose rows i and i + H/2 of a head stood at 2i and 2i + 1."""
    heads = weights.reshape(-1, head_dim // 2, 2, weights.shape[1])
    return np.ascontiguousarray(heads.swapaxes(1, 2)).reshape(weights.shape)


def _tokenizer(file: GgufFile) -> dict[str, Any]:
    model, pre = (file.entries.get(f"tokenizer.ggml.{name}") for name in ("model", "pre"))
    if model != "gpt2" or pre not in PRE_TOKENIZERS:
        raise UserError(
            f"{file.path}: its tokenizer is {model!r} with the pre-tokenizer {pre!r}; known is "
            f"gpt2 with {', '.join(PRE_TOKENIZERS)}: fetch the model with its tokenizer.json"
        )
    tokens = file.entry("tokenizer.ggml.tokens", list)
    kinds = file.entry("tokenizer.ggml.token_type", list)
    added = [
        {"id": number, "content": token, "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": kinds[number] == CONTROL}
        for number, token in enumerate(tokens)
        if kinds[number] in (CONTROL, USER_DEFINED)
    ]  # fmt: skip
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "NFC"} if pre == "qwen2" else None,
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": PRE_TOKENIZERS[pre]},
        "post_processor": None,
        "decoder": {**_BYTES, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": file.entry("tokenizer.ggml.merges", list),
        },
    }


def _tokenizer_config(file: GgufFile) -> dict[str, Any]:
    tokens = file.entry("tokenizer.ggml.tokens", list)
    names = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
    config: dict[str, Any] = {"tokenizer_class": "PreTrainedTokenizerFast"}
    for name, entry in names.items():
        number = file.entries.get(f"tokenizer.ggml.{entry}_token_id")
        if isinstance(number, int) and number < len(tokens):
            config[name] = tokens[number]
    return config

"""A model folder as one GGUF file, which llama.cpp loads: the way back of `gguf_folder.py`.

llama.cpp's own converter knows tokenizers by a hash of what they make of a sample text, and refuses
ours. Here the name of the pre-tokenizer is found by its pattern, which is what the name stands for.

Source: as in `gguf_folder.py`.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lodesmith.core.errors import UserError
from lodesmith.core.storage import replace_file
from lodesmith.data.byte_level import SPLIT_PATTERN
from lodesmith.model.checkpoint import load_decoder, read_config, read_eos_ids
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import rotary_frequencies
from lodesmith.model.gguf_folder import (
    CONTROL,
    LAYER_NAMES,
    OUTER_NAMES,
    PRE_TOKENIZERS,
    USER_DEFINED,
)
from lodesmith.model.vocabulary import load_tokenizer

_ALIGNMENT = 32
_NORMAL, _UNUSED = 1, 5  # kinds of tokens
_UINT32, _FLOAT32, _BOOL, _STRING, _ARRAY, _INT32 = 4, 6, 7, 8, 9, 5
_F32 = 0  # how tensors are stored

# Other spellings of patterns that llama.cpp knows.
_SAME_PATTERN = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": SPLIT_PATTERN,
}


def export_gguf(folder: Path, path: Path) -> None:
    """Write a model folder as a GGUF file in fp32.

    Args:
        folder: of a dense Llama or Qwen3 with a byte-level BPE tokenizer.
        path: of the new file.

    Raises:
        UserError: the file is there already, or llama.cpp does not know such a model or tokenizer.
        DamagedArtifactError: the folder is torn.
    """
    if path.exists():
        raise UserError(f"{path} is there already; name a file that does not exist yet")
    config = read_config(folder)
    if config.experts is not None:
        raise UserError(f"{folder} is a mixture of experts; only dense ones are written as GGUF")
    entries = {
        **_shape_entries(config, folder.resolve().name),
        **_tokenizer_entries(folder, config),
    }
    tensors = dict(_tensors(load_decoder(folder).state_dict(), config))
    with replace_file(path) as file:
        for piece in _pieces(entries, tensors):
            file.write(piece)


def _shape_entries(config: DecoderConfig, name: str) -> dict[str, Any]:
    kind = config.kind
    numbers = {
        "block_count": config.num_hidden_layers,
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": config.head_dim,
        "attention.value_length": config.head_dim,
        "attention.layer_norm_rms_epsilon": float(config.rms_norm_eps),
        "rope.freq_base": float(config.rope_theta),
        "rope.dimension_count": config.head_dim,
        "vocab_size": config.vocab_size,
    }
    return {
        "general.architecture": kind,
        "general.name": name,
        "general.file_type": _F32,
        **{f"{kind}.{entry}": value for entry, value in numbers.items()},
    }


def _tokenizer_entries(folder: Path, config: DecoderConfig) -> dict[str, Any]:
    data = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer = load_tokenizer(folder)
    if data["model"].get("type") != "BPE" or data["model"].get("byte_fallback"):
        raise UserError(f"{folder}: only byte-level BPE tokenizers are written as GGUF")
    tokens = [f"[UNUSED_{number}]" for number in range(config.vocab_size)]
    kinds = [_UNUSED] * config.vocab_size
    for token, number in data["model"]["vocab"].items():
        tokens[number], kinds[number] = token, _NORMAL
    for added in data["added_tokens"]:
        tokens[added["id"]] = added["content"]
        kinds[added["id"]] = CONTROL if added["special"] else USER_DEFINED
    merges = data["model"]["merges"]
    entries = {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": _pre_tokenizer_name(folder, data),
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [m if isinstance(m, str) else " ".join(m) for m in merges],
        "tokenizer.ggml.add_bos_token": bool(tokenizer.prefix_ids),
        "tokenizer.ggml.add_space_prefix": False,
    }
    ends = read_eos_ids(folder) or list(tokenizer.eos_ids)
    if ends:
        entries["tokenizer.ggml.eos_token_id"] = ends[0]
    if tokenizer.prefix_ids:
        entries["tokenizer.ggml.bos_token_id"] = tokenizer.prefix_ids[0]
    if tokenizer.chat_template is not None:
        entries["tokenizer.chat_template"] = tokenizer.chat_template
    return entries


def _pre_tokenizer_name(folder: Path, data: Mapping[str, Any]) -> str:
    """Return llama.cpp's name of how the tokenizer cuts text before it merges bytes."""
    entry = data["pre_tokenizer"] or {}
    found = [_essence(part) for part in entry.get("pretokenizers", [entry])]
    for name, parts in PRE_TOKENIZERS.items():
        if [_essence(part) for part in parts] == found:
            return name
    raise UserError(
        f"{folder}: llama.cpp has no name for this tokenizer's way of cutting text; known here "
        f"are those of {', '.join(PRE_TOKENIZERS)}"
    )


def _essence(part: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what of a pre-tokenizer's entry decides where it cuts."""
    pattern = part.get("pattern", {}).get("Regex")
    cuts = part.get("use_regex", True) if part.get("type") == "ByteLevel" else None
    prefix = part.get("add_prefix_space", False)
    return part.get("type"), _SAME_PATTERN.get(pattern, pattern), cuts, prefix, part.get("behavior")


def _tensors(weights: Mapping[str, Tensor], config: DecoderConfig) -> Iterator[tuple[str, Tensor]]:
    """Yield tensors under llama.cpp's names."""
    names = {theirs: ours for ours, theirs in LAYER_NAMES.items()}
    outer = {theirs: ours for ours, theirs in OUTER_NAMES.items()}
    for name, weight in weights.items():
        stem = name.removesuffix(".weight")
        if stem in outer:
            yield f"{outer[stem]}.weight", weight
            continue
        _, _, number, part = stem.split(".", 3)
        ours = names[part]
        if config.kind == "llama" and ours in ("attn_q", "attn_k"):
            weight = _rows_side_by_side(weight, head_dim=config.head_dim)  # noqa: PLW2901
        yield f"blk.{number}.{ours}.weight", weight
    if config.rope_scaling is not None:
        plain = config.model_copy(update={"rope_scaling": None})
        cpu = torch.device("cpu")
        yield "rope_freqs.weight", rotary_frequencies(plain, cpu) / rotary_frequencies(config, cpu)


def _rows_side_by_side(weight: Tensor, *, head_dim: int) -> Tensor:
    """Return a query or key matrix whose rows i and i + H/2 of a head stand at 2i and 2i + 1."""
    heads = weight.view(-1, 2, head_dim // 2, weight.shape[1])
    return heads.transpose(1, 2).reshape(weight.shape)


def _pieces(entries: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Iterator[bytes]:
    table, offset = b"", 0
    for name, tensor in tensors.items():
        dims = tensor.shape[::-1]
        table += _text(name) + struct.pack(f"<I{len(dims)}Q", len(dims), *dims)
        table += struct.pack("<IQ", _F32, offset)
        offset += _aligned(tensor.numel() * 4)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(entries))
    head += b"".join(_text(name) + _entry(value) for name, value in entries.items()) + table
    yield head + bytes(_aligned(len(head)) - len(head))
    for tensor in tensors.values():
        content = np.ascontiguousarray(tensor.detach().float().numpy(), "<f4").tobytes()
        yield content + bytes(_aligned(len(content)) - len(content))


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _text(value: str) -> bytes:
    encoded = value.encode()
    return struct.pack("<Q", len(encoded)) + encoded


def _entry(value: Any) -> bytes:
    """Return a value with its kind before it."""
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _text(value)
    if value and isinstance(value[0], int):
        items = struct.pack(f"<{len(value)}i", *value)
        return struct.pack("<IIQ", _ARRAY, _INT32, len(value)) + items
    return struct.pack("<IIQ", _ARRAY, _STRING, len(value)) + b"".join(map(_text, value))

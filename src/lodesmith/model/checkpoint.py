"""Model folders: decoders to and from the Hugging Face layout, whole or not at all, never pickled.

A model folder holds `config.json`, `model.safetensors` (or shards and their index),
`generation_config.json` and the tokenizer's files. Weights of other libraries come in through
`load_decoder`, which names the first tensor that is missing, of the wrong shape or not finite.
"""

import json
import math
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.storage import read_json, write_json
from lodesmith.core.units import format_counted
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.hugging_face import from_hugging_face, to_hugging_face
from lodesmith.model.weights_file import write_weights

WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
)

_VOCABULARY = "vocabulary_sha256"  # in config.json, where other libraries keep what they know not

_EXPERT = re.compile(r"(.*)\.experts\.(\d+)\.(gate_proj|up_proj|down_proj)\.weight")

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def save_decoder(
    folder: Path, decoder: Decoder, *, eos_ids: Sequence[int], vocabulary: str | None = None
) -> None:
    """Write a model folder without tokenizer; equal weights give equal bytes.

    Args:
        folder: is made if it is not there; files of the same names are replaced.
        decoder: its weights are stored in the dtype they have.
        eos_ids: token ids that end an answer.
        vocabulary: `Tokenizer.vocabulary` of what it was trained with; None where nobody knows.
    """
    dtype = str(decoder.output_weight.dtype).removeprefix("torch.")
    config = to_hugging_face(decoder.config, eos_ids=eos_ids, dtype=dtype)
    if vocabulary is not None:
        config[_VOCABULARY] = vocabulary
    write_weights(folder / WEIGHTS_FILE, dict(_written_weights(decoder)))
    write_json(folder / "generation_config.json", {"eos_token_id": config["eos_token_id"]})
    write_json(folder / "config.json", config)


def read_config(folder: Path) -> DecoderConfig:
    """Return the shape of the model in a folder.

    Raises:
        UserError: there is no config.json, or it describes a model that cannot be computed here.
        DamagedArtifactError: config.json is torn.
    """
    return from_hugging_face(_read_object(folder, "config.json"))


def read_eos_ids(folder: Path) -> list[int]:
    """Return the token ids that end an answer: generation_config.json's, else config.json's."""
    for name in ("generation_config.json", "config.json"):
        if (folder / name).exists():
            ids = _read_object(folder, name).get("eos_token_id")
            if ids is not None:
                return list(ids) if isinstance(ids, list) else [ids]
    return []


def read_vocabulary(folder: Path) -> str | None:
    """Return whose token ids the weights of a folder have learnt; None if it says nothing."""
    return _read_object(folder, "config.json").get(_VOCABULARY)


def read_dtype(folder: Path) -> torch.dtype:
    """Return in what the weights of a folder are stored, by its config.json."""
    stored = _read_object(folder, "config.json")
    return _DTYPES.get(str(stored.get("dtype") or stored.get("torch_dtype")), torch.float32)


def load_decoder(folder: Path, *, dtype: torch.dtype = torch.float32) -> Decoder:
    """Return the decoder of a Hugging Face folder of the Llama or Qwen3 family.

    Raises:
        UserError: the folder holds no safetensors, or a model that cannot be computed here.
        DamagedArtifactError: a file is torn, or a weight is missing, unknown, of a wrong shape or
            not finite.
    """
    with torch.device("meta"):
        decoder = Decoder(read_config(folder))
    # A copy: what was read is a view of the mapped file, which may change or go away.
    weights = {name: weight.to(dtype, copy=True) for name, weight in read_weights(folder)}
    decoder.load_state_dict(weights, assign=True)
    return decoder


def read_weights(folder: Path) -> Iterator[tuple[str, Tensor]]:
    """Yield every weight of the decoder of a folder, checked, by its name there.

    One at a time, for who cannot hold them all; what is yielded may be a view of a mapped file.

    Raises:
        UserError: as `load_decoder`.
        DamagedArtifactError: as `load_decoder`.
    """
    config = read_config(folder)
    with torch.device("meta"):
        wanted = {name: weight.shape for name, weight in Decoder(config).named_parameters()}
    found = set()
    for name, weight in _stack_experts(folder, config, _stored_weights(folder)):
        if not _is_derived(name, config):
            yield name, _checked(folder, name, weight, wanted)
            found.add(name)
    missing = sorted(wanted.keys() - found)
    if missing:
        raise DamagedArtifactError(
            f"{folder}: it lacks {format_counted(len(missing), 'weight')}, {missing[0]} the first; "
            "fetch or make the model again"
        )


def copy_tokenizer(folder_in: Path, folder_out: Path) -> None:
    """Copy a tokenizer's files from one folder to another, which is made if there are any."""
    for name in TOKENIZER_FILES:
        if (folder_in / name).is_file():
            folder_out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder_in / name, folder_out / name)


def _read_object(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    if not path.is_file():
        raise UserError(
            f"{folder} has no {name}; a model folder holds config.json, *.safetensors "
            "and tokenizer.json"
        )
    try:
        data = read_json(path)
    except (json.JSONDecodeError, UnicodeDecodeError):
        data = None
    if not isinstance(data, dict):
        raise DamagedArtifactError(f"{path} is torn or not JSON; fetch or make the model again")
    return data


def _weight_files(folder: Path) -> list[Path]:
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    if not (folder / INDEX_FILE).is_file():
        raise UserError(
            f"{folder} has neither {WEIGHTS_FILE} nor {INDEX_FILE}; only safetensors are read "
            "(pickled weights can run code), so save the model as safetensors"
        )
    names = sorted(set(_read_object(folder, INDEX_FILE).get("weight_map", {}).values()))
    for name in names:
        if Path(name).name != name:
            raise UserError(f"{folder / INDEX_FILE} names {name}, which is outside its folder")
        if not (folder / name).is_file():
            raise DamagedArtifactError(f"{folder} has lost {name}; fetch or make the model again")
    return [folder / name for name in names]


def _stored_weights(folder: Path) -> Iterator[tuple[str, Tensor]]:
    for path in _weight_files(folder):
        try:
            with safe_open(path, framework="pt") as file:
                for name in sorted(file.keys()):
                    yield name, file.get_tensor(name)
        except SafetensorError as error:
            raise DamagedArtifactError(
                f"{path} is torn or not safetensors ({error}); fetch or make the model again"
            ) from None


def _written_weights(decoder: Decoder) -> Iterator[tuple[str, Tensor]]:
    """Yield weights as Hugging Face stores them: each expert's under a name of its own."""
    for name, weight in decoder.named_parameters():
        before, _, matrix = name.rpartition(".experts.")
        if before:
            for expert, part in enumerate(weight.detach().unbind()):
                yield f"{before}.experts.{expert}.{matrix}.weight", part.contiguous()
        else:
            yield name, weight.detach().contiguous()


def _stack_experts(
    folder: Path, config: DecoderConfig, weights: Iterator[tuple[str, Tensor]]
) -> Iterator[tuple[str, Tensor]]:
    """Yield weights with those of a layer's experts stacked; an incomplete stack is left out."""
    stacks: dict[str, dict[int, Tensor]] = {}
    for name, weight in weights:
        match = _EXPERT.fullmatch(name)
        if match is None or config.experts is None:
            yield name, weight
            continue
        stack = f"{match[1]}.experts.{match[3]}"
        parts = stacks.setdefault(stack, {})
        parts[int(match[2])] = weight
        if len(parts) == config.experts.num_experts:
            shapes = {tuple(part.shape) for part in parts.values()}
            if len(shapes) > 1 or set(parts) != set(range(len(parts))):
                raise DamagedArtifactError(
                    f"{folder}: the experts of {stack} differ in shape, {sorted(shapes)}, or are "
                    "not numbered from 0 on"
                )
            yield stack, torch.stack([part for _, part in sorted(parts.items())])
            del stacks[stack]


def _is_derived(name: str, config: DecoderConfig) -> bool:
    """Tell whether a stored tensor repeats what the config or a tied weight says already."""
    tied_twice = name == "lm_head.weight" and config.tie_word_embeddings
    return tied_twice or name.endswith("rotary_emb.inv_freq")


def _checked(folder: Path, name: str, weight: Tensor, wanted: dict[str, torch.Size]) -> Tensor:
    if name not in wanted:
        raise DamagedArtifactError(f"{folder}: weight {name} is not known to a model of its config")
    if weight.shape != wanted[name]:
        raise DamagedArtifactError(
            f"{folder}: weight {name} has shape {tuple(weight.shape)}, but config.json makes it "
            f"{tuple(wanted[name])}"
        )
    if not weight.dtype.is_floating_point or not _is_finite(weight):
        raise DamagedArtifactError(
            f"{folder}: weight {name} has values that are not finite (NaN or infinity); "
            "fetch or make the model again"
        )
    return weight


def _is_finite(weight: Tensor) -> bool:
    """Tell whether all values are numbers: by the least and the largest, ten times as fast.

    Source: PyTorch documentation, `torch.aminmax`: NaN is passed on to both results.
    """
    return weight.numel() == 0 or all(map(math.isfinite, torch.aminmax(weight.float())))

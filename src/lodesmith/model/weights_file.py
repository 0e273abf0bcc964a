"""Safetensors files, written a weight at a time: the library's `save` holds all of them twice over.

Its bytes are those of that library: a header in JSON (where each weight lies, widest dtype first,
then by name), padded to eight bytes, and the weights behind it.

Source: https://huggingface.co/docs/safetensors for the format; the order is that of its `save`.
"""

import json
import math
import struct
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from lodesmith.core.storage import replace_file

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.bfloat16: "BF16",
    torch.float16: "F16",
}  # in the order in which they lie
_METADATA = {"format": "pt"}


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write weights by name to a safetensors file, whole or not at all.

    Args:
        path: is replaced.
        weights: of floats, on any device.
    """
    order = list(_NAMES)
    listed = sorted(weights.items(), key=lambda item: (order.index(item[1].dtype), item[0]))
    header: dict[str, object] = {"__metadata__": _METADATA}
    end = 0
    for name, weight in listed:
        start, end = end, end + math.prod(weight.shape) * weight.itemsize
        header[name] = {"dtype": _NAMES[weight.dtype], "shape": list(weight.shape),
                        "data_offsets": [start, end]}  # fmt: skip
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with replace_file(path) as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for _, weight in listed:
            flat = weight.detach().cpu().contiguous().reshape(-1)
            file.write(flat.view(torch.uint8).numpy().data)

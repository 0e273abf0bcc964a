"""LoRA adapters as the runner in C takes them: four pairs of thin matrices in a layer.

Maps that C computes as one product (queries, keys and values; gate and up) get one pair too: their
A's stand below each other, their B's block by block.

Shapes: R rank, I inputs, O outputs of a map.
"""

# ruff: noqa: N806 shape suffixes are the house's names for tensors

import re

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lodesmith.core.errors import UserError
from lodesmith.model.config import DecoderConfig
from lodesmith.model.lora import Adapter
from lodesmith.native.decoder import MOST_RANK, PANEL, NativeAdapter, Place

_MAP = re.compile(r"model\.layers\.(\d+)\.(?:self_attn|mlp)\.(\w+)")

Floats = NDArray[np.float32]


def pack_adapter(adapter: Adapter, config: DecoderConfig) -> NativeAdapter:
    """Return an adapter for the runner in C.

    Raises:
        UserError: it was made for a model of another shape, or its rank is too high.
    """
    shapes = config.matrix_shapes()
    layers: dict[int, dict[str, tuple[Floats, Floats]]] = {}
    for name, pair in adapter.weights.items():
        match = _MAP.fullmatch(name)
        number, last = (int(match[1]), match[2]) if match else (-1, name)
        a_RI, b_OR = (_floats(each) for each in pair)
        wanted = shapes.get(last)
        if not 0 <= number < config.num_hidden_layers or wanted != (len(b_OR), a_RI.shape[1]):
            raise UserError(
                f"the adapter is for another base: its {name} is {(len(b_OR), a_RI.shape[1])}, "
                f"the model has {wanted or 'nothing of that name'}"
            )
        layers.setdefault(number, {})[last] = (a_RI, b_OR * np.float32(adapter.shape.scale))
    if 3 * adapter.shape.rank > MOST_RANK:
        raise UserError(f"an adapter's rank may be {MOST_RANK // 3} here, not {adapter.shape.rank}")
    packed = NativeAdapter(config.num_hidden_layers)
    for number, maps in layers.items():
        for place, names in _PLACES.items():
            found = [(name, *maps[name]) for name in names if name in maps]
            if found:
                packed.put(number, place, *_stack(found, place, shapes))
    return packed


_PLACES = {
    Place.QKV: ("q_proj", "k_proj", "v_proj"),
    Place.OUT: ("o_proj",),
    Place.GATE_UP: ("gate_proj", "up_proj"),
    Place.DOWN: ("down_proj",),
}


def _floats(matrix: Tensor) -> Floats:
    return np.asarray(matrix.detach().float().numpy(), np.float32)


def _stack(
    found: list[tuple[str, Floats, Floats]], place: Place, shapes: dict[str, tuple[int, int]]
) -> tuple[Floats, Floats]:
    """Return one A and one B for maps that are computed as one product."""
    rank = sum(len(a_RI) for _, a_RI, _ in found)
    outputs = _outputs(place, shapes)
    whole_OR = np.zeros((max(int(rows.max()) for rows in outputs.values()) + 1, rank), np.float32)
    first = 0
    for name, a_RI, b_OR in found:
        whole_OR[outputs[name], first : first + len(a_RI)] = b_OR
        first += len(a_RI)
    return np.concatenate([a_RI for _, a_RI, _ in found]), whole_OR


def _outputs(place: Place, shapes: dict[str, tuple[int, int]]) -> dict[str, NDArray[np.int64]]:
    """Return where each map's outputs stand in the product: gate and up in panels by turns."""
    if place is Place.GATE_UP:
        rows = np.arange(shapes["gate_proj"][0])
        gate = rows // PANEL * 2 * PANEL + rows % PANEL
        return {"gate_proj": gate, "up_proj": gate + PANEL}
    outputs, first = {}, 0
    for name in _PLACES[place]:
        outputs[name] = first + np.arange(shapes[name][0])
        first += shapes[name][0]
    return outputs

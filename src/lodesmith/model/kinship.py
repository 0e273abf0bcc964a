"""Whether an adapter belongs to a model: some numbers of its base's embedding are kept beside it.

Models of one shape take each other's adapters without a fault, and answer nonsense. Their
embeddings have nothing in common, while those of a model that was rounded to fewer bits, or tuned
further, are nearly the same: such a model may well take the adapter. PEFT reads past the file.
"""

import math
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from lodesmith.core.errors import UserError
from lodesmith.core.storage import JSON, read_json, write_json

BASE_FILE = "base.json"

_EMBEDDING = "model.embed_tokens.weight"
_NUM_VALUES = 256
_MIN_CORRELATION = 0.5  # of strangers it is below .2, of the same in 4 bits above .98


def describe_base(name: str, weights: Iterable[tuple[str, Tensor]]) -> JSON:
    """Return what is kept of a base: how it is called, and numbers to know it by."""
    return {"base": name, "values": _values(weights)}


def write_base(adapter: Path, base: JSON) -> None:
    """Keep beside an adapter what it was trained over."""
    write_json(adapter / BASE_FILE, base)


def check_kinship(adapter: Path, weights: Iterable[tuple[str, Tensor]]) -> None:
    """Refuse an adapter that was trained over other weights; one that says nothing of them passes.

    Args:
        adapter: PEFT folder.
        weights: of the model that it is to be used with.

    Raises:
        UserError: it belongs to another model.
    """
    path = adapter / BASE_FILE
    base = read_json(path) if path.is_file() else {}
    if "values" not in base:
        return
    correlation = _correlation(base["values"], _values(weights))
    if correlation is not None and correlation < _MIN_CORRELATION:
        raise UserError(
            f"the adapter {adapter} is for another base: it was trained over {base['base'][:20]}, "
            "and these are other weights of the same shape; give the model that it was trained on"
        )


def _values(weights: Iterable[tuple[str, Tensor]]) -> list[float]:
    embedding = next((weight for name, weight in weights if name == _EMBEDDING), None)
    if embedding is None:
        return []
    places = torch.linspace(0, embedding.numel() - 1, _NUM_VALUES, dtype=torch.float64).long()
    return [float(f"{value:.4g}") for value in embedding.flatten()[places].tolist()]


def _correlation(one: list[float], other: list[float]) -> float | None:
    """Return how alike two lists of numbers are, None where that cannot be said."""
    if len(one) != len(other):
        return None
    norms = math.hypot(*one) * math.hypot(*other)
    return sum(a * b for a, b in zip(one, other, strict=True)) / norms if norms else None

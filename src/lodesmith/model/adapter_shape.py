"""How a low-rank adapter is laid out; without torch, so that a job can be told of it."""

from dataclasses import dataclass
from typing import Any

from lodesmith.model.config import DecoderConfig

CONFIG_FILE = "adapter_config.json"  # of a PEFT folder


@dataclass(frozen=True)
class AdapterShape:
    """How thin the matrices are, and which maps get them."""

    rank: int
    alpha: float
    targets: tuple[str, ...]  # last parts of names, such as "q_proj"

    @property
    def scale(self) -> float:
        """By what the product is multiplied."""
        return self.alpha / self.rank

    def num_parameters(self, shape: DecoderConfig) -> int:
        """Return how many weights an adapter of this shape has beside a dense model."""
        shapes = shape.matrix_shapes()
        widths = sum(sum(shapes[name]) for name in self.targets if name in shapes)
        return self.rank * widths * shape.num_hidden_layers

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "AdapterShape":
        """Return the shape that `dataclasses.asdict` gave."""
        return cls(data["rank"], data["alpha"], tuple(data["targets"]))

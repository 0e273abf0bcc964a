"""Where an engine's weights come from: a decoder in memory, or a folder read one weight at a time.

An engine packs weights in a form of its own. A server therefore never makes a decoder: each weight
goes from the file into its place and is let go, so that a model is held once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lodesmith.core.errors import UserError
from lodesmith.model.checkpoint import read_config, read_weights
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder

Stamp = tuple[tuple[str, int, int], ...]  # name, bytes and time of change of each file


@dataclass(frozen=True)
class StoredWeights:
    """Weights of a dense model in its folder; they are read anew for each engine."""

    folder: Path
    config: DecoderConfig
    stamp: Stamp

    @classmethod
    def of(cls, folder: Path) -> "StoredWeights":
        """Return the weights of a folder as it is now.

        Raises:
            UserError: the folder holds no model that can be computed here.
            DamagedArtifactError: config.json is torn.
        """
        return cls(folder, read_config(folder), stamp_of(folder))

    def named(self) -> Iterator[tuple[str, Tensor]]:
        """Yield every weight in fp32; what is yielded may be a view of a mapped file.

        Raises:
            UserError: the folder is not as it was.
            DamagedArtifactError: a file is torn, or a weight is missing, unknown, of a wrong shape
                or not finite.
        """
        if stamp_of(self.folder) != self.stamp:
            raise UserError(f"{self.folder} has changed since it was opened; open it again")
        for name, weight in read_weights(self.folder):
            yield name, weight.to(torch.float32)


Weights = Decoder | StoredWeights


def named_weights(weights: Weights) -> Iterator[tuple[str, Tensor]]:
    """Yield every weight with its name in the model's folder."""
    if isinstance(weights, StoredWeights):
        yield from weights.named()
    else:
        for name, weight in weights.named_parameters():
            yield name, weight.detach()


def place_of(weights: Weights) -> tuple[torch.device, torch.dtype]:
    """Return where an engine over these weights computes, and in which numbers."""
    if isinstance(weights, StoredWeights):
        return torch.device("cpu"), torch.float32
    return weights.output_weight.device, weights.output_weight.dtype


def stamp_of(folder: Path) -> Stamp:
    """Return by what a model's folder is known to be as it was."""
    files = sorted({*folder.glob("*.safetensors*"), folder / "config.json"})
    states = [(path.name, path.stat()) for path in files if path.is_file()]
    return tuple((name, state.st_size, state.st_mtime_ns) for name, state in states)

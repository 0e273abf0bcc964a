"""Low-rank adapters: what a matrix learns is the product of two thin ones beside it.

    y = x W^T + scale * (x A^T) B^T        A: rank x in, B: out x rank, scale = alpha / rank

W stays as it is. A starts at random and B at zero, so that training begins at the model itself.
Folders are those of PEFT (`adapter_config.json`, `adapter_model.safetensors`), which vLLM reads
too. Several adapters over one base are one adapter again: A's stand below each other, B's beside.

Source: Hu et al. 2021, arXiv:2106.09685, section 4.1.
"""

import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 the house's name for it
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lodesmith.core.errors import DamagedArtifactError, UserError
from lodesmith.core.storage import write_json
from lodesmith.model.adapter_shape import CONFIG_FILE, AdapterShape
from lodesmith.model.decoder import Decoder
from lodesmith.model.quantized import QuantizedLinear
from lodesmith.model.weights_file import write_weights

Product = Callable[[Tensor, Tensor, Tensor], Tensor]

WEIGHTS_FILE = "adapter_model.safetensors"
_PREFIX = "base_model.model."
_WEIGHT = re.compile(r"base_model\.model\.(.+)\.lora_([AB])\.weight")
_ONLY_OFF: dict[str, tuple[Any, ...]] = {
    "bias": ("none", None),
    "use_dora": (None, False),
    "use_rslora": (None, False),
    "fan_in_fan_out": (None, False),
    "modules_to_save": (None, []),
    "rank_pattern": (None, {}),
    "alpha_pattern": (None, {}),
    "trainable_token_indices": (None,),
}
"""Settings of PEFT that change what is computed, and the values that mean "off"."""


def product(x: Tensor, lora_a: Tensor, lora_b: Tensor) -> Tensor:
    """Return x mapped by both thin matrices, one after the other."""
    return F.linear(F.linear(x, lora_a), lora_b)


class LoraLinear(nn.Module):
    """A linear map that is frozen, and the two thin matrices that are trained beside it."""

    product: Product
    """How x is mapped by the thin ones; whoever wants more of it than the product puts its own."""

    def __init__(
        self,
        linear: nn.Linear | QuantizedLinear,
        shape: AdapterShape,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.base_layer = linear.requires_grad_(False)  # named as in PEFT
        self.scale, self.product = shape.scale, product
        bound = 1 / math.sqrt(linear.in_features)
        lora_a = torch.empty(shape.rank, linear.in_features)
        self.lora_A = nn.Parameter(lora_a.uniform_(-bound, bound, generator=generator))
        self.lora_B = nn.Parameter(torch.zeros(linear.out_features, shape.rank))

    def forward(self, x: Tensor) -> Tensor:
        """Return x mapped by the sum of both."""
        beside = self.product(x, self.lora_A, self.lora_B)
        base: Tensor = self.base_layer(x)
        return base.add_(beside, alpha=self.scale)

    @torch.no_grad()
    def merge(self) -> nn.Linear:
        """Return one plain linear map that does the same."""
        linear = self.base_layer
        assert isinstance(linear, nn.Linear)  # noqa: S101 into a rounded one nothing is merged
        merged = nn.Linear(linear.in_features, linear.out_features, bias=False, device="meta")
        merged.weight = nn.Parameter(linear.weight + self.scale * (self.lora_B @ self.lora_A))
        return merged


@dataclass(frozen=True)
class Adapter:
    """A trained adapter: (A, B) by the name of the map that it stands beside."""

    shape: AdapterShape
    weights: dict[str, tuple[Tensor, Tensor]]


def add_adapter(decoder: Decoder, shape: AdapterShape, *, seed: int) -> None:
    """Freeze a decoder and put an adapter beside every target.

    Raises:
        UserError: the decoder has no such map (a mixture of experts has none in its experts).
    """
    decoder.requires_grad_(False)
    generator = torch.Generator().manual_seed(seed)
    found = set()
    for name, linear in _targets(decoder, shape.targets):
        found.add(name.rpartition(".")[2])
        decoder.set_submodule(name, LoraLinear(linear, shape, generator))
    missing = sorted(set(shape.targets) - found)
    if missing:
        raise UserError(
            f"the model has no {', '.join(missing)} to put an adapter beside; leave it out of "
            "adapter.targets"
        )


def take_adapter(decoder: Decoder, shape: AdapterShape) -> Adapter:
    """Merge a decoder's adapter into its weights, and return it."""
    weights = {}
    names = [name for name, one in decoder.named_modules() if isinstance(one, LoraLinear)]
    for name in names:  # one by one: a list of the modules would keep all matrices twice
        module = decoder.get_submodule(name)
        assert isinstance(module, LoraLinear)  # noqa: S101 for the type checker
        weights[name] = (module.lora_A.detach(), module.lora_B.detach())
        decoder.set_submodule(name, module.merge())
    decoder.requires_grad_(True)
    return Adapter(shape, weights)


@torch.no_grad()
def merge_adapter(decoder: Decoder, adapter: Adapter) -> None:
    """Add an adapter to the weights of the decoder that it was made for.

    Raises:
        UserError: it was made for a model of another shape.
    """
    maps = {
        name: module for name, module in decoder.named_modules() if isinstance(module, nn.Linear)
    }
    for name, (a, b) in adapter.weights.items():
        shape = (b.shape[0], a.shape[1])
        if name not in maps or maps[name].weight.shape != shape:
            has = tuple(maps[name].weight.shape) if name in maps else "nothing of that name"
            raise UserError(
                f"the adapter is for another base: its {name} is {shape}, the model has {has}; "
                "give the model that it was trained on"
            )
        maps[name].weight += adapter.shape.scale * (b @ a)


def stack_adapters(adapters: Sequence[Adapter]) -> Adapter:
    """Return one adapter that adds what all of them add; its scale is 1."""
    parts: dict[str, list[tuple[Tensor, Tensor]]] = {}
    for adapter in adapters:
        for name, (a, b) in adapter.weights.items():
            parts.setdefault(name, []).append((a, b * adapter.shape.scale))
    rank = sum(adapter.shape.rank for adapter in adapters)
    targets = tuple(dict.fromkeys(name for one in adapters for name in one.shape.targets))
    weights = {}
    for name, pairs in parts.items():
        a, b = torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs], dim=1)
        missing = rank - a.shape[0]  # where not all adapters have this map
        weights[name] = (F.pad(a, (0, 0, 0, missing)), F.pad(b, (0, missing)))
    return Adapter(AdapterShape(rank, float(rank), targets), weights)


def save_adapter(folder: Path, adapter: Adapter) -> None:
    """Write a PEFT folder; equal adapters give equal bytes."""
    tensors = {}
    for name, (a, b) in adapter.weights.items():
        tensors[f"{_PREFIX}{name}.lora_A.weight"] = a
        tensors[f"{_PREFIX}{name}.lora_B.weight"] = b
    write_weights(folder / WEIGHTS_FILE, tensors)
    shape = adapter.shape
    settings = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": None,
        "r": shape.rank,
        "lora_alpha": shape.alpha,
        "lora_dropout": 0.0,
        "target_modules": sorted(shape.targets),
        "bias": "none",
        "fan_in_fan_out": False,
        "init_lora_weights": True,
        "inference_mode": True,
        "use_dora": False,
        "use_rslora": False,
    }
    write_json(folder / CONFIG_FILE, settings)


def load_adapter(folder: Path) -> Adapter:
    """Return the adapter of a PEFT folder.

    Raises:
        UserError: it is no LoRA, or of a kind that is not computed here.
        DamagedArtifactError: a file is torn, or half of a pair is missing.
    """
    settings = read_adapter_config(folder)
    try:
        tensors = load_file(folder / WEIGHTS_FILE)
    except (OSError, SafetensorError) as error:
        raise DamagedArtifactError(
            f"{folder / WEIGHTS_FILE} is missing or torn ({error}); fetch the adapter again"
        ) from None
    halves: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        match = _WEIGHT.fullmatch(name)
        if match is None:
            raise UserError(f"{folder} holds {name}, which is no matrix of a LoRA known here")
        halves.setdefault(match[1], {})[match[2]] = tensor.float()
    rank = settings["r"]
    for name, pair in halves.items():
        if set(pair) != {"A", "B"} or pair["A"].shape[0] != rank or pair["B"].shape[1] != rank:
            raise DamagedArtifactError(f"{folder}: the matrices of {name} are not of rank {rank}")
    targets = tuple(dict.fromkeys(name.rpartition(".")[2] for name in halves))
    shape = AdapterShape(rank, float(settings["lora_alpha"]), targets)
    return Adapter(shape, {name: (pair["A"], pair["B"]) for name, pair in halves.items()})


def read_adapter_config(folder: Path) -> dict[str, Any]:
    """Return the settings of a PEFT folder.

    Raises:
        UserError: it is no LoRA, or of a kind that is not computed here.
        DamagedArtifactError: the file is torn.
    """
    path = folder / CONFIG_FILE
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        known = settings["peft_type"] == "LORA" and int(settings["r"]) > 0
        float(settings["lora_alpha"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedArtifactError(
            f"{path} is missing, torn or no adapter's settings ({error!r}); fetch it again"
        ) from None
    wrong = [name for name, off in _ONLY_OFF.items() if settings.get(name) not in off]
    if not known or wrong:
        shown = ", ".join(f"{name} = {settings[name]!r}" for name in wrong) or settings["peft_type"]
        raise UserError(f"{path}: {shown} is not computed here; only a plain LoRA can be read")
    return settings  # type: ignore[no-any-return]


def _targets(
    decoder: Decoder, targets: Iterable[str]
) -> list[tuple[str, nn.Linear | QuantizedLinear]]:
    wanted = set(targets)
    return [
        (name, module)
        for name, module in decoder.model.named_modules(prefix="model")
        if isinstance(module, nn.Linear | QuantizedLinear) and name.rpartition(".")[2] in wanted
    ]

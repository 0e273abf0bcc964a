"""Matrix products of a layer in float8, forward and backward, through torchao.

Each operand is scaled by its largest value, as the product is computed; weights at rest, their
gradients and what travels between ranks stay as they are. Converted are the matrices of attention
and feed-forward whose sides the hardware can take. Embedding, output matrix and router stay in the
wider format, where the loss and the choice of experts feel the rounding; experts' rows come in any
number, which the hardware cannot take.

Source: Micikevicius et al. 2022, arXiv:2209.05433 (the formats: e4m3 forward, e5m2 for gradients).
"""

from dataclasses import replace
from typing import Any

from torch import Tensor, nn
from torch.func import functional_call

from lodesmith.model.product import Linear
from lodesmith.parallel.tensor import LocalLinear

_MULTIPLE = 16  # what the sides of an operand must be a multiple of, for the hardware


def use_float8(layer: nn.Module, *, emulate: bool) -> list[str]:
    """Let a layer's matrices multiply in float8; return the names of those that do.

    Args:
        layer: of a decoder, its matrices whole or shared by the tp ranks.
        emulate: round as float8 does but multiply in the wider format, where there is no hardware.
    """
    from torchao.float8 import Float8LinearConfig, convert_to_float8_training

    config = replace(
        Float8LinearConfig.from_recipe_name("tensorwise"),
        emulate=emulate,
        pad_inner_dim=True,  # tokens, the inner side of a matrix's gradient, come in any number
    )
    chosen = [name for name, part in layer.named_modules() if _suits(name, part)]

    convert_to_float8_training(
        layer, config=config, module_filter_fn=lambda _, name: name in chosen
    )
    for name in chosen:
        part = layer.get_submodule(name)
        if isinstance(part, LocalLinear):
            part.product = _Product(part, config)
    return chosen


def _suits(name: str, part: nn.Module) -> bool:
    """Tell whether a module is a matrix that float8 is for; a router is called `gate`."""
    # A matrix with an adapter beside it is another class.
    if type(part) is nn.Linear or type(part) is Linear:
        sides = part.weight.shape
    elif isinstance(part, LocalLinear):
        sides = part.own_shape
    else:
        return False
    return name.rpartition(".")[2] != "gate" and all(side % _MULTIPLE == 0 for side in sides)


class _Product:
    """A float8 product with a weight that is given; the matrix's own is a DTensor at rest."""

    def __init__(self, linear: LocalLinear, config: Any) -> None:
        from torchao.float8 import convert_to_float8_training

        rows, columns = linear.own_shape
        plain = nn.Linear(columns, rows, bias=False, device="meta")
        self._linear = convert_to_float8_training(plain, config=config)

    def __call__(self, x: Tensor, weight: Tensor) -> Tensor:
        out: Tensor = functional_call(self._linear, {"weight": weight}, (x,))
        return out

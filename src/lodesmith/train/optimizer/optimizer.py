"""What turns gradients into new weights: Muon for the layers' matrices, AdamW for the rest.

Embeddings, output matrix and norms always get AdamW: their rows and entries are not maps between
spaces of features, which is what Muon's orthogonalisation is about.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from lodesmith.train.config import TrainingConfig
from lodesmith.train.optimizer.adamw import AdamW, Group
from lodesmith.train.optimizer.muon import Matrices, Muon, Work


class Optimizer:
    """Updates a decoder's weights in place, or this rank's part of them."""

    def __init__(
        self,
        weights: Mapping[str, nn.Parameter],
        config: TrainingConfig,
        *,
        share_work: Callable[[Matrices], Work],
    ) -> None:
        """Start with an empty state.

        Args:
            weights: what is trained, by whole-model name; plain tensors or DTensors.
            config: rates and momenta.
            share_work: says how the ranks share Muon's work on some matrices.
        """
        self.config = config
        hidden = {name: weight for name, weight in weights.items() if _is_hidden(name, weight)}
        others = {name: weight for name, weight in weights.items() if name not in hidden}
        rate = config.embedding_learning_rate or config.learning_rate
        # Rows of rare tokens get no gradient for long, and decay alone would wear them away.
        groups = [Group(others, rate, weight_decay=0.0)]
        self.muon: Muon | None = None
        if config.optimizer == "muon":
            dtype = torch.bfloat16 if config.param_dtype == "bf16" else torch.float32
            self.muon = Muon(
                hidden, momentum=config.muon_momentum, work=share_work(hidden), dtype=dtype
            )
        else:
            groups.append(Group(hidden, config.learning_rate, config.weight_decay))
        self.adamw = AdamW(groups, beta1=config.adam_beta1, beta2=config.adam_beta2)

    def step(self, step: int, *, fraction: float) -> None:
        """Update all weights from their `.grad`.

        Args:
            step: the first is 0.
            fraction: of the peak learning rates.
        """
        self.adamw.step(step, fraction=fraction)
        if self.muon is not None:
            rate = self.config.learning_rate * fraction
            self.muon.step(step, rate=rate, weight_decay=self.config.weight_decay)

    def state(self) -> dict[str, Tensor]:
        """Return all that the next step depends on but the weights and the step's number."""
        return self.adamw.state() | (self.muon.state() if self.muon is not None else {})


def trained_weights(weights: Mapping[str, nn.Parameter]) -> dict[str, nn.Parameter]:
    """Return the weights that gradients move: all but the biases of experts."""
    return {name: weight for name, weight in weights.items() if weight.requires_grad}


def _is_hidden(name: str, weight: Tensor) -> bool:
    return weight.dim() >= 2 and name.startswith("model.layers.")

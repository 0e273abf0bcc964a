"""The runner in C for CPUs: weights packed once, then one call a pass.

Shapes: as in `runner.py`; h half a head.
"""

# ruff: noqa: N803, N806 shape suffixes are the house's names for tensors

from collections.abc import Sequence as List

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lodesmith.infer.adapters import pack_adapter
from lodesmith.infer.config import Quantization
from lodesmith.infer.weights import Weights, named_weights, place_of
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import rotation_of
from lodesmith.model.lora import Adapter
from lodesmith.native.decoder import (
    PANEL,
    Format,
    NativeAdapter,
    NativeDecoder,
    Part,
    Pass,
    Shape,
    cache_floats,
)

_FORMATS = {None: Format.FLOAT, "int8": Format.INT8, "int4": Format.INT4}

_PARTS = {
    "embed_tokens": Part.EMBEDDING, "norm": Part.FINAL_NORM,
    "input_layernorm": Part.INPUT_NORM, "post_attention_layernorm": Part.POST_NORM,
    "q_norm": Part.Q_NORM, "k_norm": Part.K_NORM,
    "q_proj": Part.Q_PROJ, "k_proj": Part.K_PROJ, "v_proj": Part.V_PROJ, "o_proj": Part.O_PROJ,
    "gate_proj": Part.GATE_PROJ, "up_proj": Part.UP_PROJ, "down_proj": Part.DOWN_PROJ,
    "lm_head": Part.HEAD,
}  # fmt: skip


def is_computable(weights: Weights) -> bool:
    """Tell whether the runner in C computes this model where its weights are."""
    device, dtype = place_of(weights)
    return device.type == "cpu" and dtype == torch.float32 and weights.config.experts is None


class NativeRunner:
    """A runner over `native.decoder`."""

    def __init__(
        self,
        weights: Weights,
        *,
        num_blocks: int,
        max_model_len: int,
        max_rows: int,
        num_threads: int,
        quantization: Quantization | None = None,
        kernels: str | None = None,
    ) -> None:
        """Pack the weights, rounding them if asked to.

        Args:
            weights: of a dense model, on the CPU in fp32; nothing of them is kept.
            num_blocks: of the cache.
            max_model_len: positions of a sequence.
            max_rows: tokens of a pass at most.
            num_threads: that compute, the caller's among them.
            quantization: how matrices are stored; the output's takes 8 bits at least.
            kernels: slower ones than this processor's best, for tests.
        """
        self.config = config = weights.config
        form = _FORMATS[quantization]
        shape = Shape(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_layers=config.num_hidden_layers,
            num_heads=config.num_attention_heads,
            num_key_value_heads=config.num_key_value_heads,
            head_dim=config.head_dim,
            max_model_len=max_model_len,
            max_rows=max_rows,
            num_blocks=num_blocks,
            num_threads=num_threads,
            format=form,
            head_format=min(form, Format.INT8),
            eps=config.rms_norm_eps,
        )
        self.native = NativeDecoder(shape, kernels=kernels)
        for name, weight in named_weights(weights):
            part, layer = _place(name, is_tied=config.tie_word_embeddings)
            self.native.put(part, weight.numpy(), layer=layer)
        self._cache = {  # not there until it is written to
            name: np.zeros(size, np.float32)
            for name, size in zip(("keys", "values"), cache_floats(shape), strict=True)
        }
        self.native.lend_memory({**self._cache, **_rotation(config, max_model_len)})

    @property
    def block_size(self) -> int:
        """Positions of a block of the cache."""
        return PANEL

    def run(self, now: Pass) -> Tensor:
        """Return the states_OD after the final norm, keys and values of all rows kept."""
        return torch.from_numpy(self.native.run(now))

    def copy_block(self, source: int, target: int) -> None:
        """Copy the keys and values of one block of the cache to another."""
        shape = self.config.num_hidden_layers, self.native.shape.num_blocks, -1
        for each in self._cache.values():
            by_block = each.reshape(shape)
            by_block[:, target] = by_block[:, source]

    def take_adapter(self, adapter: Adapter) -> NativeAdapter:
        """Return an adapter in the form in which passes name it.

        Raises:
            UserError: it does not fit the model.
        """
        return pack_adapter(adapter, self.config)

    def logits(self, states_OD: Tensor) -> tuple[Tensor, List[int]]:
        """Return the logits_OV, and the most probable token of each row."""
        logits_OV, best_O = self.native.logits(states_OD.numpy())
        return torch.from_numpy(logits_OV), best_O.tolist()


def _place(name: str, *, is_tied: bool) -> tuple[Part, int]:
    """Return where a weight goes: part and number of the layer."""
    words = name.removesuffix(".weight").split(".")
    part = _PARTS[words[-1]]
    if part is Part.EMBEDDING and is_tied:
        part = Part.HEAD  # and rows of it are read where tokens come in
    return part, int(words[2]) if words[1:2] == ["layers"] else 0


def _rotation(config: DecoderConfig, max_model_len: int) -> dict[str, NDArray[np.float32]]:
    """Return the tables of cosines and sines, each max_model_len x h."""
    half = config.head_dim // 2
    cos, sin = rotation_of(config, torch.arange(max_model_len)[None], torch.float32)
    return {
        "cosines": np.ascontiguousarray(cos[0, 0, :, :half].numpy()),
        "sines": np.ascontiguousarray(sin[0, 0, :, half:].numpy()),
    }

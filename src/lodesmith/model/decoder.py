"""The decoder: plain single-device PyTorch, weights named as in Hugging Face checkpoints.

It knows nothing of caches, ranks or losses. An engine that keeps keys and values passes its own
`attend`, which is given a layer's number and its queries, keys and values and returns what the
heads read; the model never learns where the keys were kept.

Shapes: B batch, T tokens, L some of all B x T tokens, D hidden, N query heads, K key and value
heads, H head size, V vocab.
"""
# ruff: noqa: N803, N806, N812 shape suffixes and F are the house's names for tensors

import functools
import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lodesmith.model.attention import attend_from, suits_own_kernel
from lodesmith.model.config import DecoderConfig
from lodesmith.model.moe import MixtureOfExperts
from lodesmith.model.product import Linear, product

Attend = Callable[[int, Tensor, Tensor, Tensor], Tensor]
"""(layer, q_BNTH, k_BKTH, v_BKTH) -> out_BNTH; positions are turned into q and k already."""

_START_AT_ZERO = (
    "o_proj.weight",
    "down_proj.weight",
    "experts.down_proj",
    "lm_head.weight",
    "expert_bias.weight",
)

Rotation = tuple[Tensor, Tensor]  # cos and sin with H columns; the first half of sin is negated


def causal_attention(layer: int, q_BNTH: Tensor, k_BKTH: Tensor, v_BKTH: Tensor) -> Tensor:
    """Return what each token reads from itself and the tokens before it."""
    del layer
    if suits_own_kernel(q_BNTH, k_BKTH, v_BKTH):
        return attend_from(None, q_BNTH, k_BKTH, v_BKTH)
    grouped = q_BNTH.shape[1] != k_BKTH.shape[1]
    return F.scaled_dot_product_attention(
        q_BNTH, k_BKTH, v_BKTH, is_causal=True, enable_gqa=grouped
    )


@functools.lru_cache(maxsize=16)
def rotary_frequencies(config: DecoderConfig, device: torch.device) -> Tensor:
    """Return the H/2 angular frequencies by which positions turn pairs of a head's dims.

    Source: Su et al. 2021, arXiv:2104.09864, section 3.2.2; the stretched ones as published with
    Llama 3.1 (Grattafiori et al. 2024, arXiv:2407.21783, section 3.2).
    """
    # Engines first come here inside inference_mode; the cached tensor must serve training as well.
    with torch.inference_mode(mode=False):
        exponents = torch.arange(0, config.head_dim, 2, dtype=torch.float32) / config.head_dim
        frequencies = 1.0 / config.rope_theta**exponents
        scaling = config.rope_scaling
        if scaling is not None:
            wavelengths = 2 * math.pi / frequencies
            turns = scaling.original_max_position_embeddings / wavelengths
            span = scaling.high_freq_factor - scaling.low_freq_factor
            kept = ((turns - scaling.low_freq_factor) / span).clamp(0, 1)  # 0 slow, 1 fast
            frequencies = frequencies * kept + frequencies / scaling.factor * (1 - kept)
        return frequencies.to(device)


def rotation_of(config: DecoderConfig, position_ids_BT: Tensor, dtype: torch.dtype) -> Rotation:
    """Return by what the heads of tokens at these places are turned."""
    frequencies = rotary_frequencies(config, position_ids_BT.device)
    angles_B1Th = (position_ids_BT[..., None] * frequencies)[:, None]
    cos, sin = angles_B1Th.cos(), angles_B1Th.sin()
    return torch.cat((cos, cos), -1).to(dtype), torch.cat((-sin, sin), -1).to(dtype)


def rotate(x_BNTH: Tensor, rotation: Rotation) -> Tensor:
    """Return heads turned by their positions; dim i is paired with dim i + H/2."""
    cos, sin = rotation
    return torch.addcmul(x_BNTH * cos, x_BNTH.roll(x_BNTH.shape[-1] // 2, dims=-1), sin)


class RMSNorm(nn.Module):
    """Scaling to unit root mean square. Source: Zhang and Sennrich 2019, arXiv:1910.07467."""

    def __init__(self, size: int, *, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Return x, normalised over its last dim."""
        return F.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.eps)


class Attention(nn.Module):
    """Grouped-query attention. Source: Ainslie et al. 2023, arXiv:2305.13245."""

    def __init__(self, config: DecoderConfig, *, layer: int) -> None:
        super().__init__()
        queries = config.num_attention_heads * config.head_dim
        keys = config.num_key_value_heads * config.head_dim
        self.layer, self.head_dim = layer, config.head_dim
        self.q_proj = Linear(config.hidden_size, queries)
        self.k_proj = Linear(config.hidden_size, keys)
        self.v_proj = Linear(config.hidden_size, keys)
        self.o_proj = Linear(queries, config.hidden_size)
        self.q_norm: RMSNorm | None = None
        self.k_norm: RMSNorm | None = None
        if config.kind == "qwen3":  # Source: Qwen3 report, arXiv:2505.09388, section 2
            self.q_norm = RMSNorm(config.head_dim, eps=config.rms_norm_eps)
            self.k_norm = RMSNorm(config.head_dim, eps=config.rms_norm_eps)

    def forward(self, x_BTD: Tensor, rotation: Rotation, attend: Attend) -> Tensor:
        """Return what the layer's heads read, mixed back to D."""
        q_BNTH = self._heads(self.q_proj(x_BTD), self.q_norm)
        k_BKTH = self._heads(self.k_proj(x_BTD), self.k_norm)
        v_BKTH = self._heads(self.v_proj(x_BTD), None)
        out_BNTH = attend(self.layer, rotate(q_BNTH, rotation), rotate(k_BKTH, rotation), v_BKTH)
        out: Tensor = self.o_proj(out_BNTH.transpose(1, 2).flatten(2))
        return out

    def _heads(self, x: Tensor, norm: RMSNorm | None) -> Tensor:
        heads = x.view(*x.shape[:2], -1, self.head_dim)
        normed: Tensor = heads if norm is None else norm(heads)
        return normed.transpose(1, 2)


class FeedForward(nn.Module):
    """SwiGLU. Source: Shazeer 2020, arXiv:2002.05202."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.gate_proj = Linear(config.hidden_size, config.intermediate_size)
        self.up_proj = Linear(config.hidden_size, config.intermediate_size)
        self.down_proj = Linear(config.intermediate_size, config.hidden_size)

    def forward(self, x_BTD: Tensor) -> Tensor:
        """Return the layer's output, of the shape of its input."""
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x_BTD)) * self.up_proj(x_BTD))
        return out


class Layer(nn.Module):
    """One decoder layer: attention, then feed-forward, each added to the residual stream."""

    def __init__(self, config: DecoderConfig, *, layer: int) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.self_attn = Attention(config, layer=layer)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)
        self.mlp: FeedForward | MixtureOfExperts = FeedForward(config)
        if config.experts is not None:
            self.mlp = MixtureOfExperts(config.hidden_size, config.experts)

    def forward(self, x_BTD: Tensor, rotation: Rotation, attend: Attend) -> Tensor:
        """Return the residual stream after the layer."""
        return self.think(self.read(x_BTD, rotation, attend))

    def read(self, x_BTD: Tensor, rotation: Rotation, attend: Attend) -> Tensor:
        """Return the residual stream after the attention."""
        out: Tensor = x_BTD + self.self_attn(self.input_layernorm(x_BTD), rotation, attend)
        return out

    def think(self, x: Tensor) -> Tensor:
        """Return the residual stream after the feed-forward, of any leading shape."""
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Trunk(nn.Module):
    """Embedding, layers and final norm: what Hugging Face keeps below the prefix `model`."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        weight_VD = torch.empty(config.vocab_size, config.hidden_size)
        if not weight_VD.is_meta:  # torch would import its compiler, for a second, to fill nothing
            nn.init.normal_(weight_VD)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size, _weight=weight_VD)
        self.layers = nn.ModuleList(
            Layer(config, layer=layer) for layer in range(config.num_hidden_layers)
        )
        self.norm = RMSNorm(config.hidden_size, eps=config.rms_norm_eps)


class Decoder(nn.Module):
    """A causal language model."""

    def __init__(self, config: DecoderConfig) -> None:
        """Lay out the weights; make it under `torch.device("meta")` to leave them unfilled."""
        super().__init__()
        self.config = config
        self.model = Trunk(config)
        self.lm_head: Linear | None = None
        if not config.tie_word_embeddings:
            self.lm_head = Linear(config.hidden_size, config.vocab_size)

    @classmethod
    def fresh(cls, config: DecoderConfig, *, seed: int) -> "Decoder":
        """Return a decoder with random weights: the same for the same seed."""
        with torch.device("meta"):
            decoder = cls(config)
        decoder.to_empty(device="cpu")
        decoder.init_weights(torch.Generator().manual_seed(seed))
        return decoder

    def forward(
        self,
        input_ids_BT: Tensor,
        *,
        position_ids_BT: Tensor | None = None,
        attend: Attend = causal_attention,
    ) -> Tensor:
        """Return logits_BTV."""
        return self.logits(
            self.hidden(input_ids_BT, position_ids_BT=position_ids_BT, attend=attend)
        )

    def hidden(
        self,
        input_ids_BT: Tensor,
        *,
        position_ids_BT: Tensor | None = None,
        attend: Attend = causal_attention,
    ) -> Tensor:
        """Return x_BTD after the final norm.

        Args:
            input_ids_BT: token ids.
            position_ids_BT: place of each token in its sequence; None counts from 0 in each row.
            attend: how a layer's queries read keys and values.
        """
        x_BTD, rotation = self._embed(input_ids_BT, position_ids_BT)
        for layer in self.model.layers:
            x_BTD = layer(x_BTD, rotation, attend)
        out: Tensor = self.model.norm(x_BTD)
        return out

    def hidden_at(
        self,
        places_L: Tensor,
        input_ids_BT: Tensor,
        *,
        position_ids_BT: Tensor | None = None,
        attend: Attend = causal_attention,
    ) -> Tensor:
        """Return x_LD after the final norm at some places of the flattened batch.

        What no other token reads, the last layer's feed-forward, is computed there only; a mixture
        of experts, which counts the tokens that it sees, sees all.
        """
        *before, last = self.model.layers
        assert isinstance(last, Layer)  # noqa: S101 for the type checker
        x_BTD, rotation = self._embed(input_ids_BT, position_ids_BT)
        for layer in before:
            x_BTD = layer(x_BTD, rotation, attend)
        if isinstance(last.mlp, FeedForward):
            x_BTD = last.read(x_BTD, rotation, attend)
            x_LD = last.think(x_BTD.flatten(0, 1).index_select(0, places_L))
        else:
            x_LD = last(x_BTD, rotation, attend).flatten(0, 1).index_select(0, places_L)
        out: Tensor = self.model.norm(x_LD)
        return out

    def _embed(
        self, input_ids_BT: Tensor, position_ids_BT: Tensor | None
    ) -> tuple[Tensor, Rotation]:
        x_BTD = self.model.embed_tokens(input_ids_BT)
        if position_ids_BT is None:
            position_ids_BT = torch.arange(x_BTD.shape[1], device=x_BTD.device)[None]
        return x_BTD, self.rotation(position_ids_BT, x_BTD.dtype)

    def logits(self, x: Tensor) -> Tensor:
        """Return scores over the vocabulary for hidden states of any leading shape."""
        return product(x, self.output_weight)

    @property
    def output_weight(self) -> Tensor:
        """The V x D matrix of the output, be it the embedding or a matrix of its own."""
        return self.model.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    def rotation(self, position_ids_BT: Tensor, dtype: torch.dtype) -> Rotation:
        """Return by what the heads of tokens at these places are turned."""
        return rotation_of(self.config, position_ids_BT, dtype)

    def init_weights(self, generator: torch.Generator) -> None:
        """Fill every weight in the order of `named_parameters`, so that a seed fixes all."""
        for name, weight in self.named_parameters():
            start_weight(name, weight, self.config, generator)


@torch.no_grad()
def start_weight(
    name: str, weight: Tensor, config: DecoderConfig, generator: torch.Generator
) -> None:
    """Fill a weight for the start of training.

    Matrices that read the residual stream get a standard deviation of 1 / (2 sqrt(fan-in)), those
    that write to it start at zero: every layer begins as the identity, so the first steps cannot
    blow up at any depth or width. An output matrix of its own starts at zero too.

    Source: Yang et al. 2022, arXiv:2203.03466, appendix D.2 (zero output layers); Zhang et al.
    2019, arXiv:1901.09321 (zero last layer of each residual branch).
    """
    if name.endswith(_START_AT_ZERO):
        weight.zero_()
    elif weight.dim() == 1:
        weight.fill_(1.0)
    elif name.endswith("embed_tokens.weight"):
        weight.normal_(0.0, config.initializer_range, generator=generator)
    else:
        weight.normal_(0.0, 0.5 / math.sqrt(weight.shape[-1]), generator=generator)


def fresh_weights(config: DecoderConfig, *, seed: int) -> Iterator[tuple[str, Tensor]]:
    """Yield the weights of `Decoder.fresh` one at a time, for who cannot hold them all."""
    with torch.device("meta"):
        decoder = Decoder(config)
    generator = torch.Generator().manual_seed(seed)
    for name, weight in decoder.named_parameters():
        whole = torch.empty(weight.shape, device="cpu")
        start_weight(name, whole, config, generator)
        yield name, whole

"""The shape of a decoder: the recipe's `model` section, and its `config.json` in both directions.

A recipe says everything but the vocabulary, which the tokenizer brings; `DecoderConfig` is the
shape once both are known. Names are those of Hugging Face, so that export is nearly the identity.
What `from_hugging_face` cannot compute exactly it refuses by name: a model that is almost right
gives answers that are quietly wrong.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from lodesmith.core.config import Config
from lodesmith.core.divisors import near_multiples
from lodesmith.core.errors import UserError

ModelKind = Literal["llama", "qwen3"]

ARCHITECTURES = {
    "llama": "LlamaForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "qwen3_moe": "Qwen3MoeForCausalLM",
    # Parts that transformers does not know; under a name of its own, so that it refuses such a
    # model instead of leaving the parts out.
    "lodesmith_moe": "LodesmithMoeForCausalLM",
}

# What an absent key of config.json means. Source: transformers 5.23, LlamaConfig and Qwen3Config.
_DEFAULTS: dict[str, dict[str, Any]] = {
    "llama": {"max_position_embeddings": 2048, "rms_norm_eps": 1e-6},
    "qwen3": {"max_position_embeddings": 32_768, "rms_norm_eps": 1e-6, "head_dim": 128},
    "qwen3_moe": {
        "max_position_embeddings": 32_768,
        "rms_norm_eps": 1e-6,
        "num_key_value_heads": 4,
    },
    "lodesmith_moe": {},
}

# Keys of config.json that change what is computed, and the values that mean "off".
_ONLY_OFF: dict[str, tuple[Any, ...]] = {
    "attention_bias": (None, False),
    "mlp_bias": (None, False),
    "use_sliding_window": (None, False),
    "hidden_act": (None, "silu"),
    "partial_rotary_factor": (None, 1, 1.0),
    "quantization_config": (None,),
    "decoder_sparse_step": (None, 1),
}


class ExpertsConfig(Config):
    """A mixture of experts in the place of every feed-forward layer."""

    num_experts: int = Field(gt=0)
    """Experts of a layer."""

    num_experts_per_tok: int = Field(gt=0)
    """Experts that read each token."""

    moe_intermediate_size: int = Field(gt=0)
    """Width of an expert."""

    norm_topk_prob: bool = True
    """Make the weights of a token's experts sum to 1."""

    shared_expert_intermediate_size: int | None = Field(default=None, gt=0)
    """Width of one more expert that reads every token; None is none. Such a model cannot be
    exported: transformers has no Qwen3 with it."""

    router_bias_rate: float | None = Field(default=None, gt=0)
    """By how much an expert's bias in the choice moves each step towards an even load; None is no
    bias. 0.001 is usual (arXiv:2408.15664, section 4.3). Such a model cannot be exported."""

    router_z_loss: float | None = Field(default=None, gt=0)
    """Weight of the squared log-normaliser of the router beside the loss; None is none. 0.001 is
    usual (arXiv:2202.08906, section 3.3)."""

    @model_validator(mode="after")
    def _check_choice(self) -> Self:
        if self.num_experts_per_tok > self.num_experts:
            raise ValueError(
                f"num_experts_per_tok ({self.num_experts_per_tok}) is more than num_experts "
                f"({self.num_experts})"
            )
        return self

    @property
    def is_exportable(self) -> bool:
        """Whether transformers can compute it."""
        return self.shared_expert_intermediate_size is None and self.router_bias_rate is None


class ModelConfig(Config):
    """The recipe's `model` section: a decoder without its vocabulary."""

    kind: ModelKind = "qwen3"
    """The Hugging Face family it is exported as; qwen3 normalises queries and keys, llama does
    not."""

    hidden_size: int = Field(gt=0)
    """Width of the residual stream."""

    intermediate_size: int = Field(gt=0)
    """Width of the feed-forward layer."""

    num_hidden_layers: int = Field(gt=0)
    """Decoder layers."""

    num_attention_heads: int = Field(gt=0)
    """Query heads of a layer."""

    num_key_value_heads: int = Field(gt=0)
    """Key and value heads of a layer; divides num_attention_heads."""

    head_dim: int = Field(gt=0)
    """Size of a head; even, because rotary positions turn pairs."""

    max_position_embeddings: int = Field(default=1024, gt=0)
    """Longest sequence the model may be asked to read, tokens."""

    rope_theta: float = Field(default=10_000.0, gt=0)
    """Base of the rotary wavelengths: the longest is 2 pi rope_theta tokens."""

    rms_norm_eps: float = Field(default=1e-6, gt=0)
    """Added to the mean square before its root is taken."""

    tie_word_embeddings: bool = True
    """Use the embedding matrix as output matrix too; saves memory in small models."""

    initializer_range: float = Field(default=0.02, gt=0)
    """Standard deviation of the embedding's random start; the other matrices scale with their
    width."""

    experts: ExpertsConfig | None = None
    """Mixture of experts instead of feed-forward layers of intermediate_size; wants kind qwen3."""

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.experts is not None and self.kind != "qwen3":
            raise ValueError(f"experts want kind qwen3, not {self.kind}")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) must be a multiple of "
                f"num_key_value_heads ({self.num_key_value_heads}); "
                f"nearest: {near_multiples(self.num_attention_heads, self.num_key_value_heads)}"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim must be even, not {self.head_dim}")
        return self

    def matrix_shapes(self) -> dict[str, tuple[int, int]]:
        """Return outputs and inputs of each matrix of a layer; experts' are not among them."""
        queries = self.num_attention_heads * self.head_dim
        keys = self.num_key_value_heads * self.head_dim
        size, inner = self.hidden_size, self.intermediate_size
        shapes = {"q_proj": (queries, size), "k_proj": (keys, size), "v_proj": (keys, size),
                  "o_proj": (size, queries)}  # fmt: skip
        if self.experts is None:
            shapes |= {"gate_proj": (inner, size), "up_proj": (inner, size),
                       "down_proj": (size, inner)}  # fmt: skip
        return shapes

    @property
    def num_non_embedding_parameters(self) -> int:
        """Weights outside the embedding and the output matrix."""
        heads = 2 * self.num_attention_heads + 2 * self.num_key_value_heads
        attention = self.hidden_size * heads * self.head_dim
        feed_forward = 3 * self.hidden_size * self.intermediate_size
        if self.experts is not None:
            experts = self.experts
            widths = experts.num_experts * experts.moe_intermediate_size
            widths += experts.shared_expert_intermediate_size or 0
            feed_forward = self.hidden_size * (3 * widths + experts.num_experts)
            feed_forward += 0 if experts.router_bias_rate is None else experts.num_experts
        norms = 2 * self.hidden_size + (2 * self.head_dim if self.kind == "qwen3" else 0)
        return self.num_hidden_layers * (attention + feed_forward + norms) + self.hidden_size


class Llama3RopeScaling(Config):
    """Stretching of the slow rotary wavelengths, as Llama 3.1 does it."""

    factor: float = Field(gt=0)
    """How much the slow wavelengths are stretched."""

    low_freq_factor: float = Field(gt=0)
    """Wavelengths over original_max_position_embeddings / this are stretched fully."""

    high_freq_factor: float = Field(gt=0)
    """Wavelengths under original_max_position_embeddings / this are left alone."""

    original_max_position_embeddings: int = Field(gt=0)
    """Sequence length before stretching, tokens."""


class DecoderConfig(ModelConfig):
    """A decoder whose vocabulary is known."""

    vocab_size: int = Field(gt=0)
    """Rows of the embedding matrix."""

    rope_scaling: Llama3RopeScaling | None = None
    """Stretching of rotary wavelengths; only in models that were made elsewhere."""

    @classmethod
    def from_model(cls, model: ModelConfig, *, vocab_size: int) -> "DecoderConfig":
        """Return the shape of a recipe's model over a tokenizer's vocabulary."""
        fields = {name: getattr(model, name) for name in ModelConfig.model_fields}
        return cls(vocab_size=vocab_size, **fields)

    @classmethod
    def from_hugging_face(cls, data: Mapping[str, Any]) -> "DecoderConfig":
        """Return the shape that a Hugging Face `config.json` describes.

        Raises:
            UserError: it is neither a Llama nor a Qwen3 model, a key is missing, or one asks for
                something that would be computed otherwise here.
        """
        kind = data.get("model_type")
        if kind not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise UserError(f"config.json: model_type is {kind!r}; models of {known} can be loaded")
        _refuse_unknown_computations(data)
        fields = {**_DEFAULTS[kind], **{name: data[name] for name in _SHAPE if _given(data, name)}}
        fields["kind"] = "llama" if kind == "llama" else "qwen3"
        fields["vocab_size"] = data.get("vocab_size")
        fields["experts"] = _read_experts(data) if kind.endswith("_moe") else None
        fields["tie_word_embeddings"] = bool(data.get("tie_word_embeddings", False))
        fields["rope_theta"], fields["rope_scaling"] = _read_rope(data)
        fields.setdefault("num_key_value_heads", fields.get("num_attention_heads"))
        if fields.get("hidden_size") and fields.get("num_attention_heads"):
            fields.setdefault("head_dim", fields["hidden_size"] // fields["num_attention_heads"])
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            fault = error.errors()[0]
            name = ".".join(str(part) for part in fault["loc"]) or "model"
            message = fault["msg"].removeprefix("Value error, ")
            raise UserError(f"config.json: {name}: {message}") from None

    @property
    def num_parameters(self) -> int:
        """All weights; a tied matrix counts once."""
        matrices = 1 if self.tie_word_embeddings else 2
        return matrices * self.vocab_size * self.hidden_size + self.num_non_embedding_parameters

    def to_hugging_face(
        self, *, eos_ids: Sequence[int] = (), dtype: str = "float32"
    ) -> dict[str, Any]:
        """Return the `config.json` under which Hugging Face computes the same model.

        Both spellings of what was renamed in transformers 5 (rope_theta, dtype) are written, so
        that older readers get it right too.

        Args:
            eos_ids: token ids that end an answer.
            dtype: of the stored weights, as torch names it.
        """
        rope: dict[str, Any] = {"rope_type": "default"}
        if self.rope_scaling is not None:
            rope = {"rope_type": "llama3", **self.rope_scaling.model_dump()}
        data: dict[str, Any] = {
            "architectures": [ARCHITECTURES[self.hugging_face_kind]],
            "model_type": self.hugging_face_kind,
            "vocab_size": self.vocab_size,
            **{name: getattr(self, name) for name in _SHAPE if name != "kind"},
            "rope_parameters": {**rope, "rope_theta": self.rope_theta},
            "rope_scaling": None if self.rope_scaling is None else rope,
            "hidden_act": "silu",
            "attention_bias": False,
            "attention_dropout": 0.0,
            "bos_token_id": None,
            "eos_token_id": _one_or_list(eos_ids),
            "pad_token_id": None,
            "use_cache": True,
            "dtype": dtype,
            "torch_dtype": dtype,
        }
        if self.kind == "llama":
            data["mlp_bias"] = False
        else:
            data |= {"use_sliding_window": False, "sliding_window": None}
        if self.experts is not None:
            own = {name for name, value in self.experts if name in _OWN_EXPERTS and value is None}
            data |= {**self.experts.model_dump(exclude=own), "decoder_sparse_step": 1}
            data["mlp_only_layers"] = []
        return data

    @property
    def hugging_face_kind(self) -> str:
        """Return the `model_type` of config.json."""
        if self.experts is None:
            return self.kind
        return "qwen3_moe" if self.experts.is_exportable else "lodesmith_moe"


_SHAPE = tuple(name for name in ModelConfig.model_fields if name != "experts")

# What transformers' Qwen3-MoE does not have, or needs in training only.
_OWN_EXPERTS = ("shared_expert_intermediate_size", "router_bias_rate", "router_z_loss")


def _read_experts(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ExpertsConfig; norm_topk_prob, if absent, is false as it is there."""
    fields = {name: data[name] for name in ExpertsConfig.model_fields if _given(data, name)}
    if _given(data, "num_local_experts"):
        fields.setdefault("num_experts", data["num_local_experts"])
    fields.setdefault("norm_topk_prob", False)
    return fields


def _given(data: Mapping[str, Any], name: str) -> bool:
    return data.get(name) is not None


def _one_or_list(ids: Sequence[int]) -> int | list[int] | None:
    if not ids:
        return None
    return ids[0] if len(ids) == 1 else list(ids)


def _refuse_unknown_computations(data: Mapping[str, Any]) -> None:
    for name, off in _ONLY_OFF.items():
        if data.get(name) not in off:
            raise UserError(
                f"config.json: {name} is {data[name]!r}, which Lodesmith does not compute; "
                f"only models with {name} = {off[-1]!r} can be loaded"
            )
    if not str(data.get("model_type")).endswith("_moe") and data.get("num_experts"):
        raise UserError(
            f"config.json: num_experts is {data['num_experts']!r} in a model of type "
            f"{data.get('model_type')}; only qwen3_moe has experts"
        )
    if data.get("mlp_only_layers"):
        raise UserError("config.json: mlp_only_layers is not empty; all layers must have experts")
    kinds = set(data.get("layer_types") or ()) - {"full_attention"}
    if kinds:
        raise UserError(
            f"config.json: layer_types has {', '.join(sorted(kinds))}; only full_attention is known"
        )


def _read_rope(data: Mapping[str, Any]) -> tuple[float, dict[str, Any] | None]:
    """Return rope_theta and the scaling's fields, from the old or the new spelling."""
    rope = dict(data.get("rope_parameters") or data.get("rope_scaling") or {})
    theta = rope.pop("rope_theta", None) or data.get("rope_theta") or 10_000.0
    kind = rope.pop("rope_type", None) or rope.pop("type", None) or "default"
    rope.pop("type", None)
    if kind not in ("default", "llama3"):
        raise UserError(
            f"config.json: rope scaling {kind!r} is not known; default and llama3 can be computed"
        )
    if rope.pop("partial_rotary_factor", 1.0) != 1.0:
        raise UserError("config.json: partial_rotary_factor other than 1 is not known")
    return float(theta), (rope if kind == "llama3" else None)

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
from lodesmith.core.errors import UserError

ModelKind = Literal["llama", "qwen3"]

ARCHITECTURES: dict[ModelKind, str] = {"llama": "LlamaForCausalLM", "qwen3": "Qwen3ForCausalLM"}

# What an absent key of config.json means. Source: transformers 5.23, LlamaConfig and Qwen3Config.
_DEFAULTS: dict[ModelKind, dict[str, Any]] = {
    "llama": {"max_position_embeddings": 2048, "rms_norm_eps": 1e-6},
    "qwen3": {"max_position_embeddings": 32_768, "rms_norm_eps": 1e-6, "head_dim": 128},
}

# Keys of config.json that change what is computed, and the values that mean "off".
_ONLY_OFF: dict[str, tuple[Any, ...]] = {
    "attention_bias": (None, False),
    "mlp_bias": (None, False),
    "use_sliding_window": (None, False),
    "hidden_act": (None, "silu"),
    "partial_rotary_factor": (None, 1, 1.0),
    "quantization_config": (None,),
    "num_experts": (None, 0),
}


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

    @model_validator(mode="after")
    def _check_heads(self) -> Self:
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(
                f"num_attention_heads ({self.num_attention_heads}) must be a multiple of "
                f"num_key_value_heads ({self.num_key_value_heads})"
            )
        if self.head_dim % 2:
            raise ValueError(f"head_dim must be even, not {self.head_dim}")
        return self

    @property
    def num_non_embedding_parameters(self) -> int:
        """Weights outside the embedding and the output matrix."""
        heads = 2 * self.num_attention_heads + 2 * self.num_key_value_heads
        attention = self.hidden_size * heads * self.head_dim
        feed_forward = 3 * self.hidden_size * self.intermediate_size
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
        return cls(vocab_size=vocab_size, **{name: getattr(model, name) for name in _SHAPE})

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
        fields["kind"], fields["vocab_size"] = kind, data.get("vocab_size")
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
            "architectures": [ARCHITECTURES[self.kind]],
            "model_type": self.kind,
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
        return data


_SHAPE = tuple(ModelConfig.model_fields)


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

"""A decoder's `config.json`, in both directions.

What `from_hugging_face` cannot compute exactly it refuses by name: a model that is almost right
gives answers that are quietly wrong.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from lodesmith.core.errors import UserError
from lodesmith.model.config import DecoderConfig, ExpertsConfig, ModelConfig

_ARCHITECTURES = {
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

_SHAPE = tuple(name for name in ModelConfig.model_fields if name != "experts")

# What transformers' Qwen3-MoE does not have, or needs in training only.
_OWN_EXPERTS = ("shared_expert_intermediate_size", "router_bias_rate", "router_z_loss")


def from_hugging_face(data: Mapping[str, Any]) -> DecoderConfig:
    """Return the shape that a Hugging Face `config.json` describes.

    Raises:
        UserError: it is neither a Llama nor a Qwen3 model, a key is missing, or one asks for
            something that would be computed otherwise here.
    """
    kind = data.get("model_type")
    if kind not in _ARCHITECTURES:
        known = ", ".join(_ARCHITECTURES)
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
        return DecoderConfig.model_validate(fields)
    except ValidationError as error:
        fault = error.errors()[0]
        name = ".".join(str(part) for part in fault["loc"]) or "model"
        message = fault["msg"].removeprefix("Value error, ")
        raise UserError(f"config.json: {name}: {message}") from None


def to_hugging_face(
    config: DecoderConfig, *, eos_ids: Sequence[int] = (), dtype: str = "float32"
) -> dict[str, Any]:
    """Return the `config.json` under which Hugging Face computes the same model.

    Both spellings of what was renamed in transformers 5 (rope_theta, dtype) are written, so
    that older readers get it right too.

    Args:
        config: the shape.
        eos_ids: token ids that end an answer.
        dtype: of the stored weights, as torch names it.
    """
    kind = _kind_of(config)
    rope: dict[str, Any] = {"rope_type": "default"}
    if config.rope_scaling is not None:
        rope = {"rope_type": "llama3", **config.rope_scaling.model_dump()}
    data: dict[str, Any] = {
        "architectures": [_ARCHITECTURES[kind]],
        "model_type": kind,
        "vocab_size": config.vocab_size,
        **{name: getattr(config, name) for name in _SHAPE if name != "kind"},
        "rope_parameters": {**rope, "rope_theta": config.rope_theta},
        "rope_scaling": None if config.rope_scaling is None else rope,
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
    if config.kind == "llama":
        data["mlp_bias"] = False
    else:
        data |= {"use_sliding_window": False, "sliding_window": None}
    if config.experts is not None:
        data |= _write_experts(config.experts)
    return data


def _kind_of(config: DecoderConfig) -> str:
    """Return the `model_type` of config.json."""
    if config.experts is None:
        return config.kind
    return "qwen3_moe" if config.experts.is_exportable else "lodesmith_moe"


def _read_experts(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of ExpertsConfig; norm_topk_prob, if absent, is false as it is there."""
    fields = {name: data[name] for name in ExpertsConfig.model_fields if _given(data, name)}
    if _given(data, "num_local_experts"):
        fields.setdefault("num_experts", data["num_local_experts"])
    fields.setdefault("norm_topk_prob", False)
    return fields


def _write_experts(experts: ExpertsConfig) -> dict[str, Any]:
    own = {name for name, value in experts if name in _OWN_EXPERTS and value is None}
    fields = experts.model_dump(exclude=own)
    return {**fields, "decoder_sparse_step": 1, "mlp_only_layers": []}


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

"""`lodesmith plan`: what a recipe takes, and what the finished run would take a thousand times up.

The planner knows nothing of recipes; this file reads the sizes out of one and hands them over.
"""

import json
from collections.abc import Sequence

from lodesmith.core.errors import UserError
from lodesmith.core.process import count_free_cores
from lodesmith.core.storage import read_json
from lodesmith.lineage.artifact import Artifact
from lodesmith.model.config import DecoderConfig, ModelConfig
from lodesmith.pipeline.recipe import Recipe, read_recipe
from lodesmith.plan.auto import choose_for_cores
from lodesmith.plan.config import InferenceConfig, PlanConfig
from lodesmith.plan.planner import Plan, make_plan, plan_data
from lodesmith.plan.scale import ScaleUp, scale_run
from lodesmith.plan.shape import ModelShape, shape_of
from lodesmith.plan.text import plan_text
from lodesmith.pretrain.config import PretrainConfig

__all__ = ["Plan", "choose_layout", "plan", "plan_json", "plan_text", "scale_up"]

_MOST_EQUAL_RANKS = 2  # that compute a whole model's weights bit for bit alike


def plan(recipe: str, *, cluster: str | None = None, overrides: Sequence[str] = ()) -> Plan:
    """Return what a recipe takes on a cluster: memory, layout, step time, days, energy, cost.

    Args:
        recipe: a path, or the name of a shipped recipe.
        cluster: a shipped name or a path; the recipe's own if left out.
        overrides: settings as `section.field=value`.

    Raises:
        UserError: the recipe has faults, says too little to plan, or fits no layout.
    """
    loaded = read_recipe(recipe, overrides)
    config = loaded.recipe.plan or PlanConfig()
    if config.inference is None and loaded.recipe.serve is not None:
        config = config.model_copy(update={"inference": InferenceConfig()})
    if cluster is not None:
        config = _move(config, cluster)
    pretrain = loaded.recipe.pretrain
    global_batch_size, sequence_length, tokens = _sizes(loaded.recipe, config, loaded.origin)
    return make_plan(
        loaded.name,
        shape=_shape(loaded.recipe, config, loaded.origin),
        config=config,
        global_batch_size=global_batch_size,
        sequence_length=sequence_length,
        tokens=tokens,
        optimizer=pretrain.optimizer if pretrain else "adamw",
    )


def choose_layout(config: PretrainConfig, *, model: ModelConfig, vocab_size: int) -> PretrainConfig:
    """Return the settings of pretraining with the layout that the planner takes on this machine.

    A model that two cores would hold whole keeps the bits that it has on one.

    Raises:
        UserError: the model, the batch and this machine's cores suit no layout, or the run is to
            compute on GPUs, whose speed the planner knows but not which of them are here.
    """
    if config.device != "cpu":
        raise UserError(
            f"pretrain: parallel auto chooses for the cores of this machine, but device is "
            f"{config.device}; give sizes, such as parallel: {{data_parallel_shard_size: 8}}, or "
            "leave parallel out for one or two GPUs"
        )
    chosen = choose_for_cores(
        DecoderConfig.from_model(model, vocab_size=vocab_size),
        num_cores=count_free_cores(),
        sequence_length=config.sequence_length,
        global_batch_size=config.global_batch_size,
        micro_batch_size=config.micro_batch_size,
        precision="bf16" if config.param_dtype == "bf16" else "fp32",
    )
    is_whole = chosen.num_ranks == chosen.data_parallel_replicate_size
    halves = config.global_batch_size % (2 * config.micro_batch_size) == 0
    keeps_bits = is_whole and chosen.num_ranks <= _MOST_EQUAL_RANKS and halves
    return config.model_copy(update={"parallel": None if keeps_bits else chosen})


def plan_json(result: Plan) -> str:
    """Return a plan as indented JSON with keys in a fixed order."""
    return json.dumps(plan_data(result), ensure_ascii=False, indent=2)


def scale_up(
    pretrain: Artifact,
    *,
    tokens_seen: int,
    tokens_per_second: float | None,
    bytes_per_token: float | None = None,
) -> ScaleUp | None:
    """Return what a run would take with a thousand times the compute, split as is best.

    Args:
        pretrain: the finished artifact, which knows the model's shape.
        tokens_seen: tokens that it was trained on.
        tokens_per_second: its measured rate; without one there is nothing to scale.
        bytes_per_token: bytes of text per token, measured with its tokenizer.
    """
    if not tokens_seen or not tokens_per_second:
        return None
    config = DecoderConfig.from_hugging_face(read_json(pretrain.file("model/config.json")))
    return scale_run(
        shape_of(config, vocab_size=config.vocab_size),
        tokens=tokens_seen,
        tokens_per_second=tokens_per_second,
        sequence_length=int(pretrain.receipt.config["pretrain"]["sequence_length"]),
        bytes_per_token=bytes_per_token,
    )


def _move(config: PlanConfig, cluster: str) -> PlanConfig:
    """Return the settings for another cluster; a layout given for the old one no longer holds."""
    moved = {"cluster": cluster, "num_nodes": None, "parallel": None, "precision": None}
    return config if cluster == config.cluster else config.model_copy(update=moved)


def _shape(recipe: Recipe, config: PlanConfig, origin: str) -> ModelShape:
    if config.architecture is not None:
        return config.architecture.shape()
    if recipe.model is not None and recipe.tokenize is not None:
        return shape_of(recipe.model, vocab_size=recipe.tokenize.vocab_size)
    raise UserError(
        f"{origin}: there is no network to plan; add the sections model and tokenize, "
        "or plan.architecture"
    )


def _sizes(recipe: Recipe, config: PlanConfig, origin: str) -> tuple[int, int, float]:
    """Return sequences per step, tokens per sequence, and tokens of the run."""
    pretrain = recipe.pretrain
    batch = config.global_batch_size or (pretrain.global_batch_size if pretrain else None)
    length = config.sequence_length or (pretrain.sequence_length if pretrain else None)
    if batch is None or length is None:
        raise UserError(
            f"{origin}: no batch to plan; add a section pretrain, or plan.global_batch_size "
            "and plan.sequence_length"
        )
    tokens = config.tokens
    if tokens is None and pretrain is not None:
        tokens = float(pretrain.max_steps * pretrain.global_batch_size * pretrain.sequence_length)
    if tokens is None:
        raise UserError(f"{origin}: no training length to plan; add plan.tokens")
    return batch, length, tokens

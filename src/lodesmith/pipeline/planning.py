"""`lodesmith plan`: what a recipe takes on a cluster.

The planner knows nothing of recipes; this file reads the sizes out of one and hands them over.
"""

import json
from collections.abc import Sequence

from lodesmith.core.errors import UserError
from lodesmith.pipeline.recipe import Recipe, read_recipe
from lodesmith.plan.config import InferenceConfig, PlanConfig
from lodesmith.plan.planner import make_plan
from lodesmith.plan.report.result import Plan, plan_data
from lodesmith.plan.report.text import plan_text
from lodesmith.plan.workload.shape import ModelShape, shape_of

__all__ = ["Plan", "plan", "plan_json", "plan_text"]


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
        config = _move(config, cluster, overrides)
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


def plan_json(result: Plan) -> str:
    """Return a plan as indented JSON with keys in a fixed order."""
    return json.dumps(plan_data(result), ensure_ascii=False, indent=2)


def _move(config: PlanConfig, cluster: str, overrides: Sequence[str]) -> PlanConfig:
    """Return the settings for another cluster; what the recipe gave for its own no longer holds,
    what the command line gives does."""
    if cluster == config.cluster:
        return config
    given = {override.partition("=")[0] for override in overrides}
    moved = {
        name: None
        for name in ("device", "num_nodes", "parallel", "precision")
        if not any(path.split(".")[:2] == ["plan", name] for path in given)
    }
    return config.model_copy(update={"cluster": cluster, **moved})


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

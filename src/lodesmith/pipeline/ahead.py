"""What can be said of a run's stages before the first of them begins."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module

from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.config import DecoderConfig
from lodesmith.parallel.config import ParallelConfig, check_layout
from lodesmith.pipeline.recipe import Recipe
from lodesmith.pipeline.stages import Stage
from lodesmith.pretrain.config import PretrainConfig


@dataclass(frozen=True, kw_only=True)
class PlannedStage:
    """What `run --dry-run` says of one stage."""

    kind: str
    id: str | None  # None where the id depends on an artifact that is not made yet
    done: bool
    domain: str | None = None  # of a link of a chain


def look_ahead(recipe: Recipe, stages: Sequence[Stage], space: Workspace) -> Iterator[PlannedStage]:
    """Yield which stages are done, as far as it is known now."""
    done: dict[str, Artifact] = {}
    for stage in stages:
        if stage.kind == "tune" and recipe.domains:
            yield from look_along_chain(recipe, done.get("pretrain"), space)
            continue
        known = all(kind in done for kind in stage.parents)
        order = stage.order(recipe, done) if known else None
        artifact = space.get(order) if order else None
        if artifact is not None:
            done[stage.kind] = artifact
        yield PlannedStage(
            kind=stage.kind, id=order.id if order else None, done=artifact is not None
        )


def look_along_chain(
    recipe: Recipe, base: Artifact | None, space: Workspace
) -> Iterator[PlannedStage]:
    """Yield which links of a chain are done, each of which needs the one before it."""
    chain = import_module("lodesmith.pipeline.chain")
    parent = base
    for domain in recipe.domains:
        order = None
        if parent is not None:
            order = chain.order_link(domain, chain.Start.of(parent, space), space)
        parent = space.get(order) if order else None
        yield PlannedStage(
            kind="tune",
            id=order.id if order else None,
            done=parent is not None,
            domain=domain.domain,
        )


def refuse_early(recipe: Recipe, stages: Sequence[Stage], space: Workspace) -> None:
    """Refuse now, not when all data is made, what cannot be trained so.

    Raises:
        UserError: the layout does not fit the model or the batch; there are too few GPUs, or they
            or torchao are not what float8 wants.
    """
    config = recipe.pretrain
    if config is None:
        return
    if (config.parallel, config.device, config.matmul_dtype) == (None, "cpu", None):
        return
    from lodesmith.train.ahead.checks import check_gpus  # most runs need none of this
    from lodesmith.train.ranks.crew import choose_ranks_here

    ahead = look_ahead(recipe, stages, space)
    if any(stage.kind == "pretrain" and not stage.done for stage in ahead):
        _check_layout(recipe, config)
        check_gpus("pretrain", config, num_ranks=choose_ranks_here(config))


def _check_layout(recipe: Recipe, config: PretrainConfig) -> None:
    """Check a layout against the vocabulary that is asked for; a short text may give a smaller."""
    layout = config.parallel
    if recipe.model is None or recipe.tokenize is None or not isinstance(layout, ParallelConfig):
        return
    check_layout(
        layout,
        DecoderConfig.from_model(recipe.model, vocab_size=recipe.tokenize.vocab_size),
        num_ranks=layout.num_ranks,
        sequence_length=config.sequence_length,
        global_batch_size=config.global_batch_size,
        micro_batch_size=config.micro_batch_size,
    )

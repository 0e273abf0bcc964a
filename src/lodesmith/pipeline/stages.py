"""The stages of a model's life: what each reads, and where the code that does it lives.

The code itself is imported only when a stage has work to do, so that a run with nothing to do
ends at once and a login node needs no torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib import import_module

from lodesmith.core.errors import UserError
from lodesmith.lineage.artifact import Artifact, Make, Order
from lodesmith.pipeline.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage: its room, the recipe sections it reads, the artifacts it reads."""

    kind: str  # the room, and the kind of its artifact
    sections: tuple[str, ...]
    parents: tuple[str, ...] = ()
    optional_parents: tuple[str, ...] = ()  # read if the recipe has that stage

    def is_in(self, recipe: Recipe) -> bool:
        """Tell whether a recipe has this stage."""
        return getattr(recipe, self.kind) is not None

    def order(self, recipe: Recipe, done: Mapping[str, Artifact]) -> Order:
        """Return what this stage is asked to make, given the artifacts made before it."""
        wanted = [*self.parents, *(kind for kind in self.optional_parents if kind in done)]
        return Order(
            kind=self.kind,
            version=import_module(f"lodesmith.{self.kind}.config").STAGE_VERSION,
            config={name: getattr(recipe, name) for name in self.sections},
            parents={kind: done[kind] for kind in wanted},
        )

    def maker(self, order: Order) -> Make:
        """Return the function that fills a draft; only now is the stage's code imported."""
        make = import_module(f"lodesmith.{self.kind}.stage").make
        return partial(make, parents=order.parents, **order.config)


STAGES = (
    Stage(kind="acquire", sections=("acquire",)),
    Stage(kind="prepare", sections=("prepare",), parents=("acquire",)),
    Stage(kind="tokenize", sections=("tokenize",), parents=("prepare",)),
    Stage(kind="pretrain", sections=("model", "pretrain"), parents=("tokenize",)),
    Stage(
        kind="tune",
        sections=("tune",),
        parents=("acquire", "prepare", "tokenize", "pretrain"),
    ),
    Stage(
        kind="evaluate",
        sections=("evaluate",),
        parents=("prepare", "tokenize", "pretrain"),
        optional_parents=("tune",),
    ),
    Stage(
        kind="serve",
        sections=("serve",),
        parents=("pretrain",),
        optional_parents=("tune",),
    ),
)


def stages_until(recipe: Recipe, until: str | None) -> list[Stage]:
    """Return the recipe's stages up to one of them, that one included.

    Raises:
        UserError: the recipe does not have that stage, or has no stage at all.
    """
    stages = [stage for stage in STAGES if stage.is_in(recipe)]
    kinds = [stage.kind for stage in stages]
    if not kinds:
        named = ", ".join(stage.kind for stage in STAGES)
        raise UserError(
            f"the recipe has no stage to run; add sections of {named}"
            + ("" if recipe.model is None else ", or read it with `lodesmith plan`")
        )
    if until is None:
        return stages
    if until not in kinds:
        raise UserError(f"the recipe has no stage {until}; it has {', '.join(kinds)}")
    return stages[: kinds.index(until) + 1]

"""`lodesmith run`: the stages of a recipe in order, each only if its artifact is missing."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path

from lodesmith.acquire.config import resolve
from lodesmith.core.config import Config
from lodesmith.core.errors import UserError
from lodesmith.core.log import say, warn
from lodesmith.core.seal import grant
from lodesmith.core.storage import read_json, write_json
from lodesmith.core.units import format_bytes, format_seconds
from lodesmith.evaluate.config import EvaluateConfig
from lodesmith.lineage import DEFAULT_WORKSPACE
from lodesmith.lineage.artifact import Artifact
from lodesmith.lineage.models import last_model_kind
from lodesmith.lineage.workspace import Workspace
from lodesmith.pipeline.ahead import PlannedStage, look_ahead, refuse_early
from lodesmith.pipeline.recipe import LoadedRecipe, Recipe, read_recipe, shipped_recipes
from lodesmith.pipeline.stages import Stage, stages_until
from lodesmith.prepare.config import PrepareConfig
from lodesmith.pretrain.config import PretrainConfig
from lodesmith.train.config import settle_dtype, settle_layout
from lodesmith.tune.config import TuneConfig


@dataclass(kw_only=True)
class RunResult:
    """What a run ended with."""

    recipe: str
    file: str | None = None  # where the recipe lies; None for a shipped one
    artifacts: dict[str, Artifact] = field(default_factory=dict)  # by kind, in order
    made: list[str] = field(default_factory=list)  # kinds that this run had to make
    report: Path | None = None  # the HTML page; None if the run stopped before the recipe's end
    chain_page: Path | None = None  # what each domain of a chain gained and cost, as an HTML page
    seconds: float = 0.0


def run(
    recipe: str,
    *,
    overrides: Sequence[str] = (),
    workspace: Path | str = DEFAULT_WORKSPACE,
    until: str | None = None,
    start: str | None = None,
) -> RunResult:
    """Run every stage of a recipe that is not done yet, and write the report.

    A run that was killed goes on where it stopped; a run of a finished recipe does nothing.

    Args:
        recipe: a path, or the name of a shipped recipe.
        overrides: settings as `section.field=value`.
        workspace: the folder of all artifacts; made if it is not there.
        until: the last stage to run.
        start: the model whose chain the recipe's domains go on with; None: the recipe's own.

    Raises:
        UserError: the recipe or an input is wrong.
        DamagedArtifactError: a stored artifact is not what its receipt says.
        EngineError: a program, disk or process that a stage needs has failed.
    """
    loaded = _resolve(read_recipe(recipe, overrides))
    stages = _stages(loaded.recipe, until, start)
    space = Workspace(Path(workspace))
    started = time.monotonic()
    privacy = loaded.recipe.privacy
    key_file = Path(privacy.key_file) if privacy is not None else None
    with space.lock(), grant(key_file, workspace=space.root):
        result = RunResult(recipe=loaded.name, file=_file_of(recipe))
        refuse_early(loaded.recipe, stages, space)
        for stage in stages:
            if stage.kind == "tune" and loaded.recipe.domains:
                _run_domains(loaded.recipe, space, result, start)
            else:
                _run_stage(stage, loaded.recipe, space, result)
        result.seconds = time.monotonic() - started
        _record(space, result, until)
    return result


def dry_run(
    recipe: str,
    *,
    overrides: Sequence[str] = (),
    workspace: Path | str = DEFAULT_WORKSPACE,
    until: str | None = None,
) -> list[PlannedStage]:
    """Return which stages a run would make, without making or locking anything."""
    loaded = _resolve(read_recipe(recipe, overrides))
    stages = stages_until(loaded.recipe, until)
    return list(look_ahead(loaded.recipe, stages, Workspace(Path(workspace))))


def _resolve(loaded: LoadedRecipe) -> LoadedRecipe:
    """Settle what depends on the machine, so that an artifact's id says what was really used."""
    recipe = loaded.recipe
    settled: dict[str, Config] = {}
    if recipe.acquire is not None:
        settled["acquire"] = resolve(recipe.acquire)
    if recipe.evaluate is not None and recipe.prepare is not None:
        settled["prepare"] = _keep_out(recipe.prepare, recipe.evaluate)
    if recipe.pretrain is not None:
        settled["pretrain"] = _settle_layout(recipe, settle_dtype(recipe.pretrain))
    if isinstance(recipe.tune, TuneConfig):  # a chain's links are settled one by one
        settled["tune"] = settle_layout(settle_dtype(recipe.tune))
    return replace(loaded, recipe=recipe.model_copy(update=settled))


def _settle_layout(recipe: Recipe, pretrain: PretrainConfig) -> PretrainConfig:
    if pretrain.parallel != "auto" or recipe.model is None or recipe.tokenize is None:
        return settle_layout(pretrain)
    from lodesmith.pipeline.layouts import choose_layout  # the planner's numpy loads late

    return choose_layout(pretrain, model=recipe.model, vocab_size=recipe.tokenize.vocab_size)


def _keep_out(prepare: PrepareConfig, evaluate: EvaluateConfig) -> PrepareConfig:
    """Return settings under which no document that holds a benchmark's text is trained on."""
    files = tuple(map(str, evaluate.benchmark_files()))
    against = tuple(dict.fromkeys((*prepare.decontaminate.against, *files)))
    decontaminate = prepare.decontaminate.model_copy(update={"against": against})
    return prepare.model_copy(update={"decontaminate": decontaminate})


def _run_stage(stage: Stage, recipe: Recipe, space: Workspace, result: RunResult) -> None:
    order = stage.order(recipe, result.artifacts)
    artifact = space.get(order)
    if artifact is None:
        say(f"{stage.kind}: making {order.id}")
        artifact = space.build(order, stage.maker(order))
        result.made.append(stage.kind)
        receipt = artifact.receipt
        say(
            f"{stage.kind}: done in {format_seconds(receipt.seconds)}, "
            f"peak memory {format_bytes(receipt.peak_memory_bytes)}"
        )
    if stage.kind in ("acquire", "prepare"):
        import_module("lodesmith.pipeline.catalog_artifacts").record_artifact(space, artifact)
    result.artifacts[stage.kind] = artifact


def _stages(recipe: Recipe, until: str | None, start: str | None) -> list[Stage]:
    """Return the stages to run: those that make the base model only where it is not given."""
    stages = stages_until(recipe, until)
    if start is None:
        if recipe.domains and recipe.pretrain is None:
            raise UserError(
                "the recipe makes no base model; say what its domains are learnt on top of: "
                "--from an artifact's id, a Hugging Face folder or a GGUF file"
            )
        return stages
    if not recipe.domains:
        raise UserError("--from needs a recipe whose section tune is a list of domains")
    return [stage for stage in stages if stage.kind == "tune"]


def _run_domains(recipe: Recipe, space: Workspace, result: RunResult, start: str | None) -> None:
    chain = import_module("lodesmith.pipeline.chain")
    if start is None:
        first = chain.Start.of(result.artifacts["pretrain"], space)
    else:
        first = chain.find_start(start, space)
    known = {artifact.id for artifact in space.list_artifacts()}
    write_page = import_module("lodesmith.pipeline.report.chain_page").write_chain_page

    def show(link: Artifact) -> None:
        result.chain_page = write_page(space, recipe_name=result.recipe, last=link)

    links = chain.run_chain(recipe.domains, start=first, space=space, show=show)
    result.artifacts["tune"] = links[-1]
    if any(link.id not in known for link in links):
        result.made.append("tune")


def _record(space: Workspace, result: RunResult, until: str | None) -> None:
    write_json(
        space.runs / f"{result.recipe}.json",
        {
            "recipe": result.recipe,
            "file": result.file,
            "artifacts": {kind: artifact.id for kind, artifact in result.artifacts.items()},
        },
    )
    if until is not None:
        return
    page = space.reports / f"{result.recipe}.html"
    if result.made or not page.exists():
        write_report = import_module("lodesmith.pipeline.report").write_report
        page = write_report(space, recipe_name=result.recipe, artifacts=result.artifacts)
    result.report = page


def model_of(result: RunResult) -> Artifact:
    """Return the last model that a run made.

    Raises:
        UserError: the recipe makes none.
    """
    kind = last_model_kind(result.artifacts)
    if kind is None:
        raise UserError(f"the recipe {result.recipe} makes no model; it has no section pretrain")
    return result.artifacts[kind]


def last_model(space: Workspace, recipe: str) -> str:
    """Return the id of the model that the last run of a recipe made, by its path or shipped name.

    Runs are known by the recipe's name; that another recipe of that name ran last is told.

    Raises:
        UserError: it was not run in this workspace, or stopped before a model was made.
    """
    path = space.runs / f"{Path(recipe).stem}.json"
    record = read_json(path) if path.exists() else {"artifacts": {}}
    kind = last_model_kind(record["artifacts"])
    if kind is None:
        raise UserError(
            f"{recipe} has made no model in {space.root} yet; `lodesmith run {recipe}` does"
        )
    ran, model = record.get("file"), str(record["artifacts"][kind])
    if ran != _file_of(recipe) and "file" in record:
        warn(
            f"{model} is of {ran or 'the shipped recipe'}, which ran in {space.root} after "
            f"{recipe} or instead of it; `lodesmith run {recipe}` makes its own the last"
        )
    return model


def _file_of(recipe: str) -> str | None:
    """Return where a recipe lies; None for one that ships with the package."""
    return None if recipe in shipped_recipes() else str(Path(recipe).resolve())

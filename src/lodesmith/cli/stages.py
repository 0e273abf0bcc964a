"""`lodesmith run`, and one command for each stage up to tune.

`evaluate` and `serve` take a model as well as a recipe and stand in `models.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lodesmith.cli.app import (
    JsonOption,
    OverridesArgument,
    RecipeArgument,
    WorkspaceOption,
    app,
    print_lines,
)
from lodesmith.core.log import say

if TYPE_CHECKING:
    from lodesmith.pipeline.run import RunResult

DEFAULT_WORKSPACE = Path("lodesmith-workspace")
_SUMMARIES = {
    "acquire": "Fetch raw pages and write them as WARC.",
    "prepare": "Turn raw pages into clean documents.",
    "tokenize": "Train the tokenizer and write token shards.",
    "pretrain": "Train the base model.",
}


@app.command(rich_help_panel="Run a recipe")
def run(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    until: Annotated[str | None, typer.Option(metavar="STAGE", help="Stop after it.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Run every stage of a recipe that is not done yet.

    Killed or stopped, the same command goes on where it stopped.

    Examples:  lodesmith run quickstart  ·  lodesmith run my.yaml pretrain.max_steps=500
    """
    if dry_run:
        _print_dry_run(recipe, overrides or (), workspace, until, as_json=as_json)
        return
    result = run_until(recipe, overrides or (), workspace, until)
    print_result(result, as_json=as_json)


def run_until(
    recipe: str,
    overrides: Sequence[str],
    workspace: Path,
    until: str | None,
    start: str | None = None,
) -> "RunResult":
    """Run a recipe up to a stage."""
    from lodesmith.pipeline import run as pipeline

    return pipeline.run(recipe, overrides=overrides, workspace=workspace, until=until, start=start)


def print_result(result: "RunResult", *, as_json: bool) -> None:
    """Print what a run ended with: JSON, or the summary for people."""
    import json

    if as_json:
        data = {
            "recipe": result.recipe,
            "artifacts": {kind: artifact.id for kind, artifact in result.artifacts.items()},
            "digests": {kind: item.receipt.digest for kind, item in result.artifacts.items()},
            "made": result.made,
            "report": str(result.report) if result.report else None,
            "chain_page": str(result.chain_page) if result.chain_page else None,
            "seconds": round(result.seconds, 3),
        }
        typer.echo(json.dumps(data, ensure_ascii=False, indent=2))
        return
    if not result.made:
        done = ", ".join(result.artifacts)
        say(f"nothing to do: {result.recipe} has its {done} already")
    if result.report:
        from lodesmith.pipeline.report import summarise

        typer.echo(summarise(result.artifacts))
        typer.echo(f"report: {result.report}")
    else:
        print_lines(f"{kind}: {artifact.path}" for kind, artifact in result.artifacts.items())
    if result.chain_page:
        typer.echo(f"what each domain gained: {result.chain_page}")


@app.command(rich_help_panel="Run a recipe")
def join(
    address: Annotated[str, typer.Argument(metavar="HOST:PORT", help="pretrain.nodes.listen.")],
    key_file: Annotated[
        Path,
        typer.Option(
            "--key-file", metavar="FILE", help="The run's node-key, on the disk that all share."
        ),
    ],
) -> None:
    """Lend this machine to a training run that was started on another.

    Example:  lodesmith join 10.0.0.1:29400 --key-file /shared/key
    """
    from lodesmith.train.ranks.member import join_run

    join_run(address, key_file=key_file)


def _print_dry_run(
    recipe: str, overrides: Sequence[str], workspace: Path, until: str | None, *, as_json: bool
) -> None:
    import dataclasses
    import json

    from lodesmith.pipeline.run import dry_run

    planned = dry_run(recipe, overrides=overrides, workspace=workspace, until=until)
    if as_json:
        typer.echo(json.dumps([dataclasses.asdict(stage) for stage in planned], indent=2))
        return
    for stage in planned:
        state = "done" if stage.done else "to be made"
        name = stage.id or "id known when its parents are made"
        domain = f" ({stage.domain})" if stage.domain else ""
        typer.echo(f"{stage.kind:<9} {state:<11} {name}{domain}")


def _add_stage_command(kind: str) -> None:
    def command(
        recipe: RecipeArgument,
        overrides: OverridesArgument = None,
        workspace: WorkspaceOption = DEFAULT_WORKSPACE,
        as_json: JsonOption = False,
    ) -> None:
        print_result(run_until(recipe, overrides or (), workspace, kind), as_json=as_json)

    command.__doc__ = (
        f"{_SUMMARIES[kind]}\n\nRuns the stages before it that are missing, too.\n\n"
        f"Example:  lodesmith {kind} quickstart"
    )
    app.command(kind, rich_help_panel="Run a recipe")(command)


for _kind in _SUMMARIES:
    _add_stage_command(_kind)


@app.command(rich_help_panel="Run a recipe")
def tune(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="MODEL",
            help="Artifact id, Hugging Face folder or GGUF file to learn the domains on top of.",
        ),
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Teach the base model to chat, or a chain of domains to any model.

    Without --from it runs the stages before it that are missing, too.

    Examples:  lodesmith tune quickstart  ·  lodesmith tune domains.yaml --from ./SmolLM2-135M
    """
    print_result(run_until(recipe, overrides or (), workspace, "tune", start), as_json=as_json)

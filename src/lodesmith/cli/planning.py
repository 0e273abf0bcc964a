"""`lodesmith plan`: what a recipe would take on a cluster."""

from typing import Annotated

import typer

from lodesmith.cli.app import JsonOption, OverridesArgument, RecipeArgument, app


@app.command(rich_help_panel="Tools")
def plan(
    recipe: RecipeArgument,
    overrides: OverridesArgument = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="FILE|NAME", help="A cluster file or a shipped name.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a recipe takes: memory, best layout, step time, days, cost, failures.

    Examples:  lodesmith plan mt-nlg-530b  ·  lodesmith plan small --cluster h100
    """
    from lodesmith.pipeline.planning import plan as make_plan
    from lodesmith.pipeline.planning import plan_json, plan_text

    result = make_plan(recipe, cluster=cluster, overrides=overrides or ())
    typer.echo(plan_json(result) if as_json else plan_text(result))

"""`lodesmith plan`: what a recipe would take on a cluster."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lodesmith.cli.app import JsonOption, OverridesArgument, app
from lodesmith.core.errors import UserError


@app.command(rich_help_panel="Tools")
def plan(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|validate", help="A recipe, or the word validate and then a table."
        ),
    ],
    overrides: OverridesArgument = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="FILE|NAME", help="A cluster file or a shipped name.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a recipe takes: memory, best layout, step time, days, cost, failures.

    `lodesmith plan validate ROWS.csv` predicts measured runs and prints the errors.

    Examples:  lodesmith plan mt-nlg-530b  ·  lodesmith plan small --cluster h100
    """
    if recipe == "validate":
        _validate(overrides or [], as_json=as_json)
        return
    from lodesmith.pipeline.planning import plan as make_plan
    from lodesmith.pipeline.planning import plan_json, plan_text

    result = make_plan(recipe, cluster=cluster, overrides=overrides or ())
    typer.echo(plan_json(result) if as_json else plan_text(result))


def _validate(tables: list[str], *, as_json: bool) -> None:
    from lodesmith.plan.validation import predict_rows, validation_data, validation_text

    if len(tables) != 1:
        raise UserError("give one table of measured runs: lodesmith plan validate ROWS.csv")
    predictions = predict_rows(Path(tables[0]))
    shown = validation_text(predictions)
    typer.echo(json.dumps(validation_data(predictions), indent=2) if as_json else shown)

"""`lodesmith clean`: clean text out of files and folders, without a workspace."""

from pathlib import Path
from typing import Annotated

import typer

from lodesmith.cli.app import JsonOption, app


@app.command(rich_help_panel="Tools")
def clean(
    inputs: Annotated[list[Path], typer.Argument(metavar="INPUT...", help="Files or folders.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="OUT.jsonl", help="Where clean records go.")
    ],
    rejected: Annotated[
        Path | None, typer.Option(metavar="R.jsonl", help="Where dropped records go.")
    ] = None,
    recipe: Annotated[
        str | None, typer.Option(metavar="RECIPE", help="Take the settings of its prepare section.")
    ] = None,
    steps: Annotated[
        str | None, typer.Option(metavar="S,...", help="Run only these steps.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE.html", help="Where to write the funnel as a page.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Clean pages and documents: .warc .arc .html .txt .jsonl .parquet, also compressed.

    Every input record ends in OUT.jsonl or, with the reason, in R.jsonl.

    Example:  lodesmith clean crawl/ -o clean.jsonl --rejected dropped.jsonl --steps extract,repair
    """
    import dataclasses
    import json

    from lodesmith.prepare.clean import clean as clean_files

    config = None
    if recipe is not None:
        from lodesmith.pipeline.recipe import read_cleaning

        config = read_cleaning(recipe)
    chosen = [step.strip() for step in steps.split(",")] if steps is not None else None
    summary = clean_files(
        inputs, output=output, rejected=rejected, config=config, steps=chosen, report=report
    )
    typer.echo(json.dumps(dataclasses.asdict(summary), indent=2) if as_json else summary.to_text())

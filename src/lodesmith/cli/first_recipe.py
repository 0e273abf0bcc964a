"""`lodesmith init`: a recipe for one's own files, which runs as it is."""

from pathlib import Path
from typing import Annotated

import typer

from lodesmith.cli.app import app


@app.command(rich_help_panel="Run a recipe")
def init(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Files or folders to learn from.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="RECIPE.yaml", help="The recipe to write.")
    ] = Path("mine.yaml"),
) -> None:
    """Write a first recipe for your own pages, archives, texts and chats.

    Its sizes are those of a small model that two cores train in minutes; change what you like.

    Example:  lodesmith init my-pages/ chats.jsonl -o mine.yaml
    """
    from lodesmith.core.errors import UserError
    from lodesmith.core.storage import write_text
    from lodesmith.pipeline.first_recipe import survey, write_first_recipe

    if output.suffix not in (".yaml", ".yml"):
        raise UserError(f"a recipe's name ends in .yaml, unlike {output}")
    if output.exists():
        raise UserError(f"{output} is there already; give another name with -o, or remove it")
    found = survey(inputs)
    write_text(output, write_first_recipe(found))
    typer.echo(f"{output}: {found.tell()}")
    typer.echo(f"next:  lodesmith run {output} --dry-run  ·  lodesmith run {output}")

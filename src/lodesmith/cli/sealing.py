"""`lodesmith seal`: a tenant's files, locked before anybody else sees them."""

from pathlib import Path
from typing import Annotated

import typer

from lodesmith.cli.app import app


@app.command(rich_help_panel="Tools")
def seal(
    key_file: Annotated[
        Path, typer.Option(metavar="FILE", help="The tenant's key; keep it outside the workspace.")
    ],
    inputs: Annotated[
        list[Path] | None, typer.Argument(metavar="[INPUT...]", help="Files of records to seal.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Where sealed files go.")
    ] = None,
    new_key: Annotated[bool, typer.Option("--new-key", help="Make the key first.")] = False,
) -> None:
    """Seal .jsonl, .json and .txt files, for a recipe whose privacy.key_file opens them.

    Example:  lodesmith seal --new-key --key-file ~/clinic.key notes.jsonl -o sealed/
    """
    from lodesmith.core.errors import UserError
    from lodesmith.core.seal import make_key, read_key
    from lodesmith.tune.samples.files import seal_files

    if new_key:
        make_key(key_file)
    if inputs and output is None:
        raise UserError("say where the sealed files go: -o DIR")
    key = read_key(key_file)
    if not inputs or output is None:
        if not new_key:
            raise UserError("there is nothing to do; name files to seal, or give --new-key")
        typer.echo(f"wrote {key_file}")
        return
    for path in seal_files(inputs, output, key):
        typer.echo(f"wrote {path}")

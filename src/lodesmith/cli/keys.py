"""`lodesmith api-key`: a new key for a caller of the server, its hash in the file of keys."""

from pathlib import Path
from typing import Annotated

import typer

from lodesmith.cli.app import app
from lodesmith.core.errors import UserError


@app.command("api-key", rich_help_panel="Use a model")
def api_key(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Who will hold the key.")],
    file: Annotated[Path, typer.Option("--file", metavar="FILE", help="Gets one more line.")],
    models: Annotated[
        str | None, typer.Option(metavar="A,B", help="All that it may use; default: every model.")
    ] = None,
    requests_per_minute: Annotated[
        int | None, typer.Option(min=1, help="More get status 429.")
    ] = None,
    tokens_per_day: Annotated[
        int | None, typer.Option(min=1, help="Of prompts and answers together.")
    ] = None,
) -> None:
    """Make an API key: print it once, and keep its hash in a file for `serve --api-keys`.

    Example:  lodesmith api-key ann --file keys.txt --models clinic --requests-per-minute 60
    """
    from lodesmith.serve.access.keys import Caller, make_key

    if not name.strip() or set(name) & set(": \t\n#"):
        raise UserError(f"a caller's name has no colon, space or #, unlike {name!r}")
    caller = Caller(
        name=name,
        models=None if models is None else frozenset(models.split(",")),
        requests_per_minute=requests_per_minute,
        tokens_per_day=tokens_per_day,
    )
    key, line = make_key(caller)
    before = file.read_text(encoding="utf-8") if file.exists() else ""
    if any(each.partition(":")[0] == name for each in before.splitlines()):
        raise UserError(f"{file} has a key of {name} already; remove its line first")
    _append(file, before, line)
    typer.echo(key)


def _append(file: Path, before: str, line: str) -> None:
    """Write the file anew, readable by its owner only."""
    from lodesmith.core.storage import write_bytes

    gap = "" if before.endswith("\n") or not before else "\n"
    write_bytes(file, f"{before}{gap}{line}\n".encode())
    file.chmod(0o600)

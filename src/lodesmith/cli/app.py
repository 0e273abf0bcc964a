"""The command line's frame: options that all commands share, and how errors leave the program."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, cast

import typer

from lodesmith.core.errors import LodesmithError, explain_os_error
from lodesmith.core.log import say

app = typer.Typer(
    name="lodesmith",
    help="From raw web pages to a served language model: one recipe, one command.",
    epilog="First steps:  lodesmith run quickstart   ·   lodesmith doctor   ·   lodesmith ls",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

# typer.BadParameter is public, its base for every fault of the command line is not
_USAGE_ERROR = cast("type[Exception]", typer.BadParameter.__mro__[2])

WorkspaceOption = Annotated[
    Path, typer.Option("--workspace", metavar="DIR", help="Folder of all artifacts.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
RecipeArgument = Annotated[
    str, typer.Argument(metavar="RECIPE", help="A path, or the name of a shipped recipe.")
]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SECTION.FIELD=VALUE]...", help="Settings laid over the recipe."),
]


def print_lines(lines: Iterable[str]) -> None:
    """Print results on stdout."""
    for line in lines:
        typer.echo(line)


def run_app() -> int:
    """Run the command line and return the exit code; a known fault is one line, no traceback."""
    try:
        code = app(standalone_mode=False)
    except LodesmithError as error:
        for line in str(error).splitlines():
            say(f"error: {line}" if error.exit_code else line)
        return error.exit_code
    except _USAGE_ERROR as error:
        say(f"error: {error.format_message()} See `lodesmith --help`")  # type: ignore[attr-defined]
        return 2
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except OSError as error:
        clear = explain_os_error(error, doing="writing")
        if clear is None:
            raise
        say(f"error: {clear}")
        return clear.exit_code
    if code == 130:
        say("stopped; the same command goes on where this one stopped")
    return int(code or 0)

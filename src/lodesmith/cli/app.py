"""The command line's frame: options that all commands share, and how errors leave the program."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from lodesmith.core.errors import LodesmithError, UserError, explain_os_error
from lodesmith.core.log import say
from lodesmith.core.version import VERSION

if TYPE_CHECKING:
    from lodesmith.lineage.workspace import Workspace

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
ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Artifact id, Hugging Face folder, GGUF file, PEFT folder, or a recipe's name.",
    ),
]
OverridesArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[SECTION.FIELD=VALUE]...", help="Settings laid over the recipe."),
]


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"lodesmith {VERSION}")
        raise typer.Exit


@app.callback()
def _take_options_of_all(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Take what stands before the name of a command."""


def is_recipe(name: str) -> bool:
    """Tell whether a name that may mean a model means a recipe.

    Raises:
        UserError: it could mean either.
    """
    from lodesmith.pipeline.recipe import is_recipe_name

    return is_recipe_name(name)


def name_model(name: str, workspace: Path) -> str:
    """Return a model's name as it is, and for a recipe the id of the last model that it made.

    Raises:
        UserError: the recipe has made none, or the name could mean a recipe or a folder, or it
            means nothing and is nearly a recipe's.
    """
    from lodesmith.lineage.workspace import Workspace

    space = Workspace(workspace)
    if is_recipe(name):
        from lodesmith.pipeline.run import last_model

        return last_model(space, name)
    if "/" not in name and not Path(name).exists() and not name.endswith(".gguf"):
        _find_or_suggest(name, space)
    return name


def _find_or_suggest(name: str, space: "Workspace") -> None:
    from lodesmith.pipeline.recipe import nearest_recipe

    try:
        space.find(name)
    except UserError as error:
        near = nearest_recipe(name)
        if near is None:
            raise
        raise UserError(f"{error}; or do you mean the recipe {near}?") from None


def refuse_overrides(overrides: list[str] | None) -> None:
    """Say that settings mean nothing where no recipe is run.

    Raises:
        UserError: there are some.
    """
    if overrides:
        raise UserError(
            f"{overrides[0]} is a setting of a recipe, and no recipe is run here; leave it out"
        )


def print_lines(lines: Iterable[str]) -> None:
    """Print results on stdout."""
    for line in lines:
        typer.echo(line)


def _tell_wrong_use(error: Exception) -> int:
    """Say what is wrong with a command line, and which help tells more; return the exit code."""
    fault = error.format_message()  # type: ignore[attr-defined]
    if fault:  # without any argument the help was shown instead
        context = getattr(error, "ctx", None)
        fault += "" if fault.endswith((".", "?", "!")) else "."
        say(f"error: {fault} See `{context.command_path if context else 'lodesmith'} --help`")
    return 2


def run_app() -> int:
    """Run the command line and return the exit code; a known fault is one line, no traceback."""
    try:
        code = app(standalone_mode=False)
    except LodesmithError as error:
        for line in str(error).splitlines():
            say(f"error: {line}" if error.exit_code else line)
        return error.exit_code
    except _USAGE_ERROR as error:
        return _tell_wrong_use(error)
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

"""`lodesmith`: the entry point. Each import below adds one group of commands to the app."""

import sys

from lodesmith.cli import (
    clean,
    doctor,
    evaluate,
    first_recipe,
    keys,
    label,
    lineage,
    models,
    planning,
    sealing,
    stages,
)
from lodesmith.cli.app import app, run_app

COMMAND_GROUPS = (
    first_recipe,
    stages,
    clean,
    planning,
    evaluate,
    models,
    lineage,
    doctor,
    label,
    keys,
    sealing,
)


# The help shows panels and commands in the order that they come in here, not that of imports.
_PANELS = {"Run a recipe": 1, "Use a model": 2, "Look back": 3}
_FIRST = ("init", "run")
app.registered_commands.sort(
    key=lambda command: (
        _PANELS.get(str(command.rich_help_panel), 4),
        getattr(command.callback, "__name__", "") not in _FIRST,
    )
)


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run_app())

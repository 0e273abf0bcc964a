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
from lodesmith.cli.app import run_app

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


def main() -> None:
    """Run the command line and exit."""
    sys.exit(run_app())

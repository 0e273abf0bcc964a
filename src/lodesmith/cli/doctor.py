"""`lodesmith doctor`: what this machine can do."""

import json
from typing import Annotated

import typer

from lodesmith.cli.app import JsonOption, app


@app.command(rich_help_panel="Tools")
def doctor(
    speed: Annotated[
        bool, typer.Option("--speed", help="Also train for some seconds in each way there is.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Say what this machine can do: cores, memory, GPUs, engines, schedulers, and what is missing.

    Example:  lodesmith doctor --speed
    """
    from lodesmith.pipeline.doctor import examine_machine, examine_speed

    findings = examine_machine()
    if speed:
        findings["speed"] = examine_speed()
    if as_json:
        typer.echo(json.dumps(findings, indent=2))
        return
    for name, finding in findings.items():
        mark = "ok " if finding["ok"] else "-- "
        typer.echo(f"{mark} {name:<14} {finding['says']}")

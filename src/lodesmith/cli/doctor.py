"""`lodesmith doctor`: what this machine can do."""

import json

import typer

from lodesmith.cli.app import JsonOption, app


@app.command(rich_help_panel="Tools")
def doctor(as_json: JsonOption = False) -> None:
    """Say what this machine can do: cores, memory, GPUs, engines, schedulers, and what is missing.

    Example:  lodesmith doctor --json
    """
    from lodesmith.pipeline.doctor import examine_machine

    findings = examine_machine()
    if as_json:
        typer.echo(json.dumps(findings, indent=2))
        return
    for name, finding in findings.items():
        mark = "ok " if finding["ok"] else "-- "
        typer.echo(f"{mark} {name:<14} {finding['says']}")

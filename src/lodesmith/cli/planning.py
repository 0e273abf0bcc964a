"""`lodesmith plan`: what a recipe would take on a cluster."""

import json
from pathlib import Path
from typing import Annotated

import typer

from lodesmith.cli.app import JsonOption, OverridesArgument, app
from lodesmith.core.errors import UserError


@app.command(rich_help_panel="Tools")
def plan(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE|validate|calibrate",
            help="A recipe; or validate and a table; or calibrate and metrics files.",
        ),
    ],
    overrides: OverridesArgument = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="FILE|NAME", help="A cluster file or a shipped name.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also write a page with charts.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="FILE", help="Device file that calibrate writes."),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="FILE|NAME", help="Device that calibrate starts from.")
    ] = "cpu",
    ranks: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Ranks of the runs, where num_ranks was auto."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say what a recipe takes: memory, best layout, step time, days, cost, failures.

    `lodesmith plan validate ROWS.csv` predicts measured runs and prints the errors.
    `lodesmith plan calibrate METRICS.jsonl... -o DEVICE.yaml` fits a device to runs of ours; plan
    with it by `plan.device=DEVICE.yaml`.

    Examples:  lodesmith plan mt-nlg-530b  ·  lodesmith plan small --cluster h100
    """
    if recipe == "validate":
        _validate(overrides or [], as_json=as_json)
        return
    if recipe == "calibrate":
        shown = _calibrate(overrides or [], device=device, ranks=ranks, output=output)
        typer.echo(shown[as_json])
        return
    from lodesmith.pipeline.planning import plan as make_plan
    from lodesmith.pipeline.planning import plan_json, plan_text

    result = make_plan(recipe, cluster=cluster, overrides=overrides or ())
    if html is not None:
        from lodesmith.core.storage import write_text
        from lodesmith.plan.page import plan_page

        write_text(html, plan_page(result))
    typer.echo(plan_json(result) if as_json else plan_text(result))


def _validate(tables: list[str], *, as_json: bool) -> None:
    from lodesmith.plan.validation import predict_rows, validation_data, validation_text

    if len(tables) != 1:
        raise UserError("give one table of measured runs: lodesmith plan validate ROWS.csv")
    predictions = predict_rows(Path(tables[0]))
    shown = validation_text(predictions)
    typer.echo(json.dumps(validation_data(predictions), indent=2) if as_json else shown)


def _calibrate(
    files: list[str], *, device: str, ranks: int | None, output: Path | None
) -> tuple[str, str]:
    """Write the device file; return what to print for people, and for machines."""
    from lodesmith.core.storage import write_bytes
    from lodesmith.plan import calibrate as room
    from lodesmith.plan.hardware import load_device

    if output is None:
        raise UserError("say where the device goes: lodesmith plan calibrate METRICS -o FILE.yaml")
    start = load_device(device)
    runs = [room.read_run(Path(name), num_ranks=ranks) for name in files]
    found = room.calibrate(start, runs, name=f"{start.name}, calibrated")
    write_bytes(output, room.device_yaml(found).encode())
    text = f"{room.calibration_text(found)}\nwritten: {output}"
    return text, json.dumps(room.calibration_data(found), indent=2)

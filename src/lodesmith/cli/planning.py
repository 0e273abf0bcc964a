"""`lodesmith plan`: what a recipe would take on a cluster."""

import json
import os
import sys
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
            metavar="RECIPE|validate|calibrate|size",
            help="A recipe; validate and a table; calibrate and metrics files; or size.",
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
        str | None,
        typer.Option(metavar="FILE|NAME", help="Device that calibrate starts from; cpu."),
    ] = None,
    stack: Annotated[
        str | None,
        typer.Option(metavar="FILE|NAME", help="Program of the rows that calibrate reads."),
    ] = None,
    ranks: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Ranks of the runs, where num_ranks was auto."),
    ] = None,
    flops: Annotated[
        float | None, typer.Option(metavar="N", help="Budget of size, training FLOPs.")
    ] = None,
    days: Annotated[
        float | None, typer.Option(metavar="D", help="Budget of size: days of the --cluster.")
    ] = None,
    mfu: Annotated[
        float, typer.Option(metavar="SHARE", help="Of peak, that --days counts with.")
    ] = 0.4,
    as_json: JsonOption = False,
) -> None:
    """Say what a recipe takes: memory, best layout, step time, days, cost, failures.

    `lodesmith plan validate ROWS.csv` predicts measured runs and prints the errors.
    `lodesmith plan calibrate METRICS.jsonl... -o DEVICE.yaml` fits a device to runs of ours; plan
    with it by `plan.device=DEVICE.yaml`. `lodesmith plan calibrate ROWS.csv --stack NAME
    -o STACK.yaml` fits a training program to measured steps of yours: `plan.stack=STACK.yaml`.
    `lodesmith plan size --flops N` (or `--cluster NAME --days D`) says how large a model to train;
    folders of finished pretrain artifacts after `size` shift the losses to your own.

    Examples:  lodesmith plan mt-nlg-530b  ·  lodesmith plan small --cluster h100
    """
    _spare_threads()
    if recipe == "validate":
        _validate(overrides or [], as_json=as_json)
        return
    if recipe == "calibrate":
        files = [Path(name) for name in overrides or []]
        if any(file.suffix == ".csv" for file in files):
            _refuse("a table", device=device, ranks=ranks)
            shown = _calibrate_program(files, stack, cluster, output)
        else:
            _refuse("runs of ours", stack=stack, cluster=cluster)
            shown = _calibrate(files, device=device or "cpu", ranks=ranks, output=output)
        typer.echo(shown[as_json])
        return
    if recipe == "size":
        budget = (flops, days, mfu, cluster)
        typer.echo(_size([Path(name) for name in overrides or []], budget, as_json=as_json))
        return
    from lodesmith.pipeline.planning import plan as make_plan
    from lodesmith.pipeline.planning import plan_json, plan_text

    result = make_plan(recipe, cluster=cluster, overrides=overrides or ())
    if html is not None:
        from lodesmith.core.storage import write_text
        from lodesmith.plan.report.page import plan_page

        write_text(html, plan_page(result))
    typer.echo(plan_json(result) if as_json else plan_text(result))


def _spare_threads() -> None:
    """Keep NumPy from starting a thread for each core: the planner multiplies no large matrices,
    and starting them takes a third of NumPy's import on two cores, and more on more."""
    if "numpy" not in sys.modules:
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _validate(tables: list[str], *, as_json: bool) -> None:
    from lodesmith.plan.measured.validation import predict_rows, validation_data, validation_text

    if len(tables) != 1:
        raise UserError("give one table of measured runs: lodesmith plan validate ROWS.csv")
    predictions = predict_rows(Path(tables[0]))
    shown = validation_text(predictions)
    typer.echo(json.dumps(validation_data(predictions), indent=2) if as_json else shown)


def _refuse(what: str, **options: object) -> None:
    if given := [f"--{name}" for name, value in options.items() if value is not None]:
        raise UserError(f"{' and '.join(given)} says nothing where calibrate reads {what}")


def _calibrate(
    files: list[Path], *, device: str, ranks: int | None, output: Path | None
) -> tuple[str, str]:
    """Write the device file; return what to print for people, and for machines."""
    from lodesmith.core.storage import write_bytes
    from lodesmith.plan.hardware.load import load_device
    from lodesmith.plan.measured.calibrate import calibrate
    from lodesmith.plan.measured.calibration_report import (
        calibration_data,
        calibration_text,
        device_yaml,
    )
    from lodesmith.plan.measured.measured_run import read_run

    if output is None:
        raise UserError("say where the device goes: lodesmith plan calibrate METRICS -o FILE.yaml")
    start = load_device(device)
    runs = [read_run(file, num_ranks=ranks) for file in files]
    found = calibrate(start, runs, name=f"{start.name}, calibrated")
    write_bytes(output, device_yaml(found).encode())
    text = f"{calibration_text(found)}\nwritten: {output}"
    return text, json.dumps(calibration_data(found), indent=2)


def _calibrate_program(
    files: list[Path], stack: str | None, cluster: str | None, output: Path | None
) -> tuple[str, str]:
    """Write the stack file; return what to print for people, and for machines."""
    from lodesmith.core.storage import write_text
    from lodesmith.plan.hardware.load import load_cluster, load_stack
    from lodesmith.plan.measured.calibration_report import program_data, program_text, stack_yaml
    from lodesmith.plan.measured.program import calibrate_program
    from lodesmith.plan.measured.validation import read_table

    if output is None:
        raise UserError("say where it goes: lodesmith plan calibrate ROWS.csv -o STACK.yaml")
    found = calibrate_program(
        [row for file in files for row in read_table(file)],
        start=None if stack is None else load_stack(stack),
        cluster=None if cluster is None else load_cluster(cluster)[0],
    )
    write_text(output, stack_yaml(found))
    text = f"{program_text(found)}\nwritten: {output}"
    return text, json.dumps(program_data(found), indent=2)


def _size(
    runs: list[Path], budget: tuple[float | None, float | None, float, str | None], *, as_json: bool
) -> str:
    from lodesmith.plan.whole_run import size

    flops, days, mfu, cluster = budget
    if (flops is None) == (days is None or cluster is None):
        raise UserError("say one budget: --flops N, or --cluster NAME and --days D")
    basis = "as given"
    if flops is None:
        assert cluster is not None and days is not None  # noqa: S101, PT018 checked above
        flops, basis = size.count_budget(cluster, days=days, mfu=mfu)
    advice = size.advise_size(flops, basis=basis, points=[size.read_point(run) for run in runs])
    return json.dumps(size.advice_data(advice), indent=2) if as_json else size.advice_text(advice)

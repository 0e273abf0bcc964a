"""What `lodesmith show` says of a training run: numbers, events and the loss curve."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lodesmith.cli.app import print_lines
from lodesmith.core.errors import UserError
from lodesmith.core.log import say

if TYPE_CHECKING:
    from lodesmith.train.record.run_report import RunReport

# Of a picture that stands alone: a page brings its own.
_STYLE = """<style>
svg { background: #fff; font: 12px sans-serif } .axis { fill: #555 } .grid { stroke: #ddd }
polyline { fill: none } .thin { stroke: #9bbcd8 } .bold { stroke: #15568f; stroke-width: 2 }
</style>"""


def read_run(folder: Path) -> "RunReport | None":
    """Return the report of the training run that wrote into a folder; None if none did yet."""
    from lodesmith.train.record.record import RECORD_FILE, read_record
    from lodesmith.train.record.run_report import METRICS_FILE, report_run

    metrics = folder / METRICS_FILE
    if not read_record(folder / RECORD_FILE) or not metrics.exists() or not metrics.stat().st_size:
        return None
    return report_run(folder)


def print_run(run: "RunReport | None", facts: dict[str, Any], *, as_json: bool) -> None:
    """Print a run for people; or facts as JSON, with the run's under `run`."""
    from lodesmith.train.record.run_report import report_facts, report_lines

    if as_json:
        whole = facts if run is None else {**facts, "run": report_facts(run)}
        typer.echo(json.dumps(whole, ensure_ascii=False, indent=2))
    elif run is not None:
        print_lines(report_lines(run))


def draw_run(run: "RunReport | None", path: Path) -> None:
    """Write the loss curve as a picture of its own.

    Raises:
        UserError: there is no run.
    """
    from lodesmith.core.charts import draw_loss
    from lodesmith.core.storage import write_text

    if run is None:
        raise UserError("no training step is done there yet, so there is no loss to draw")
    svg = str(draw_loss(run.steps, run.losses, title="loss by step"))
    head, rest = svg.split(">", 1)
    write_text(path, f'{head} xmlns="http://www.w3.org/2000/svg">{_STYLE}{rest}\n')
    say(f"wrote {path}")

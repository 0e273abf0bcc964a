"""`lodesmith evaluate`: what a model is worth, as a table, JSON, or a page with curves."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from lodesmith.cli.app import (
    JsonOption,
    ModelArgument,
    OverridesArgument,
    WorkspaceOption,
    app,
    is_recipe,
    name_model,
    refuse_overrides,
)
from lodesmith.cli.stages import print_result, run_until
from lodesmith.core.errors import UserError
from lodesmith.core.seal import grant
from lodesmith.core.storage import write_text
from lodesmith.lineage import DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from lodesmith.evaluate.benchmarks.task_file import Scoring
    from lodesmith.evaluate.scoring.scoring import Dtype


@app.command(rich_help_panel="Use a model")
def evaluate(
    model: ModelArgument,
    overrides: OverridesArgument = None,
    tasks: Annotated[str | None, typer.Option(metavar="T,...", help="Which tasks.")] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the benchmarks' files are.")
    ] = None,
    num_fewshot: Annotated[
        str, typer.Option(metavar="K,...", help="Worked examples per question; several: a curve.")
    ] = "0",
    seed: Annotated[int, typer.Option(min=0, help="Decides which examples.")] = 0,
    scoring: Annotated[
        str | None, typer.Option(metavar="label|sequence", help="What of a text is scored.")
    ] = None,
    dtype: Annotated[
        str, typer.Option(metavar="float32|float64", help="Numbers that MODEL computes in.")
    ] = "float32",
    limit: Annotated[int | None, typer.Option(min=1, help="Items per task at most.")] = None,
    documents: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Text to score, for a folder of weights.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Where to write the scores as a page.")
    ] = None,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Scores of a baseline: an earlier --json.")
    ] = None,
    line: Annotated[
        bool, typer.Option("--line", help="Score what MODEL was made from too: a curve.")
    ] = False,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="DIR", help="For MODEL as a run's checkpoints.")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A tenant's key, for sealed files.")
    ] = None,
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Run programs that the model writes, locked in.")
    ] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Score a model; with a recipe and no --tasks, run its evaluate stage and what that lacks.

    Examples:  lodesmith evaluate quickstart  ·  lodesmith evaluate tune-3f2a --tasks bits_per_byte
    ·  lodesmith evaluate ./Qwen3-0.6B --tasks fewclue --data fewclue/ --num-fewshot 0,4 --html p
    """
    if tasks is None and is_recipe(model):
        if html is not None or against is not None:
            raise UserError(
                "a recipe's own evaluation is told in the page of its run; --html and --against go "
                "with --tasks"
            )
        print_result(run_until(model, overrides or (), workspace, "evaluate"), as_json=as_json)
        return
    from lodesmith.evaluate.results.page import read_scores, render_page, to_text
    from lodesmith.evaluate.tasks.tasks import Asking, evaluate_model

    refuse_overrides(overrides)
    if tasks is None:
        name_model(model, workspace)  # a model that is not there is told first
        raise UserError("say which tasks: --tasks bits_per_byte,next_sentence or --tasks fewclue")
    if scoring not in (None, "label", "sequence"):
        raise UserError(f"--scoring is label or sequence, not {scoring}")
    if dtype not in ("float32", "float64"):
        raise UserError(f"--dtype is float32 or float64, not {dtype}")
    baseline = read_scores(against) if against is not None else None
    *also_fewshot, most_examples = _read_counts(num_fewshot)
    asking = Asking(
        data=data,
        num_fewshot=most_examples,
        also_fewshot=tuple(also_fewshot),
        with_line=line,
        seed=seed,
        limit=limit,
        allow_code=allow_code,
        scoring=cast("Scoring | None", scoring),
        dtype=cast("Dtype", dtype),
    )
    with grant(key_file, workspace=workspace):
        scores = evaluate_model(
            name_model(model, workspace),
            tasks=[task.strip() for task in tasks.split(",")],
            workspace=workspace,
            documents=documents,
            tokenizer=tokenizer,
            asking=asking,
        )
    typer.echo(
        json.dumps(scores, ensure_ascii=False, indent=2)
        if as_json
        else to_text(scores, baseline=baseline)
    )
    if html is not None:
        write_text(html, render_page(scores, model=model, baseline=baseline))


def _read_counts(text: str) -> list[int]:
    """Return numbers of worked examples, the largest last; the scores told are for that."""
    counts = {part.strip() for part in text.split(",")}
    if not all(count.isascii() and count.isdigit() for count in counts):
        raise UserError(f"--num-fewshot is a number, or several as in 0,1,4, not {text}")
    return sorted(map(int, counts))

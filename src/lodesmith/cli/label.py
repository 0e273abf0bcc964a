"""`lodesmith label`: sample, judge, train: the loop that makes a quality scorer."""

from pathlib import Path
from typing import Annotated

import typer

from lodesmith.cli.app import JsonOption, app
from lodesmith.core.units import format_counted

label_app = typer.Typer(
    help="Make a quality scorer from your own judgement: sample, judge, train, and again.",
    no_args_is_help=True,
)
app.add_typer(label_app, name="label", rich_help_panel="Tools")

ScorerOption = Annotated[
    Path | None, typer.Option("--scorer", metavar="DIR", help="The scorer made so far, if any.")
]


@label_app.command()
def sample(
    inputs: Annotated[
        list[Path], typer.Argument(metavar="INPUT...", help="Clean documents: .jsonl or folders.")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="QUEUE.jsonl", help="What to judge.")
    ],
    count: Annotated[int, typer.Option(min=1, help="How many documents.")] = 200,
    seed: Annotated[int, typer.Option(help="Another seed draws others.")] = 0,
    scorer: ScorerOption = None,
    labels: Annotated[
        Path | None, typer.Option("--labels", metavar="LABELS.jsonl", help="Leave these out.")
    ] = None,
) -> None:
    """Draw documents that are worth a look: uncertain ones, and some of every score.

    Example:  lodesmith label sample clean.jsonl -o queue.jsonl --scorer scorer --labels done.jsonl
    """
    from lodesmith.prepare.quality.labels import draw_sample, read_items, read_judged, write_items
    from lodesmith.prepare.quality.scorer import load_scorer

    score = load_scorer(scorer).score if scorer is not None else None
    judged = read_judged(labels) if labels is not None else frozenset[str]()
    drawn = draw_sample(read_items(inputs), count=count, score=score, seed=seed, judged=judged)
    typer.echo(f"{format_counted(write_items(output, drawn), 'document')} to judge in {output}")


@label_app.command()
def judge(
    queue: Annotated[Path, typer.Argument(metavar="QUEUE.jsonl", help="Of `label sample`.")],
    labels: Annotated[
        Path, typer.Option("--labels", metavar="LABELS.jsonl", help="Gets the judgements.")
    ],
    max_chars: Annotated[int, typer.Option(min=80, help="So much of a text is shown.")] = 1500,
) -> None:
    """Judge documents one by one: y good, n bad, s skip, u undo, q stop.

    Each answer is kept at once; the same command goes on where it was stopped.
    """
    from lodesmith.prepare.quality.labels import Judging, read_items, show_item

    judging = Judging(list(read_items([queue])), labels)
    keys = {"y": True, "n": False, "s": None}
    shown = None
    while (item := judging.current) is not None:
        if item is not shown:
            typer.echo(f"\n--- {judging.num_left} left{show_item(item, max_chars)}")
            shown = item
        typer.echo("--- y good, n bad, s skip, u undo, q stop: ", nl=False)
        key = _read_key()
        typer.echo(key if key.isprintable() else "")
        if key in keys:
            judging.answer(keys[key])
        elif key == "u" and not judging.undo():
            typer.echo("nothing to undo")
        elif key in ("q", ""):
            break
    typer.echo(f"{format_counted(judging.num_left, 'document')} left; labels are in {labels}")


@label_app.command()
def train(
    labels: Annotated[
        list[Path], typer.Argument(metavar="LABELS.jsonl...", help="Of `label judge`.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="The scorer.")],
    as_json: JsonOption = False,
) -> None:
    """Learn a scorer from labels, and measure it on the fifth that it did not see.

    Name it in a recipe as prepare.quality.scorer.
    """
    import json

    from lodesmith.prepare.quality.labels import read_labels
    from lodesmith.prepare.quality.scorer import save_scorer, train

    scorer = train(read_labels(labels))
    save_scorer(scorer, output)
    if as_json:
        typer.echo(json.dumps(scorer.about, indent=2))
        return
    known, held = scorer.about["labels"], scorer.about["held_out"]
    typer.echo(
        f"learnt from {known['good']} good and {known['bad']} bad documents; on {held['count']} "
        f"held out: AUC {held['auc']}, F1 {held['f1']}, accuracy {held['accuracy']}; in {output}"
    )


def _read_key() -> str:
    """Return one key from a terminal, or the first letter of a line from a file; "" at its end."""
    import sys

    if sys.stdin.isatty():
        import click

        return click.getchar().lower()
    return sys.stdin.readline().strip()[:1].lower()

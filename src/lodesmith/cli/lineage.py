"""Commands that look back: ls, show, trace."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lodesmith.cli.app import JsonOption, WorkspaceOption, app, print_lines
from lodesmith.core.errors import UserError
from lodesmith.core.units import format_bytes, format_counted, format_seconds
from lodesmith.lineage import DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from lodesmith.lineage.artifact import Artifact
    from lodesmith.lineage.receipt import Receipt


@app.command("ls", rich_help_panel="Look back")
def list_artifacts(
    workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False
) -> None:
    """List the artifacts of a workspace, oldest first, and what was begun and not finished."""
    from lodesmith.lineage.workspace import Workspace

    space = Workspace(workspace)
    artifacts = space.list_artifacts()
    if as_json:
        typer.echo(json.dumps([_row(artifact) for artifact in artifacts], indent=2))
        return
    if not artifacts:
        typer.echo(f"no artifacts in {workspace}; `lodesmith run quickstart` makes some")
    for row in map(_row, artifacts):
        typer.echo(
            f"{row['id']:<22} {row['finished'][:16]}  {format_bytes(row['bytes']):>9}  "
            f"{format_seconds(row['seconds']):>12}  from {', '.join(row['parents']) or 'outside'}"
        )
    print_lines(
        f"{folder.name:<22} unfinished; its command goes on with it, or delete {folder}"
        for folder in space.list_unfinished()
    )


@app.command(rich_help_panel="Look back")
def show(
    artifact_id: Annotated[str, typer.Argument(metavar="ID", help="Its beginning is enough.")],
    verify: Annotated[bool, typer.Option("--verify", help="Check every file's hash.")] = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE.svg", help="Draw the loss of a training run.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Show an artifact's receipt: what it is, what it was made from, what it cost.

    Of a model it tells how training went too, and of one in training how it goes.

    Examples:  lodesmith show pretrain  ·  lodesmith show pretrain-3f2a --plot loss.svg
    """
    from lodesmith.cli.runs import draw_run, print_run, read_run
    from lodesmith.lineage.workspace import Workspace

    space = Workspace(workspace)
    training = space.find_unfinished(artifact_id)
    facts: dict[str, Any] = {}
    if training is not None:
        run = read_run(training)
        facts["id"] = training.name
        typer.echo(f"{training.name}  in the making ({training})", err=as_json)
    else:
        artifact = space.find(artifact_id)
        if verify:
            artifact.verify()
        facts = artifact.receipt.model_dump(mode="json")
        run = read_run(artifact.path)
        if not as_json:
            typer.echo(f"{artifact.id}  ({artifact.path}){'  verified' if verify else ''}")
            print_lines(_describe(artifact.receipt))
    print_run(run, facts, as_json=as_json)
    if plot is not None:
        draw_run(run, plot)


@app.command(rich_help_panel="Look back")
def trace(
    artifact_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="An artifact's; its beginning is enough.")
    ] = None,
    document: Annotated[str | None, typer.Option(metavar="ID", help="A document's id.")] = None,
    url: Annotated[str | None, typer.Option(metavar="URL", help="A page's address.")] = None,
    content: Annotated[
        str | None, typer.Option(metavar="SHA256", help="Hash of a text or of a raw page.")
    ] = None,
    text: Annotated[str | None, typer.Option(help="A sentence of the training text.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Matches at most.")] = 10,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Follow lineage: what made an artifact, where a document went, where a sentence came from.

    Examples:  lodesmith trace tune-3f2a  ·  lodesmith trace --text "Choose Insert - Frame"
    """
    from lodesmith.lineage.workspace import Workspace
    from lodesmith.pipeline import trace as tracing

    if sum(value is not None for value in (artifact_id, document, url, content, text)) != 1:
        raise UserError(
            "give one of: an artifact's ID, --document ID, --url URL, --content SHA256, "
            "--text SENTENCE"
        )
    space = Workspace(workspace)
    if artifact_id is not None:
        ancestry = tracing.trace_artifact(space, space.find(artifact_id))
        _print(ancestry, tracing.format_artifact_trace(ancestry), as_json=as_json)
    elif document is not None:
        journey = tracing.trace_document(space, document)
        _print(journey, tracing.format_document_trace(journey), as_json=as_json)
    elif url is not None or content is not None:
        if url is not None:
            journeys = tracing.trace_url(space, url)
        else:
            journeys = tracing.trace_content(space, content or "")
        lines = "\n\n".join(map(tracing.format_document_trace, journeys))
        _print(journeys, lines, as_json=as_json)
    else:
        matches = tracing.trace_text(space, text or "", limit=limit)
        chats = tracing.trace_chats(space, text or "", limit=limit)
        lines = tracing.format_text_matches(matches, chats)
        _print([*matches, *chats], lines, as_json=as_json)


@app.command(rich_help_panel="Look back")
def catalog(
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make it again from the artifacts.")
    ] = False,
    compact: Annotated[bool, typer.Option("--compact", help="Merge its runs into one.")] = False,
    vacuum: Annotated[
        bool, typer.Option("--vacuum", help="Delete what a week has not used.")
    ] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Show the catalog of documents, which `trace` looks into, or put it in order.

    Examples:  lodesmith catalog  ·  lodesmith catalog --rebuild
    """
    from lodesmith.lineage.workspace import Workspace
    from lodesmith.pipeline import catalog_artifacts

    space = Workspace(workspace)
    if rebuild:
        with space.lock():
            catalog_artifacts.rebuild_catalog(space)
    found = catalog_artifacts.open_catalog(space)
    if compact:
        found.compact(whole=True)
    if vacuum:
        found.vacuum()
    facts = catalog_artifacts.describe_catalog(found)
    if as_json:
        typer.echo(json.dumps(facts, indent=2))
        return
    for name, value in facts.items():
        typer.echo(f"{name:<14} {', '.join(value) if isinstance(value, list) else f'{value:,}'}")


def _print(found: Any, text: str, *, as_json: bool) -> None:
    """Print a trace (a dataclass or a list of them) as JSON, or its text for people."""
    if not as_json:
        typer.echo(text)
        return
    as_dict = dataclasses.asdict
    data = [as_dict(item) for item in found] if isinstance(found, list) else as_dict(found)
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2))


def _row(artifact: "Artifact") -> dict[str, Any]:
    receipt = artifact.receipt
    return {
        "id": receipt.id,
        "kind": receipt.kind,
        "digest": receipt.digest,
        "finished": receipt.finished,
        "seconds": receipt.seconds,
        "bytes": sum(entry.bytes for entry in receipt.files.values()),
        "parents": [parent.id for parent in receipt.parents.values()],
    }


def _describe(receipt: "Receipt") -> Iterator[str]:
    yield f"  digest    {receipt.digest}"
    yield (
        f"  made      {receipt.finished}, {format_seconds(receipt.seconds)}, "
        f"{format_counted(receipt.num_attempts, 'attempt')}, version {receipt.code_version}"
    )
    yield f"  memory    {format_bytes(receipt.peak_memory_bytes)} at the peak"
    for kind, parent in receipt.parents.items():
        yield f"  parent    {parent.id}  ({kind})"
    for source in receipt.sources:
        facts = (source.get("origin"), source.get("version"), source.get("licence"))
        yield f"  source    {'  '.join(str(fact) for fact in facts if fact)}"
    for name, value in receipt.counts.items():
        yield f"  {name:<26} {value:>16,}"
    for reason, count in receipt.dropped.items():
        yield f"  dropped   {count:>8,}  {reason}"
    yield from (f"  note      {note}" for note in receipt.notes)
    for name, entry in receipt.files.items():
        yield f"  file      {format_bytes(entry.bytes):>9}  {name}"

"""Commands that take a finished model: evaluate, export, serve, chat."""

import json
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from lodesmith.cli.app import JsonOption, OverridesArgument, WorkspaceOption, app
from lodesmith.cli.stages import print_result, run_until
from lodesmith.core.errors import UserError
from lodesmith.core.storage import write_text
from lodesmith.lineage import DEFAULT_WORKSPACE

if TYPE_CHECKING:
    from lodesmith.evaluate.benchmarks.task_file import Scoring

ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Artifact id, Hugging Face folder, GGUF file, PEFT folder, or a recipe's name.",
    ),
]


class ExportFormat(StrEnum):
    """What `export` writes."""

    HF = "hf"
    GGUF = "gguf"


class Backend(StrEnum):
    """What computes answers."""

    OWN = "own"
    VLLM = "vllm"


@app.command(rich_help_panel="Use a model")
def evaluate(
    model: ModelArgument,
    overrides: OverridesArgument = None,
    tasks: Annotated[str | None, typer.Option(metavar="T,...", help="Which tasks.")] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the benchmarks' files are.")
    ] = None,
    num_fewshot: Annotated[int, typer.Option(min=0, help="Worked examples per question.")] = 0,
    seed: Annotated[int, typer.Option(min=0, help="Decides which examples.")] = 0,
    scoring: Annotated[
        str | None, typer.Option(metavar="label|sequence", help="What of a text is scored.")
    ] = None,
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
    allow_code: Annotated[
        bool, typer.Option("--allow-code", help="Run programs that the model writes, locked in.")
    ] = False,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    as_json: JsonOption = False,
) -> None:
    """Score a model; with a recipe, run its evaluate stage and what that lacks.

    Examples:  lodesmith evaluate quickstart  ·  lodesmith evaluate tune-3f2a --tasks bits_per_byte
    ·  lodesmith evaluate ./Qwen3-0.6B --tasks fewclue --data fewclue/ --num-fewshot 4 --json
    """
    if _is_recipe(model):
        print_result(run_until(model, overrides or (), workspace, "evaluate"), as_json=as_json)
        return
    from lodesmith.evaluate.page import read_scores, render_page, to_text
    from lodesmith.evaluate.tasks import Asking, evaluate_model

    if tasks is None:
        raise UserError("say which tasks: --tasks bits_per_byte,next_sentence or --tasks fewclue")
    if scoring not in (None, "label", "sequence"):
        raise UserError(f"--scoring is label or sequence, not {scoring}")
    baseline = read_scores(against) if against is not None else None
    scores = evaluate_model(
        model,
        tasks=[task.strip() for task in tasks.split(",")],
        workspace=workspace,
        documents=documents,
        asking=Asking(
            data=data,
            num_fewshot=num_fewshot,
            seed=seed,
            limit=limit,
            allow_code=allow_code,
            scoring=cast("Scoring | None", scoring),
        ),
    )
    if html is not None:
        write_text(html, render_page(scores, model=model, baseline=baseline))
    typer.echo(
        json.dumps(scores, ensure_ascii=False, indent=2)
        if as_json
        else to_text(scores, baseline=baseline)
    )


@app.command(rich_help_panel="Use a model")
def export(
    model: ModelArgument,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="For gguf also FILE.gguf.")
    ],
    form: Annotated[
        ExportFormat, typer.Option("--format", help="A Hugging Face folder, or one GGUF file.")
    ] = ExportFormat.HF,
    tokenizer: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Its files go with a checkpoint's weights.")
    ] = None,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Write a model for others: a folder for transformers and vLLM, or a file for llama.cpp.

    MODEL may also be the folder of a run's checkpoints: the latest is taken, of any layout.

    Examples:  lodesmith export quickstart -o my-model
      ·  lodesmith export quickstart -o my.gguf --format gguf
      ·  lodesmith export scratch/checkpoints --tokenizer my-tokenizer -o my-model
    """
    if Path(model).is_dir():
        from lodesmith.parallel.checkpoint.export import export_checkpoint, is_checkpoint_folder

        if is_checkpoint_folder(Path(model)):
            if form is ExportFormat.GGUF:
                raise UserError("export a checkpoint as a folder first, then the folder as gguf")
            step = export_checkpoint(Path(model), output, tokenizer=tokenizer)
            typer.echo(f"wrote {output}, the weights of step {step}")
            return
    folder = _find_folder(model, workspace)
    if form is ExportFormat.GGUF:
        from lodesmith.model.gguf_write import export_gguf

        if output.suffix != ".gguf":
            output = output / f"{Path(model).name.removesuffix('.gguf')}.gguf"
        export_gguf(folder, output)
    else:
        from lodesmith.model.checkpoint import export_model

        export_model(folder, output)
    typer.echo(f"wrote {output}")


@app.command(rich_help_panel="Use a model")
def serve(
    model: ModelArgument,
    overrides: OverridesArgument = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65_535)] = 8000,
    api_keys: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keys, one a line; needed beyond loopback.")
    ] = None,
    also: Annotated[
        list[str] | None, typer.Option(metavar="NAME=MODEL", help="One more model, by its name.")
    ] = None,
    adapters: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where LoRA adapters of MODEL lie that may be loaded."),
    ] = None,
    request_seconds: Annotated[
        float, typer.Option(min=0.1, help="After which an answer is given up.")
    ] = 600.0,
    quantization: Annotated[
        str | None, typer.Option(metavar="int8|int4", help="Round the weights, for speed on CPUs.")
    ] = None,
    backend: Annotated[
        Backend, typer.Option(help="What computes: our engine, or a vLLM that is started here.")
    ] = Backend.OWN,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Serve models over an OpenAI-compatible API; with a recipe, run what it lacks first.

    Examples:  lodesmith serve quickstart  ·  lodesmith serve ./Qwen3-0.6B --port 8080
    """
    name = model
    if _is_recipe(model):
        from lodesmith.pipeline.run import model_of

        name = model_of(run_until(model, overrides or (), workspace, None)).id
    models = _find_all(name, also or (), workspace)
    if backend is Backend.VLLM and (also or adapters or quantization):
        raise UserError(
            "--backend vllm serves one model as it is; leave --also, --adapters and "
            "--quantization out"
        )
    from lodesmith.infer.config import EngineConfig, Quantization
    from lodesmith.serve import server
    from lodesmith.serve.keys import ApiKeys

    if quantization not in (None, "int8", "int4"):
        raise UserError(f"--quantization is int8 or int4, not {quantization}")
    settings = server.ServerSettings(
        keys=None if api_keys is None else ApiKeys.load(api_keys),
        request_seconds=request_seconds,
        adapters=adapters,
        engine=EngineConfig(quantization=cast("Quantization | None", quantization)),
    )
    if backend is Backend.VLLM:
        [(name, folder)] = models.items()
        server.serve_by_vllm(folder, name=name, host=host, port=port, settings=settings)
    else:
        server.serve(models, host=host, port=port, settings=settings)


@app.command(rich_help_panel="Use a model")
def chat(
    model: ModelArgument,
    max_tokens: Annotated[int, typer.Option(min=1, help="Per answer.")] = 200,
    temperature: Annotated[float, typer.Option(min=0.0, max=2.0)] = 0.7,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Talk to a model in the terminal.

    Example:  lodesmith chat quickstart
    """
    folder = _find_folder(model, workspace)
    from lodesmith.infer.load import load_model
    from lodesmith.serve.chat import chat as talk

    talk(load_model(str(folder)), max_tokens=max_tokens, temperature=temperature)


def _is_recipe(name: str) -> bool:
    from lodesmith.pipeline.recipe import is_recipe_name

    return is_recipe_name(name)


def _find_all(first: str, also: Sequence[str], workspace: Path) -> dict[str, Path]:
    """Return the folders of a model and of those given as NAME=MODEL, by name."""
    models = {Path(first).name: _find_folder(first, workspace)}
    for entry in also:
        name, _, place = entry.partition("=")
        if not (name and place) or name in models:
            raise UserError(f"--also takes NAME=MODEL with a name of its own, not '{entry}'")
        models[name] = _find_folder(place, workspace)
    return models


def _find_folder(name: str, workspace: Path) -> Path:
    """Return a model's folder: of an id, a folder, a file, or the last that a recipe made here.

    Raises:
        UserError: there is none, or its audit found that it gives away what it learnt.
    """
    from lodesmith.lineage.release import check_release
    from lodesmith.lineage.workspace import Workspace
    from lodesmith.model.locate import locate_model
    from lodesmith.pipeline.recipe import is_recipe_name

    space = Workspace(workspace)
    if is_recipe_name(name):
        from lodesmith.pipeline.run import last_model

        name = last_model(space, Path(name).stem)
    folder = locate_model(name, space)
    check_release(folder)
    return folder

"""Commands that take a finished model: export, serve, chat; `evaluate` stands by itself."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, cast

import typer

from lodesmith.cli.app import (
    ModelArgument,
    OverridesArgument,
    WorkspaceOption,
    app,
    is_recipe,
    name_model,
    refuse_overrides,
)
from lodesmith.cli.stages import run_until
from lodesmith.core.errors import UserError
from lodesmith.lineage import DEFAULT_WORKSPACE


class ExportFormat(StrEnum):
    """What `export` writes."""

    HF = "hf"
    GGUF = "gguf"


class Backend(StrEnum):
    """What computes answers."""

    OWN = "own"
    VLLM = "vllm"


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
    if not is_recipe(model) and Path(model).is_dir():
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
        from lodesmith.model.export import export_model

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
    max_model_len: Annotated[
        int | None, typer.Option(min=1, help="Tokens of prompt and answer together.")
    ] = None,
    max_num_seqs: Annotated[
        int, typer.Option(min=1, max=1024, help="Requests answered together.")
    ] = 32,
    threads: Annotated[
        int | None, typer.Option(min=1, help="CPU threads that compute; all cores if left out.")
    ] = None,
    quantization: Annotated[
        str | None, typer.Option(metavar="int8|int4", help="Round the weights, for speed on CPUs.")
    ] = None,
    backend: Annotated[
        Backend, typer.Option(help="What computes: our engine, or a vLLM that is started here.")
    ] = Backend.OWN,
    vllm_options: Annotated[
        str,
        typer.Option(metavar="WORDS", help="More of vLLM's options: '--tensor-parallel-size 2'."),
    ] = "",
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Serve models over an OpenAI-compatible API; with a recipe, run what it lacks first.

    Examples:  lodesmith serve quickstart  ·  lodesmith serve ./Qwen3-0.6B --port 8080
    """
    from lodesmith.serve.access.keys import ApiKeys, check_binding

    keys = None if api_keys is None else ApiKeys.load(api_keys)
    check_binding(host, keys)  # here and below: before a recipe runs for hours
    _check_backend(backend, quantization=quantization, threads=threads, vllm_options=vllm_options)
    name = model
    if is_recipe(model):
        from lodesmith.pipeline.run import model_of

        name = model_of(run_until(model, overrides or (), workspace, None)).id
    else:
        refuse_overrides(overrides)
    models = _find_all(name, also or (), workspace)
    from lodesmith.infer.config import EngineConfig, Quantization
    from lodesmith.serve import server

    settings = server.ServerSettings(
        keys=keys,
        request_seconds=request_seconds,
        adapters=adapters,
        engine=EngineConfig(
            max_model_len=max_model_len,
            max_num_seqs=max_num_seqs,
            num_threads=threads,
            quantization=cast("Quantization | None", quantization),
        ),
    )
    if backend is Backend.VLLM:
        from lodesmith.serve.vllm.command import read_options

        server.serve_by_vllm(
            models, host=host, port=port, settings=settings, options=read_options(vllm_options)
        )
    else:
        server.serve(models, host=host, port=port, settings=settings)


def _check_backend(
    backend: Backend, *, quantization: str | None, threads: int | None, vllm_options: str
) -> None:
    if quantization not in (None, "int8", "int4"):
        raise UserError(f"--quantization is int8 or int4, not {quantization}")
    if backend is Backend.VLLM and (quantization or threads):
        raise UserError(
            "--threads and --quantization are our engine's; leave them out with --backend vllm, "
            "whose own are given by --vllm-options"
        )
    if backend is not Backend.VLLM and vllm_options:
        raise UserError("--vllm-options are for --backend vllm; give that too, or leave them out")


@app.command(rich_help_panel="Use a model")
def chat(
    model: ModelArgument,
    max_tokens: Annotated[int, typer.Option(min=1, help="Per answer.")] = 200,
    temperature: Annotated[
        float, typer.Option(min=0.0, max=2.0, help="How freely words are drawn; 0: the likeliest.")
    ] = 0.7,
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
) -> None:
    """Talk to a model in the terminal.

    Example:  lodesmith chat quickstart
    """
    folder = _find_folder(model, workspace)
    from lodesmith.serve.chat import chat_with_folder

    chat_with_folder(folder, max_tokens=max_tokens, temperature=temperature)


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

    folder = locate_model(name_model(name, workspace), Workspace(workspace))
    check_release(folder)
    return folder

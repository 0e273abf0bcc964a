"""Where a model's files are: by artifact id or by folder."""

from collections.abc import Container
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.lineage.workspace import Workspace

MODEL_KINDS = ("pretrain", "tune")  # in the order they are made; each holds a folder `model`


def last_model_kind(kinds: Container[str]) -> str | None:
    """Return which of some artifact kinds holds the last model of a life; None if none does."""
    return next((kind for kind in reversed(MODEL_KINDS) if kind in kinds), None)


def find_model_folder(name: str, workspace: Workspace) -> Path:
    """Return the folder with config.json, weights and tokenizer of a model.

    Args:
        name: an artifact id (or its unique beginning), or a Hugging Face folder.
        workspace: where artifacts are looked up.

    Raises:
        UserError: there is no such model.
    """
    folder = Path(name)
    if (folder / "config.json").is_file():
        return folder
    if folder.is_dir():
        raise UserError(f"{folder} has no config.json; a model folder holds config.json, "
                        "*.safetensors and tokenizer.json")  # fmt: skip
    if "/" in name:
        raise UserError(f"there is no folder {name}; name one, or an artifact of `lodesmith ls`")
    artifact = workspace.find(name)
    if artifact.kind not in MODEL_KINDS:
        raise UserError(
            f"{artifact.id} is no model; models are {' and '.join(MODEL_KINDS)} artifacts"
        )
    return artifact.file("model")

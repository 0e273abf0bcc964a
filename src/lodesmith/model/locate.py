"""The model that a command was given, as a Hugging Face folder, whatever it was given as.

An artifact and a Hugging Face folder are taken where they lie. A GGUF file (or a folder with one
in it) is unpacked, and a PEFT adapter is merged into its base, once: the result lies in the
workspace's cache under the hash of what it was made of.
"""

from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.lineage.models import find_model_folder
from lodesmith.lineage.workspace import Workspace
from lodesmith.model.adapter_shape import CONFIG_FILE

_GGUF = ".gguf"


def locate_model(name: str, workspace: Workspace) -> Path:
    """Return the folder with config.json, weights and tokenizer of a model.

    Args:
        name: an artifact id or its unique beginning, a Hugging Face folder, a GGUF file, or a PEFT
            folder that names its base.
        workspace: where artifacts are looked up, and what had to be unpacked is kept.

    Raises:
        UserError: there is no such model, or it is of a kind that is not known here.
        DamagedArtifactError: a file is torn.
    """
    path = Path(name)
    if (path / "config.json").is_file():
        return path
    if (path / CONFIG_FILE).is_file():
        from lodesmith.model.merged import merge_folder

        return merge_folder(path, workspace.cache / "merged")
    file = _gguf_file(path)
    if file is None:
        return find_model_folder(name, workspace)
    from lodesmith.model.gguf_folder import unpack_gguf

    return unpack_gguf(file, workspace.cache / "gguf")


def _gguf_file(path: Path) -> Path | None:
    """Return the GGUF file that is meant; None if none is.

    Raises:
        UserError: it is not there, or there are several.
    """
    if path.suffix.lower() == _GGUF:
        if not path.is_file():
            raise UserError(f"{path} is not there; give the path of a GGUF file")
        return path
    inside = sorted(path.glob(f"*{_GGUF}")) if path.is_dir() else []
    if len(inside) > 1:
        raise UserError(
            f"{path} holds {len(inside)} GGUF files ({inside[0].name}, {inside[1].name}"
            f"{', ...' if len(inside) > 2 else ''}); give the path of one"
        )
    return inside[0] if inside else None

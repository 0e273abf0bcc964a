"""A model of a base and a PEFT adapter, merged into one folder that every command takes."""

import shutil
import tempfile
from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.core.storage import hash_file, hash_json
from lodesmith.model.adapter_shape import CONFIG_FILE
from lodesmith.model.checkpoint import (
    copy_tokenizer,
    load_decoder,
    read_eos_ids,
    read_vocabulary,
    save_decoder,
)
from lodesmith.model.kinship import check_kinship
from lodesmith.model.lora import (
    WEIGHTS_FILE,
    load_adapter,
    merge_adapter,
    read_adapter_config,
)


def merge_folder(adapter: Path, cache: Path) -> Path:
    """Return a Hugging Face folder with an adapter merged into its base, making it if need be.

    Args:
        adapter: PEFT folder whose settings name the base model's folder.
        cache: folder below which it is kept, under a hash of both.

    Raises:
        UserError: the base is not there, or is not the one that the adapter was trained on.
        DamagedArtifactError: a file is torn.
    """
    named = read_adapter_config(adapter).get("base_model_name_or_path")
    base = Path(named) if named else None
    if base is None or not (base / "config.json").is_file():
        raise UserError(
            f"{adapter / CONFIG_FILE} names {named!r} as its base, which is no model folder here; "
            "write the folder of the base model into base_model_name_or_path"
        )
    parts = [adapter / CONFIG_FILE, adapter / WEIGHTS_FILE, *sorted(base.glob("*.safetensors"))]
    folder = cache / hash_json([hash_file(path) for path in parts if path.is_file()])[:16]
    if (folder / "config.json").is_file():
        return folder
    decoder = load_decoder(base)
    merge_adapter(decoder, load_adapter(adapter))
    check_kinship(adapter, decoder.named_parameters())
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=".merging-", dir=cache))
    try:
        copy_tokenizer(base, unfinished)
        save_decoder(
            unfinished, decoder, eos_ids=read_eos_ids(base), vocabulary=read_vocabulary(base)
        )
        if not folder.exists():
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder

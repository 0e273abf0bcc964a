"""A model for other libraries: a Hugging Face folder with nothing in it that they would misread."""

from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.model.checkpoint import (
    copy_tokenizer,
    load_decoder,
    read_config,
    read_dtype,
    read_eos_ids,
    read_vocabulary,
    save_decoder,
)
from lodesmith.model.config import DecoderConfig
from lodesmith.model.vocabulary import load_tokenizer


def export_model(folder_in: Path, folder_out: Path) -> None:
    """Write a model as a Hugging Face folder that transformers and vLLM load as it is.

    Weights keep the dtype that config.json states; all of them are read and checked. A folder
    without a tokenizer gives one without.

    Raises:
        UserError: the output folder is not empty, the input is no model folder, no other library
            would compute it, or its tokenizer is another model's.
        DamagedArtifactError: the input is torn.
    """
    check_empty(folder_out)
    check_exportable(read_config(folder_in), where=folder_in)
    if (folder_in / "tokenizer.json").is_file():
        load_tokenizer(folder_in)  # one that is another model's is not passed on
    decoder = load_decoder(folder_in, dtype=read_dtype(folder_in))
    copy_tokenizer(folder_in, folder_out)
    save_decoder(
        folder_out,
        decoder,
        eos_ids=read_eos_ids(folder_in),
        vocabulary=read_vocabulary(folder_in),
    )


def check_empty(folder: Path) -> None:
    """Refuse a folder that holds something, or a file, as the place for a new model."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder; name one that does not exist yet")


def check_exportable(config: DecoderConfig, *, where: Path) -> None:
    """Refuse a model that no other library would compute."""
    if config.experts is not None and not config.experts.is_exportable:
        raise UserError(
            f"{where} has a shared expert or biased routing, which Qwen3-MoE has not: no other "
            "library would compute it; train without them to export"
        )

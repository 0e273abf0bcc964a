"""A model folder out of a run's latest checkpoint, while the run goes on or after it."""

import shutil
from pathlib import Path

import torch

from lodesmith.core.errors import UserError
from lodesmith.model.checkpoint import (
    TOKENIZER_FILES,
    check_empty,
    check_exportable,
    save_decoder,
)
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.parallel.checkpoint.whole import StoredCheckpoint

WEIGHT_PREFIX = "weight."
"""Begins the names of weights in a checkpoint; what follows is their name in the model."""


def is_checkpoint_folder(place: Path) -> bool:
    """Tell whether a folder holds the checkpoints of a run."""
    return any(place.glob("step-*/committed.json"))


def export_checkpoint(place: Path, folder_out: Path, *, tokenizer: Path | None) -> int:
    """Write the weights of the latest checkpoint as a Hugging Face folder; return its step.

    Args:
        place: the folder of a run's checkpoints, whatever layout wrote them.
        folder_out: is made.
        tokenizer: folder whose tokenizer files are put beside the weights.

    Raises:
        UserError: the output folder is not empty, there is no checkpoint, it holds an adapter
            only, or no other library could compute the model.
        DamagedArtifactError: the latest checkpoint is damaged.
    """
    check_empty(folder_out)
    stored = StoredCheckpoint(place)
    facts = stored.manifest.facts
    config = DecoderConfig.model_validate(facts["model"])
    check_exportable(config, where=place)
    with torch.device("meta"):
        decoder = Decoder(config)
    weights = dict(stored.tensors(WEIGHT_PREFIX))
    wanted = {name for name, _ in decoder.named_parameters()}
    if weights.keys() != wanted:
        raise UserError(
            f"{place} has not all weights of a model ({min(weights.keys() ^ wanted)} differs), as "
            "when only an adapter is trained; export the artifact when the run is finished"
        )
    decoder.load_state_dict(weights, assign=True)
    for name in TOKENIZER_FILES:
        if tokenizer is not None and (tokenizer / name).is_file():
            folder_out.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tokenizer / name, folder_out / name)
    save_decoder(folder_out, decoder, eos_ids=facts["eos_ids"])
    return stored.manifest.step

"""A model out of a run's checkpoints, while the run goes on or after it."""

from pathlib import Path

import torch

from lodesmith.core.errors import UserError
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.model.checkpoint import copy_tokenizer, save_decoder
from lodesmith.model.config import DecoderConfig
from lodesmith.model.decoder import Decoder
from lodesmith.model.export import check_empty, check_exportable
from lodesmith.model.vocabulary import check_vocabulary
from lodesmith.parallel.checkpoint.manifest import Manifest
from lodesmith.parallel.checkpoint.shelf import Shelf
from lodesmith.parallel.checkpoint.whole import StoredCheckpoint

WEIGHT_PREFIX = "weight."
"""Begins the names of weights in a checkpoint; what follows is their name in the model."""


def is_checkpoint_folder(place: Path) -> bool:
    """Tell whether a folder holds the checkpoints of a run."""
    return any(place.glob("step-*/committed.json"))


def stored_steps(place: Path) -> list[int]:
    """Return the steps of the checkpoints in a folder, ascending."""
    return Shelf(place, attempt="").steps()


def load_checkpoint(place: Path, *, step: int | None = None) -> tuple[Decoder, Manifest]:
    """Return the model of a checkpoint, and what the checkpoint says of itself.

    Args:
        place: the folder of a run's checkpoints, whatever layout wrote them.
        step: of which; None takes the latest.

    Raises:
        UserError: there is no checkpoint, or it holds an adapter only.
        DamagedArtifactError: it is damaged.
    """
    stored = StoredCheckpoint(place, step=step)
    with torch.device("meta"):
        decoder = Decoder(DecoderConfig.model_validate(stored.manifest.facts["model"]))
    weights = dict(stored.tensors(WEIGHT_PREFIX))
    wanted = {name for name, _ in decoder.named_parameters()}
    if weights.keys() != wanted:
        raise UserError(
            f"{place} has not all weights of a model ({min(weights.keys() ^ wanted)} differs), as "
            "when only an adapter is trained; take the artifact when the run is finished"
        )
    decoder.load_state_dict(weights, assign=True)
    return decoder, stored.manifest


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
    decoder, manifest = load_checkpoint(place)
    check_exportable(decoder.config, where=place)
    vocabulary = manifest.facts.get("vocabulary")
    if tokenizer is not None:
        check_vocabulary(
            Tokenizer.load(tokenizer),
            vocab_size=decoder.config.vocab_size,
            vocabulary=vocabulary,
            where=place,
        )
        copy_tokenizer(tokenizer, folder_out)
    save_decoder(folder_out, decoder, eos_ids=manifest.facts["eos_ids"], vocabulary=vocabulary)
    return manifest.step

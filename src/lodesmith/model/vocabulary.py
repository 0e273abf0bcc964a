"""A model's tokenizer, which is nothing without the weights that learnt its ids.

Two tokenizers of one size encode any text without a fault, and a model that is given ids of the
wrong one answers nonsense and is scored as if it knew nothing. So a model that is trained here
states whose ids it learnt, in its config.json and in its checkpoints; other libraries look past it.
A folder made elsewhere states nothing, and only a tokenizer that is too large is noticed there.
"""

from pathlib import Path

from lodesmith.core.errors import UserError
from lodesmith.data.tokenizer import Tokenizer
from lodesmith.model.checkpoint import read_config, read_vocabulary


def load_tokenizer(folder: Path) -> Tokenizer:
    """Return the tokenizer of a model's folder.

    Raises:
        UserError: there is none, it cannot be read, or it is not the one of the weights.
        DamagedArtifactError: config.json is torn.
    """
    tokenizer = Tokenizer.load(folder)
    check_vocabulary(
        tokenizer,
        vocab_size=read_config(folder).vocab_size,
        vocabulary=read_vocabulary(folder),
        where=folder,
    )
    return tokenizer


def check_vocabulary(
    tokenizer: Tokenizer, *, vocab_size: int, vocabulary: str | None, where: Path
) -> None:
    """Refuse a tokenizer whose ids are not those that a model learnt.

    Args:
        tokenizer: to be used with the model.
        vocab_size: ids that the model has weights for.
        vocabulary: `Tokenizer.vocabulary` of what it was trained with; None where nobody knows.
        where: the model, for the message.

    Raises:
        UserError: they do not belong together.
    """
    if tokenizer.vocab_size > vocab_size:
        raise UserError(
            f"{where}: the tokenizer has {tokenizer.vocab_size} tokens but the model only "
            f"{vocab_size}: they do not belong together; put the model's own tokenizer there"
        )
    if vocabulary is not None and tokenizer.vocabulary != vocabulary:
        raise UserError(
            f"{where}: the tokenizer is another model's: its tokens are not those that the weights "
            "were trained with, though they may be as many; put the model's own tokenizer there"
        )

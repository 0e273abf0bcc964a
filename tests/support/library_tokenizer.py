"""The tokenizer as the trainer of the `tokenizers` library makes it: what ours must equal."""

import json

from tokenizers import AddedToken, Tokenizer
from tokenizers.trainers import BpeTrainer

from lodesmith.data.byte_level import byte_letters
from lodesmith.data.tokenizer import SPECIAL_TOKENS
from lodesmith.tokenize.bpe import _untrained


def train_with_the_library(texts: list[str], vocab_size: int) -> str:
    """Return tokenizer.json as text."""
    engine = Tokenizer.from_str(json.dumps(_untrained()))
    trainer = BpeTrainer(
        vocab_size=vocab_size - len(SPECIAL_TOKENS),
        min_frequency=2,
        initial_alphabet=list(byte_letters()),
        show_progress=False,
    )
    engine.train_from_iterator(texts, trainer)
    engine.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL_TOKENS])
    return engine.to_str(pretty=True) + "\n"

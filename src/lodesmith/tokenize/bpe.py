"""Training a byte-level BPE tokenizer: any text can be encoded, and comes back exactly.

Ids 0 to 255 are the bytes, then come the merges in the order of their learning, then the special
tokens. The result is a folder that transformers' `AutoTokenizer` loads as it is.

The merges are learnt by a kernel of ours (`native/bpe.c`), with the result of the trainer of the
`tokenizers` library, to the byte: a test compares them.

Source: R. Sennrich, B. Haddow, A. Birch, ACL 2016, "Neural Machine Translation of Rare Words with
Subword Units", section 3.2 (BPE); `byte_level` for the bytes and the split pattern.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lodesmith.core.errors import UserError
from lodesmith.core.storage import write_json, write_text
from lodesmith.data.byte_level import byte_letters, pre_tokenizer
from lodesmith.data.chat import CHAT_TEMPLATE
from lodesmith.data.tokenizer import END_OF_TEXT, SPECIAL_TOKENS, Tokenizer

_MIN_FREQUENCY = 2  # a pair seen once says nothing about other text
MIN_VOCAB_SIZE = 256 + len(SPECIAL_TOKENS)


def train_tokenizer(folder: Path, texts: Iterable[str], *, vocab_size: int) -> Tokenizer:
    """Learn from texts, write tokenizer.json and tokenizer_config.json, and return the tokenizer.

    Args:
        folder: gets the two files.
        texts: what the merges are learned from.
        vocab_size: ids in all, special tokens included; fewer come out of very little text.

    Raises:
        UserError: `vocab_size` leaves no room for the bytes and the special tokens.
    """
    if vocab_size < MIN_VOCAB_SIZE:
        raise UserError(
            f"vocab_size is {vocab_size}; 256 bytes and {len(SPECIAL_TOKENS)} special tokens "
            f"need at least {MIN_VOCAB_SIZE}"
        )
    write_text(folder / "tokenizer.json", _train(texts, vocab_size) + "\n")
    write_json(folder / "tokenizer_config.json", tokenizer_settings())
    return Tokenizer.load(folder)


def tokenizer_settings() -> dict[str, Any]:
    """Return what tokenizer_config.json says about our tokenizers."""
    return {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        "bos_token": None,
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "chat_template": CHAT_TEMPLATE,
    }


def _train(texts: Iterable[str], vocab_size: int) -> str:
    from lodesmith.native.bpe import learn_merges

    alphabet = sorted(byte_letters())  # ids of single bytes are in the order of their letters
    pairs = learn_merges(
        texts,
        num_merges=vocab_size - MIN_VOCAB_SIZE,
        least_count=_MIN_FREQUENCY,
        byte_ids=[alphabet.index(letter) for letter in byte_letters()],
    )
    tokens = list(alphabet)
    for left, right in pairs:
        tokens.append(tokens[left] + tokens[right])
    data = _untrained()
    data["model"] |= {
        "vocab": {token: number for number, token in enumerate(tokens)},
        "merges": [[tokens[left], tokens[right]] for left, right in pairs],
    }
    # What stands between two borders is merged in one way only, so no token can come out twice.
    assert len(data["model"]["vocab"]) == len(tokens)  # noqa: S101
    return _write_out(data)


def _write_out(data: dict[str, Any]) -> str:
    """Return tokenizer.json as the `tokenizers` library itself writes it."""
    from tokenizers import AddedToken
    from tokenizers import Tokenizer as Engine

    engine = Engine.from_str(json.dumps(data))
    engine.add_special_tokens([AddedToken(name, special=True) for name in SPECIAL_TOKENS])
    return engine.to_str(pretty=True)


def _untrained() -> dict[str, Any]:
    to_text = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": pre_tokenizer(),
        "post_processor": None,
        "decoder": to_text,
        "model": {"type": "BPE", "vocab": {}, "merges": []},
    }

"""Byte-level BPE: the alphabet that writes bytes as letters, and the quick way to encode.

In a `tokenizer.json` each of the 256 bytes stands as one printable letter. Our own tokenizers have
one shape (our split pattern, then bytes, no normalisation), and for these tiktoken encodes four
times as fast as the `tokenizers` library. Both give the same ids if merging any two neighbours
whose joint is a token (tiktoken) is the same as merging the listed pairs in order (tokenizers).
That holds when ids are in the order of the merges and every token, encoded alone, gives itself:
then the bytes between two token borders have one way to be merged up to a given rank. `quick_ranks`
checks both.

Source: A. Radford et al., "Language Models are Unsupervised Multitask Learners", 2019, section 2.2
(bytes as letters); the letters themselves follow the published `vocab.json` of GPT-2.
"""

from functools import cache
from typing import Any

SPLIT_PATTERN = (
    r"'(?:[sSdDmMtT]|[lL][lL]|[vV][eE]|[rR][eE])"  # it's, we'll: written out, so that no engine's
    r"|[^\r\n\p{L}\p{N}]?\p{L}+"  # own idea of letter case plays a part
    r"|\p{N}{1,3}"  # numbers in groups of at most three digits
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+"
    r"|\s+(?!\S)"  # white space but its last character, which goes to the word behind it
    r"|\s+"
)
"""How text is cut before bytes are merged.

Source: the pattern of GPT-4's cl100k_base, published in tiktoken (tiktoken_ext/openai_public.py).
"""


@cache
def byte_letters() -> tuple[str, ...]:
    """Return the letter that stands for each byte: printable Latin-1 itself, else from U+0100 on.

    >>> byte_letters()[ord("a")], byte_letters()[ord(" ")]
    ('a', 'Ġ')
    """
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = iter(range(0x100, 0x200))
    return tuple(chr(byte if byte in printable else next(others)) for byte in range(256))


@cache
def _bytes_of_letters() -> dict[int, int]:
    """Return a table for `str.translate` that takes letters to their bytes, others out of Latin-1.

    A server translates a whole vocabulary before its first answer.
    """
    others = dict.fromkeys(range(256), 65535)
    return others | {ord(letter): byte for byte, letter in enumerate(byte_letters())}


def token_bytes(token: str) -> bytes:
    """Return the bytes of a token that is written in byte letters; added tokens are plain text."""
    try:
        return token.translate(_bytes_of_letters()).encode("latin-1")
    except UnicodeEncodeError:
        return token.encode()


def pre_tokenizer() -> dict[str, Any]:
    """Return the `pre_tokenizer` entry of our own tokenizer.json."""
    split = {
        "type": "Split",
        "pattern": {"Regex": SPLIT_PATTERN},
        "behavior": "Isolated",
        "invert": False,
    }
    to_bytes = {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": False,
    }
    return {"type": "Sequence", "pretokenizers": [split, to_bytes]}


def quick_ranks(data: dict[str, Any]) -> dict[bytes, int] | None:
    """Return the ranks with which tiktoken encodes exactly as this tokenizer.json, if it can.

    Args:
        data: the parsed tokenizer.json.

    Returns:
        Rank, which is also the id, by token; None where the file is not of our own kind.
    """
    if not _is_our_kind(data):
        return None
    vocab: dict[str, int] = data["model"]["vocab"]
    merges = [
        pair.split(" ") if isinstance(pair, str) else pair for pair in data["model"]["merges"]
    ]
    alphabet = len(byte_letters())
    in_order = len(vocab) == alphabet + len(merges) and all(
        vocab.get(left + right) == alphabet + rank
        and max(vocab[left], vocab[right]) < alphabet + rank
        for rank, (left, right) in enumerate(merges)
    )
    if not in_order or not _every_token_gives_itself(vocab, merges):
        return None
    return {token_bytes(token): rank for token, rank in vocab.items()}


def _is_our_kind(data: dict[str, Any]) -> bool:
    model, alphabet = data["model"], byte_letters()
    plain = (
        model["type"] == "BPE"
        and not any(model.get(name) for name in ("dropout", "ignore_merges", "byte_fallback"))
        and not any(
            model.get(name)
            for name in ("continuing_subword_prefix", "end_of_word_suffix", "unk_token")
        )
        and all(model["vocab"].get(letter, len(alphabet)) < len(alphabet) for letter in alphabet)
    )
    return (
        plain
        and data.get("normalizer") is None
        and data.get("pre_tokenizer") == pre_tokenizer()
        and all(token["special"] for token in data["added_tokens"])
        and not any(token["lstrip"] or token["rstrip"] for token in data["added_tokens"])
    )


def _every_token_gives_itself(vocab: dict[str, int], merges: list[list[str]]) -> bool:
    from tokenizers.models import BPE

    model = BPE(vocab=vocab, merges=[(left, right) for left, right in merges])
    for token, rank in vocab.items():
        pieces = model.tokenize(token)
        if len(pieces) != 1 or pieces[0].id != rank:
            return False
    return True
